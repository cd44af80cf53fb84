"""What a proof leaves out: the training images of patterns, the ringleaders, or a list of the user's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np

from sightline.explain.command_line import UsageError
from sightline.explain.progress import progress_bar, warn
from sightline.explain.why.tracing import list_bytes, ringleaders, trace
from sightline.explain.why.training_images import load_training_split
from sightline.image_data import ImageSplit
from sightline.model_zoo.device import choose_device
from sightline.run_store import files
from sightline.run_store.commands import command
from sightline.run_store.culprits import read_culprits
from sightline.run_store.left_out import TrainingList, read_list, read_own_list, write_own_list
from sightline.run_store.patterns import Patterns, read_patterns
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

Split = Callable[[], ImageSplit]  # loads the training split, when it is needed


@dataclass(frozen=True)
class Choice:
    """What is left out. name: in words. patterns: whose mistakes are counted; none: all mistakes."""

    name: str
    patterns: tuple[int, ...]
    listed: str  # the list, a file in the run, with "/"
    make: Callable[[], bytes]  # writes it anew


def of_patterns(run: Run, wanted: Sequence[str], split: Split, device: str) -> Choice:
    """Return the choice of the training images of patterns, by their numbers; none: of all patterns.

    Raises RunError where there are no such patterns.
    """
    found, numbers = chosen_patterns(run, wanted)
    *first, last = map(str, numbers)
    name = f"patterns {', '.join(first)} and {last}" if first else f"pattern {last}"
    listed = f"{files.LISTS}/{name.split()[0]}-{'-'.join(map(str, numbers))}.csv"
    return Choice(
        name, numbers, listed, lambda: list_bytes(trace(run, found, numbers, split(), choose_device(device)), split())
    )


def of_culprits(run: Run, number: int, split: Split) -> Choice:
    """Return the choice of so many of the training images behind most mistakes; of all that there are, where fewer.

    Raises ExplainError where none are known, RunError where nobody looked, UsageError for a number that is none.
    """
    if number < 1:
        raise UsageError(f"--culprits {number}: choose 1 or more.")
    found = read_culprits(run)
    if found is None:
        raise RunError(
            f"Run {run.name}: nobody looked for the training images behind its mistakes yet. Look for them with: "
            f"{command('influence', '--run', run.path)}"
        )
    chosen = ringleaders(found, np.flatnonzero(run.predictions().wrong), number)
    count = len(chosen.index)
    name, listed = f"the {count:,} training images behind most mistakes", f"{files.LISTS}/culprits-{count}.csv"
    return Choice(name, (), listed, lambda: list_bytes(chosen, split()))


def of_file(run: Run, file: Path, wanted: Sequence[str]) -> Choice:
    """Return the choice of a list of the user's own, of which the run gets a copy; of these patterns mistakes count.

    Raises DataError for what is no list, RunError where there are no such patterns.
    """
    given = read_list(file)
    numbers = chosen_patterns(run, wanted)[1] if wanted else ()
    stem = files.safe_name(file.stem) or "list"
    for number in count(1):
        listed = f"{files.LISTS}/{stem}{f'-{number}' if number > 1 else ''}.csv"
        known = read_own_list(run, listed)
        if known is None or np.array_equal(known.indices, given.indices):
            return Choice(f"the list {file.name}", numbers, listed, lambda: given.content)
    raise AssertionError("count() never ends")


def chosen_patterns(run: Run, wanted: Sequence[str]) -> tuple[Patterns, tuple[int, ...]]:
    """Return the patterns of a run, and the wanted numbers of them in order; all where none are named.

    Raises RunError for what is no pattern of the run: a hard class is none.
    """
    found = read_patterns(run)
    if found is None:
        raise RunError(
            f"Run {run.name}: nobody looked for its patterns yet. Look for them with: "
            f"{command('patterns', '--run', run.path)}"
        )
    kinds = {str(one.number): one.kind for one in found.patterns}
    proper = [number for number, kind in kinds.items() if kind == "pattern"]
    if not proper:
        raise RunError(f"Run {run.name} has no patterns, so there is nothing that training images could have taught.")
    for number in wanted:
        if number not in proper:
            what = f"{number} is a hard class" if number in kinds else f"there is no pattern {number}"
            raise RunError(f"Run {run.name}: {what}; choose from its patterns: {', '.join(proper)}.")
    return found, tuple(sorted(set(map(int, wanted or proper))))


def training_split(run: Run, dataset: str | None) -> Split:
    """Return what loads the training images of a run, once, with its progress and warnings.

    dataset: where they lie, as the user says; None: where the run says.
    """

    @lru_cache(1)
    def load() -> ImageSplit:
        with progress_bar("decoding") as progress:
            return load_training_split(run, dataset, run_code=dataset is not None, progress=progress, warn=warn)

    return load


def list_of(run: Run, name: str, make: Callable[[], bytes]) -> TrainingList:
    """Return a list of the run as it stands there, perhaps edited; where it does not, make it. Raises RunError."""
    if read_own_list(run, name) is None:
        write_own_list(run, name, make())
    found = read_own_list(run, name)
    assert found is not None
    return found


def random_list(images: int) -> str:
    """Return the name of the list of so many training images drawn at random, a file in the run, with "/"."""
    return f"{files.LISTS}/{images}-at-random.csv"
