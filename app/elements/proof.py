"""The button that trains a run again without some of its training images, and how far that is."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any

import streamlit as st

from sightline.app.elements.proof_result import SHOWN, beside
from sightline.app.elements.task import Task, draw_task
from sightline.app.runs import loaders, processes, trainings
from sightline.report.words.text import duration, escape_markdown
from sightline.run_store.commands import command
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run


@dataclass(frozen=True)
class LeftOut:
    """What is left out, as `sightline prove` is told. patterns: their numbers; else so many culprits."""

    patterns: tuple[int, ...] = ()
    culprits: int = 0

    @property
    def options(self) -> tuple[str, ...]:
        """The words of the command."""
        if self.culprits:
            return "--culprits", str(self.culprits)
        return "--patterns", ",".join(map(str, self.patterns))


def draw_proof(run: Run, left_out: LeftOut, view: str) -> None:
    """Draw the button that leaves this out, its progress, or why it cannot be. view: whose page it is.

    Raises RunError where the run's record cannot be read.
    """
    if problem := _why_not(run):
        st.caption(escape_markdown(problem))
        return
    draw_task(_task(run, left_out, view), "", partial(_draw_start, run, left_out, view))


def _why_not(run: Run) -> str:
    """Say why no page trains the run again, else nothing."""
    record = loaders.record(run)
    if record.foreign:
        return (
            "This run was trained elsewhere, so that nothing here can train it again: leave the images out there, and "
            "make a run of the new model."
        )
    return trainings.why_not(_repeated(record))


def _repeated(record: RunRecord) -> dict[str, Any]:
    """Return the recipe that `sightline prove` follows: on the data set of the record, which a recipe may misname."""
    return {**record.recipe, "dataset": record.dataset}


def _task(run: Run, left_out: LeftOut, view: str) -> Task:
    others: tuple[Run, ...] = ()
    with suppress(RunError):  # which `draw_proofs` says
        others = tuple(one for proof in loaders.proofs(run)[-SHOWN:] for one in beside(run, proof))
    return Task(
        run,
        key=("proof", run.path),
        reading="proofs",
        others=others,
        name=f"{view}_prove",
        doing="Training again",
        elsewhere="What comes of it appears here.",
        deed="train again",
        command=command("prove", "--run", run.path, *left_out.options),
        failed="It could not be trained again.",
    )


def _draw_start(run: Run, left_out: LeftOut, view: str, is_looked_at_again: bool) -> None:
    st.button(
        "Train again without them",
        icon=":material/model_training:",
        key=f"{view}_prove_button",
        type="primary",
        disabled=not (left_out.patterns or left_out.culprits),
        on_click=_start,
        args=(run, left_out),
    )
    took = ""
    with suppress(RunError):  # of damaged curves, which the training itself does not need
        seconds = sum(epoch.seconds for epoch in loaders.metrics(run) if isfinite(epoch.seconds))
        took = f", which took {duration(seconds)}" if seconds else ""
    st.caption(
        f"Two trainings of as many steps as this run's{took}: one without the training images that belong to them, one "
        "without as many at random. What was stopped goes on."
    )


def _start(run: Run, left_out: LeftOut) -> None:
    """Start it, where such a training may be started here, whatever the page has offered. Raises NotPermitted."""
    trainings.options(_repeated(loaders.record(run)))
    words = ("--run", str(run.path.absolute()), *left_out.options)
    processes.start(("proof", run.path), "sightline.training.prove", *words)
