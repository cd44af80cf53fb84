"""The table of runs: how far each is, how good, how long it took, and in words what went wrong."""

import math
import os
import time
from collections.abc import Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape

import streamlit as st

from sightline.app.elements.shell import STATE_WORDS
from sightline.app.elements.text import count, duration, percent
from sightline.app.runs import loaders, run_list, trainings
from sightline.app.runs.folder import runs_root
from sightline.app.runs.loaders import RunStatus
from sightline.app.runs.look import Listed
from sightline.app.runs.notes import draw_note_editor
from sightline.run_store import files
from sightline.run_store.metrics import Epoch
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run

# Of a recipe: what has a column, or changes no weight.
_NO_SETTINGS = ("run", "resume", "maps", "tensorboard", "keep_epochs", "dataset", "model")
MOST_ROWS = 50  # of the table: what has more is found by its name, at the top
STALLED = 5  # times as long as the epoch before, without news
_COLUMNS = ("run", "state", "test accuracy", "best", "train − test", "epochs", "time", "parameters", "model", "data")


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
    """Read all that the table says of the newest runs, and of those that are chosen."""
    runs = run_list.listing().runs
    read = [(place, one) for place, one in enumerate(runs) if place < MOST_ROWS or one.name in chosen]
    return [_read(one, run_list.colour_at(place, len(runs))) for place, one in read]


def _read(listed: Listed, colour: str) -> RunRow:
    run = run_list.opened(listed)
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


def draw_runs(rows: Sequence[RunRow], listed: Container[str], chosen: Run | None) -> None:
    """Draw the table, and above it what can be done about its rows, and about the chosen run.

    listed: the names that are no secret.
    """
    hidden = sum(row.name not in listed for row in rows)
    with st.container(key="runs_head", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**Runs**", width="stretch")
        are_shown = hidden > 0 and st.toggle(f"{hidden} hidden", key="curves_hidden")
        if chosen:
            trainings.draw_control(chosen)
        trainings.draw_new(runs_root())
        draw_note_editor([row.run for row in rows], {row.name: row.title for row in rows})
    trainings.draw_news(runs_root())
    draw_run_table([row for row in rows if are_shown or row.name in listed])
    if len(rows) < (every := len(run_list.listing().runs)):
        st.caption(
            f"The {MOST_ROWS} newest of {count(every)} runs, and those that are chosen. "
            "Any other is found by its name, at the top of the page or under “runs” beside the charts."
        )


def draw_run_table(rows: Sequence[RunRow]) -> None:
    """Draw a row for each run."""
    settings = differing_settings([row.record for row in rows if row.record and not row.record.foreign])
    names = (*_COLUMNS, *(name.replace("_", " ") for name in settings))
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    body = "".join(_row(row, settings) for row in rows)
    st.html(f"<div class='run-table'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>")


def differing_settings(records: Sequence[RunRecord]) -> list[str]:
    """Name the settings that are not the same in all trainings; one that a training does not have counts as None."""
    names = dict.fromkeys(name for record in records for name in record.recipe if name not in _NO_SETTINGS)
    return [name for name in names if len({str(record.recipe.get(name)) for record in records}) > 1]


def setting(record: RunRecord | None, name: str) -> str:
    """Write 0.05 as “0.05”, True as “yes”, None as “–”."""
    value = record.recipe.get(name) if record else None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def sources(record: RunRecord | None) -> str:
    """Name the files that a foreign run was made of: “weights: best.pt, log: metrics.csv”."""
    found = record.recipe if record and record.foreign else {}
    named = {name: found.get(name) for name in ("weights", "predictions", "log")}
    return ", ".join(f"{name}: {os.path.basename(str(file))}" for name, file in named.items() if file)


def _row(row: RunRow, settings: Sequence[str]) -> str:
    texts = figures(row) + [setting(row.record, name) for name in settings]
    cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
    folder = f" <span class='note'>{escape(row.name)}</span>" if row.title != row.name else ""
    name = f"<span class='dot' style='background:{row.colour}'></span>{escape(row.title)}{folder}"
    what_is = " ".join(dict.fromkeys(filter(None, (row.status.reason, row.problem, sources(row.record)))))
    note = "".join(f"<div class='note'>{escape(text)}</div>" for text in (row.note, what_is) if text)
    state = f"<span class='state {row.status.state}'>{escape(state_words(row))}</span>"
    return f"<tr><th scope='row'>{name}{note}</th><td>{state}</td>{cells}</tr>"


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


def figures(row: RunRow) -> list[str]:
    """Return the cells after the state, in the order of _COLUMNS; of an epoch, the last in which they are known."""
    record, metrics = row.record, row.metrics
    model = (
        [count(record.parameters) if record.parameters else "", record.model, record.dataset] if record else [""] * 3
    )
    gaps = [100 * (epoch.train_accuracy - epoch.test_accuracy) for epoch in metrics]
    tested = [epoch for epoch in metrics if not math.isnan(epoch.test_accuracy)]
    accuracy = tested[-1].test_accuracy if tested else math.nan
    best = max(tested, key=lambda epoch: epoch.test_accuracy, default=None)
    gap = next((gap for gap in reversed(gaps) if not math.isnan(gap)), None)
    seconds = [epoch.seconds for epoch in metrics if not math.isnan(epoch.seconds)]
    epochs = str(metrics[-1].epoch) if metrics else "" if record and record.foreign else "0"
    found = [
        percent(accuracy if row.accuracy is None else row.accuracy),
        f"{percent(best.test_accuracy)} ({best.epoch})" if best else "",
        "" if gap is None else f"{gap:+.1f} points".replace("-", "−"),
        epochs,
        duration(sum(seconds)) if seconds else "",
        *model,
    ]
    return [text or "–" for text in found]
