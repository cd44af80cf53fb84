"""A run in a few lines: what a notebook shows of it, and what stays of its report where frames are not allowed."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sightline.report.asked import run_title
from sightline.report.markup import environment
from sightline.report.sections.origin import without_folders
from sightline.report.words.text import count, counted, percent
from sightline.run_store.comparison import wilson
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_Line = tuple[str, str]  # what it is, and what is said of it; both plain text


@dataclass(frozen=True)
class RunSummary:
    """What is to be said of a run in a few lines. All of it is plain text, perhaps of a stranger.

    lines: what each is, and what is said of it. problems: sentences, where something cannot be read.
    """

    title: str
    state: str
    lines: Sequence[_Line]
    problems: Sequence[str]

    def to_html(self) -> str:
        """Write it as HTML without scripts, which a page in any colours may hold."""
        written = environment().get_template("run_summary.html").render(summary=self)
        return written.encode("utf-8", "replace").decode()  # a folder may have a name that is no text

    def __str__(self) -> str:
        said = "; ".join([*(f"{what.lower()} {words}" for what, words in self.lines), *self.problems])
        return f"{self.title}, {self.state}: {said}".rstrip(".: ")


def run_summary(run: Run) -> RunSummary:
    """Read what is to be said of a run. It raises nothing: what is damaged is said to be.

    >>> from pathlib import Path
    >>> from sightline import Run, run_summary
    >>> run_summary(Run(Path("runs/pets"))).title
    'pets'
    """
    if not run.exists:
        return RunSummary(run.name, "no run", (), (f"There is no run in {run.path}.",))
    lines: list[_Line] = []
    problems: list[str] = []
    state = run.state
    for read in (_judged, _trained, _origin):
        try:
            lines += read(run)
        except RunError as error:
            problems.append(str(error))
    return RunSummary(run_title(run), state, lines, tuple(dict.fromkeys(problems)))


def _judged(run: Run) -> Iterator[_Line]:
    """Say how good its predictions are, once there are some."""
    if run.state in ("complete", "damaged") and not run.record.curves_only:
        predictions = run.predictions()
        images, mistakes = len(predictions), int(predictions.wrong.sum())
        low, high = wilson(images - mistakes, images)
        interval = f"95 % interval {100 * low:.1f}–{percent(high)}"
        yield "Accuracy", f"{percent(predictions.accuracy)} of {counted(images, 'test image')} ({interval})"
        yield "Mistakes", count(mistakes)


def _trained(run: Run) -> Iterator[_Line]:
    """Say how far its training came, and how good it was then."""
    if epochs := [one for one in run.metrics() if run.epoch is None or one.epoch <= run.epoch]:
        planned = run.record.planned_epochs
        of = f" of {count(planned)}" if planned and planned > len(epochs) else ""
        accuracy = epochs[-1].test_accuracy
        then = "" if math.isnan(accuracy) else f"; test accuracy in the last {percent(accuracy)}"
        yield "Epochs", f"{count(len(epochs))}{of}{then}"


def _origin(run: Run) -> Iterator[_Line]:
    """Say of what data and model it is."""
    record = run.record
    classes, parameters = len(record.class_names), record.parameters
    of_classes = "1 class" if classes == 1 else f"{count(classes)} classes"
    of_parameters = counted(parameters, "parameter")
    for what, name, number, size in (
        ("Data", without_folders(record.dataset), classes, of_classes),
        ("Model", record.model, parameters, of_parameters),
    ):
        if words := ", ".join(filter(None, [name, size if number else ""])):
            yield what, words
