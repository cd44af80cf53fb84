"""What a report is asked for, and what is read for it, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qs, urlencode

import numpy as np

from sightline.explain.judging.verdicts import Verdict, known_rows, verdicts
from sightline.report.address.compared_set import compared_rows
from sightline.report.address.parameters import RunFacts
from sightline.report.address.selection import Selection
from sightline.report.drawing.learning_curves import RUN_COLOURS
from sightline.report.words.text import after_words
from sightline.run_store.comparable import are_comparable, compare
from sightline.run_store.comparison import Comparison
from sightline.run_store.found_out import with_found_out
from sightline.run_store.predictions import Predictions
from sightline.run_store.quality import QualityRow, read_quality
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

IMAGES, MOST_IMAGES = 24, 500  # of the set that a report shows, by default and at most


class AskedError(Exception):
    """A sentence for the user: what a report cannot be asked for, and what it can."""


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
    one that a program made.
    """

    a: Shown
    b: Shown | None
    selection: Selection
    images: int = IMAGES
    command: str = ""

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
        """What was measured of the maps of A; nothing where nobody measured."""
        return known_rows(read_quality(self.run))

    @cached_property
    def verdicts(self) -> Sequence[Verdict]:
        """Which kinds of maps are supported on A, the best first."""
        return verdicts(self.quality)

    @property
    def address(self) -> str:
        """Where the dashboard shows the same set: the part of its address behind the server's name."""
        view = "compare" if self.selection.of_compare else "mistakes"
        return f"/{view}?{urlencode(self.selection.to_query(), doseq=True)}"


def ask(run: Run, beside: Run | None = None, query: str = "", images: int = IMAGES, command: str = "") -> Asked:
    """Check what a report is asked for, and return it. query: of an address, such as `true=cat&predicted=dog`.

    Raises RunError where a run cannot be read or B was not tested on the images of A, AskedError for what is not there.
    """
    if not 0 <= images <= MOST_IMAGES:
        raise AskedError(f"A report shows from 0 to {MOST_IMAGES} images, not {images}.")
    record = run.record
    if beside and not are_comparable(run, beside):
        raise RunError(
            f"{beside.name} was tested on other images than {run.name}, so the two cannot be compared; name a run that "
            "was tested on the same test split, or none."
        )
    texts: Mapping[str, Sequence[str]] = parse_qs(query.rpartition("?")[2], keep_blank_values=True)
    texts = {name: values for name, values in texts.items() if name not in ("run", "beside")}
    facts = RunFacts(record.class_names, record.image_counts.get("test", 0))
    of_runs = {"run": [run.name], **({"beside": [beside.name]} if beside else {})}
    names = [one.name for one in (run, beside) if one]
    selection, ignored = Selection.from_query({**texts, **of_runs}, names, lambda _: facts)
    if ignored:
        raise AskedError(f"The set of images cannot be found: {', '.join(ignored)}.")
    a, *others = [_shown(one, colour) for one, colour in zip(filter(None, (run, beside)), RUN_COLOURS, strict=False)]
    return Asked(a, others[0] if others else None, selection, images, command)


def _shown(run: Run, colour: str) -> Shown:
    """Show a run under its title, in a colour."""
    return Shown(run, run_title(run), colour)


def run_title(run: Run) -> str:
    """Return the name that people gave a run, if any, else that of its folder, and the epoch that is looked at."""
    try:
        title = " ".join(run.note().name.split()) or run.name
    except RunError:  # which costs nobody the report
        title = run.name
    return title + after_words(run.epoch)
