"""What a report is asked for, and what is read for it, once."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sightline.explain.judging.verdicts import Verdict, known_rows, verdicts
from sightline.image_data import Progress
from sightline.report.address.compared_set import compared_rows
from sightline.report.address.selection import Selection
from sightline.report.address.typed import AskedError, read_set, refuse_unknown_figures
from sightline.report.check.result import Result
from sightline.report.drawing.learning_curves import RUN_COLOURS
from sightline.report.words.text import after_words
from sightline.run_store.comparable import are_comparable, compare
from sightline.run_store.comparison import Comparison
from sightline.run_store.epochs import last_epoch
from sightline.run_store.found_out import with_found_out
from sightline.run_store.predictions import Predictions
from sightline.run_store.quality import QualityRow, read_quality
from sightline.run_store.record import RunError
from sightline.run_store.run import Run, list_runs

IMAGES, MOST_IMAGES = 24, 500  # of the set that a report shows, by default and at most
_MOST_NAMED = 8  # runs, where one is named that is not there


@dataclass(frozen=True)
class Shown:
    """A run as the report shows it. title: plain text. colour: #rrggbb."""

    run: Run
    title: str
    colour: str


@dataclass(frozen=True)
class Asked:
    """What a report is of. Its readers raise RunError.

    a: the run; b: one beside it, tested on the same images. selection: as an address says it: the set, its order, the
    method, layers and targets of maps. images: of the set that are shown, at most. command: that makes it again; "" of
    one that a program made. checked: what `sightline check` found, a result a rule. progress: called while maps are
    computed, with how many images have theirs; what it raises ends the report.
    """

    a: Shown
    b: Shown | None
    selection: Selection
    images: int = IMAGES
    command: str = ""
    checked: tuple[Result, ...] = ()
    progress: Progress | None = None

    @property
    def run(self) -> Run:
        """The run."""
        return self.a.run

    @property
    def runs(self) -> Sequence[Shown]:
        """A, and B where there is one."""
        return [self.a, *([self.b] if self.b else [])]

    @cached_property
    def predictions(self) -> Predictions:
        """The predictions of A, with what was found out of each image."""
        return with_found_out(self.run, self.run.predictions())

    @cached_property
    def comparison(self) -> Comparison | None:
        """How A and B compare; None where there is no B."""
        if self.b is None:
            return None
        theirs = with_found_out(self.b.run, self.b.run.predictions())
        return compare(self.run.name, self.predictions, self.b.run.name, theirs)

    @cached_property
    def rows(self) -> np.ndarray:
        """The images of the set, in its order, int64: with B, Compare's set where the selection is of Compare."""
        if self.selection.of_compare and self.comparison:
            return compared_rows(self.comparison, self.selection)
        return self.predictions.select(self.selection.filter(self.predictions.class_names), self.selection.order)

    @cached_property
    def quality(self) -> Sequence[QualityRow]:
        """What was measured of the maps of A; nothing where nobody measured, or of the maps of other weights."""
        return known_rows(read_quality(self.run)) if self.run.epoch is None else []

    @cached_property
    def verdicts(self) -> Sequence[Verdict]:
        """Which kinds of maps are supported on A, the best first."""
        return verdicts(self.quality)

    @property
    def shown_rows(self) -> np.ndarray:
        """The images that are shown, int64: the first of the set, led by the chosen one where it comes later."""
        first, chosen = self.rows[: self.images], self.selection.image
        if not len(first) or chosen in first or chosen not in self.rows:
            return first
        return np.array([chosen, *first[:-1]])

    @property
    def address(self) -> str:
        """Where the dashboard shows the same set: the part of its address behind the server's name."""
        view = "compare" if self.selection.of_compare else "mistakes"
        return f"/{view}?{self.selection.in_query()}"


def ask(
    run: Run,
    beside: Run | None = None,
    query: str | Selection = "",
    images: int = IMAGES,
    command: str = "",
    titles: Sequence[str] = (),
    colours: Sequence[str] = RUN_COLOURS,
    progress: Progress | None = None,
) -> Asked:
    """Check what a report is asked for, and return it.

    query: of an address, such as `true=cat&predicted=dog`, or a whole address; or what was read from one, in which what
    is not there is passed over. titles: of A and B, in place of the names that people gave them. colours: #rrggbb.
    Raises RunError where a run cannot be read, has nothing to show, or B was not tested on the images of A; AskedError
    for what is not there.
    """
    if not isinstance(images, int) or not 0 <= images <= MOST_IMAGES:
        raise AskedError(f"A report shows from 0 to {MOST_IMAGES} images, not {images!r}.")
    if not isinstance(query, str | Selection):
        raise AskedError(f"A set is a text such as 'true=cat&predicted=dog', not {query!r}.")
    runs = [run, *([beside] if beside else [])]
    for one in runs:
        refuse_no_run(one)
        _refuse_unknown_epoch(one)
    if beside:
        _refuse_incomparable(run, beside)
    selection = query if isinstance(query, Selection) else read_set(query, runs)
    if selection.epoch is not None and run.epoch is None and selection.epoch != last_epoch(run.history()):
        runs[0] = replace(run, epoch=selection.epoch)
    a, *others = _shown(runs, titles, colours)
    asked = Asked(a, others[0] if others else None, selection, images, command, progress=progress)
    _require_something(asked)
    if isinstance(query, str):
        with suppress(RunError):  # which stands in the report
            refuse_unknown_figures(asked.run, asked.predictions, selection)
    return asked


def refuse_no_run(run: Run) -> None:
    """Raise RunError, which names the runs in the same place, where a folder is no run."""
    if run.exists:
        return
    inside, beside = (list_runs(folder)[:_MOST_NAMED] for folder in (run.path, run.path.parent))
    found, where = (inside, "There are runs in it") if inside else (beside, "There are runs beside it")
    names = ", ".join(str(one.path) for one in found)
    hint = f"{where}: {names}." if found else "Name the folder of a run, as `sightline train` prints it."
    raise RunError(f"{run.path} is no run. {hint}")


def _refuse_unknown_epoch(run: Run) -> None:
    if run.epoch is None:
        return
    known = [] if (history := run.history()) is None else history.epochs.tolist()
    if run.epoch not in known:
        which = ", ".join(map(str, known)) or "it has no history"
        raise RunError(f"Run {run.name} cannot be looked at after epoch {run.epoch}; its epochs: {which}.")


def _refuse_incomparable(run: Run, beside: Run) -> None:
    if os.path.realpath(run.path) == os.path.realpath(beside.path):
        raise AskedError(f"Run {run.name} cannot be compared with itself; name another run beside it, or none.")
    if not are_comparable(run, beside):
        raise RunError(
            f"{beside.name} was tested on other images than {run.name}, so the two cannot be compared; name a run that "
            "was tested on the same test split, or none."
        )


def _require_something(asked: Asked) -> None:
    """Raise the RunError of the predictions where there is nothing else to show, or two runs that need them."""
    try:
        _ = asked.comparison or asked.predictions
    except RunError:
        if asked.b or not asked.run.metrics():
            raise


def _shown(runs: Sequence[Run], titles: Sequence[str], colours: Sequence[str]) -> list[Shown]:
    """Show runs under these titles, else the names that people gave them; two of one name as A and B."""
    titles = [title + after_words(run.epoch) for title, run in zip(titles, runs, strict=False)]
    titles = titles or [run_title(run) for run in runs]
    if len(set(titles)) < len(titles):
        titles = [f"{title} ({letter})" for title, letter in zip(titles, "AB", strict=False)]
    return [Shown(*one) for one in zip(runs, titles, colours, strict=False)]


def run_title(run: Run) -> str:
    """Return the name that people gave a run, if any, else that of its folder, and the epoch that is looked at."""
    try:
        title = " ".join(run.note().name.split()) or run.name
    except RunError:  # which costs nobody the report
        title = run.name
    return title + after_words(run.epoch)
