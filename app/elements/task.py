"""A command that a page starts for a run: the button, how far it is, and how to stop it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st

from sightline.app.elements.stop import draw_stop
from sightline.app.elements.terminal import draw_command
from sightline.app.permissions import is_read_only
from sightline.app.runs import processes
from sightline.report.words.text import escape_markdown, time_left
from sightline.run_store.files import Reading, Stamp, is_locked
from sightline.run_store.run import Run

LOOK_EVERY, IDLE_EVERY = 1.0, 2.0  # seconds, while it runs, and while somebody else may begin to
_DRAWN = "task_drawn"  # of the session, by task: what the page last drew

State = tuple[tuple[Stamp, ...], bool, bool, bool]


@dataclass(frozen=True)
class Task:
    """What is done to a run, in words that fit the sentences below. key: of its process. reading: what it writes."""

    run: Run
    key: processes.Key
    reading: Reading
    name: str  # of its widgets: "trust_measure"
    doing: str  # "Measuring"
    elsewhere: str  # "Figures that it measures appear here."
    deed: str  # what whoever hosts a server that only shows runs can do: "measure them"
    command: str  # that does it
    failed: str  # "It could not be measured."
    others: tuple[Run, ...] = ()  # runs that it makes, perhaps from a terminal

    @property
    def state(self) -> State:
        """What the page depends on: what is written, and whether it runs here, waits to, or another program writes."""
        runs, waits = processes.is_running(self.key), processes.is_waiting(self.key)
        stamps = (self.run.stamp(self.reading), *(run.stamp("predictions") for run in self.others))
        return stamps, runs, waits, not (runs or waits) and is_locked(self.run.path)

    @property
    def is_started(self) -> bool:
        """Whether this server does it, or will."""
        return processes.is_running(self.key) or processes.is_waiting(self.key)

    @property
    def is_busy(self) -> bool:
        """Whether the run is written at this moment, or will be."""
        return any(self.state[1:])


def draw_task(task: Task, there: str, draw_start: Callable[[bool], None]) -> None:
    """Draw the button, the progress, or who can start it; the page is drawn anew with everything that is written.

    there: what the run has, in Markdown. draw_start: draws the button; it is told whether the page is looked at again:
    at first the page itself is drawn, and its visitor perhaps already gone.
    """
    state = task.state
    st.fragment(_draw, run_every=LOOK_EVERY if any(state[1:]) else IDLE_EVERY)(task, there, draw_start, state)


def _draw(task: Task, there: str, draw_start: Callable[[bool], None], drawn: State) -> None:
    now = replace(task, run=Run(task.run.path), others=tuple(Run(other.path) for other in task.others))
    state = now.state
    if state != drawn:
        st.rerun()
    _, runs, waits, is_elsewhere = state
    if runs or waits:
        _draw_progress(task, waits)
    elif is_elsewhere:
        st.caption(f"Another program writes this run at the moment. {task.elsewhere}")
    elif is_read_only():
        st.caption(f"{there} This server only shows runs; whoever hosts it can {task.deed}:".strip())
        draw_command(task.command)
    else:
        key = f"{_DRAWN}_{task.name}"
        is_looked_at_again = st.session_state.get(key) is drawn
        st.session_state[key] = drawn
        if there:
            st.caption(there)
        draw_start(is_looked_at_again)
        if words := processes.failure(task.key):
            st.error(f"{task.failed} {escape_markdown(words)}", icon=":material/error:")


def _draw_progress(task: Task, waits: bool) -> None:
    progress = processes.progress(task.key)
    parts = (f"{task.doing}: {escape_markdown(progress.what) or 'starting'}", time_left(progress.left))
    words = f"{processes.waiting_words()}. It starts by itself." if waits else " · ".join(filter(None, parts))
    st.progress(progress.share, text=words)
    draw_stop(task.key, f"{task.name}_stop")
