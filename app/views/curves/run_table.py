"""What the view reads of each run: how far it is, how good, and in words what went wrong."""

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sightline.app.elements.shell import STATE_WORDS
from sightline.app.runs import loaders, run_list
from sightline.app.runs.loaders import RunStatus
from sightline.app.runs.look import Listed
from sightline.report.words.text import duration
from sightline.run_store import files
from sightline.run_store.metrics import Epoch
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run

MOST_ROWS = 50  # of the table, until more are asked for
STALLED = 5  # times as long as the epoch before, without news


@dataclass(frozen=True)
class RunRow:
    """One run as far as it can be read."""

    run: Run
    title: str  # what people call it
    status: RunStatus
    record: RunRecord | None
    metrics: Sequence[Epoch]
    problem: str  # why the metrics cannot be read, or that there are none, else empty
    colour: str
    silence: float = 0.0  # seconds since metrics.csv was written
    accuracy: float | None = None  # of the predictions of a foreign run, whose log may be of other images: 0–1
    note: str = ""  # what people say about it

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.run.name


def read_progress(chosen: Container[str | None]) -> list[RunRow]:
    """Read all that is said of the newest runs, and of those that are chosen."""
    runs = run_list.listing().runs
    return read_rows([one for place, one in enumerate(runs) if place < MOST_ROWS or one.name in chosen], {})


def read_rows(listed: Iterable[Listed], read: Mapping[str, RunRow], *, is_kept: bool = True) -> list[RunRow]:
    """Read all that is said of these runs, unless it was read already. is_kept: until the next look."""
    runs = run_list.listing().runs
    places = {one.name: place for place, one in enumerate(runs)}
    return [
        read.get(one.name)
        or _read(one, run_list.opened(one) if is_kept else one.run, run_list.colour_at(places[one.name], len(runs)))
        for one in listed
    ]


def _read(listed: Listed, run: Run, colour: str) -> RunRow:
    status = RunStatus("complete") if listed.state == "complete" else loaders.status(run)
    record, problem, accuracy = None, "", None
    metrics: Sequence[Epoch] = ()
    with suppress(RunError):  # the status says so
        record = loaders.record(run)
    try:
        metrics = loaders.metrics(run)
        if record and record.foreign and not record.curves_only:
            problem = "" if metrics else "evaluated only, no training recorded: there are no curves."
            accuracy = loaders.accuracy(run) if status.state == "complete" else None
        elif not metrics and status.state == "complete":
            problem = f"{files.METRICS} is missing or empty: there are no curves."
    except RunError as error:
        problem = str(error)
    try:
        note = loaders.note(run).text
    except RunError as error:
        note = str(error)
    title = run_list.title(run)
    silence = max(0.0, time.time() - run.stamp("metrics")[0][1] / 1e9)  # a clock may go backwards
    return RunRow(run, title, status, record, metrics, problem, colour, silence, accuracy, note)


def state_words(row: RunRow) -> str:
    """Write “training: epoch 3 of 20, 116 images/s, 12 min 5 s left”."""
    words = STATE_WORDS[row.status.state]
    planned = row.record.planned_epochs if row.record else None
    if row.status.state not in ("running", "interrupted", "failed") or not planned:
        return words
    words = f"{words}: epoch {len(row.metrics)} of {planned}"
    images = row.record.image_counts.get("train") if row.record else None
    if row.status.state != "running" or not images or not row.metrics or not row.metrics[-1].seconds > 0:
        return words
    seconds = row.metrics[-1].seconds  # of an epoch, with its evaluation
    if row.silence > STALLED * seconds:
        return f"{words}, no news for {duration(row.silence)}, an epoch took {duration(seconds)}"
    left = max(0.0, (planned - len(row.metrics)) * seconds - row.silence)
    return f"{words}, {images / seconds:.0f} images/s, {duration(left)} left"
