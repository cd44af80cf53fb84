"""The button that finds the training images behind mistakes, how far that is, or why it cannot be done here."""

import streamlit as st

from sightline.app.elements.text import escape_markdown, time_left
from sightline.app.permissions import NotPermitted, check_images, is_read_only
from sightline.app.runs import loaders, processes
from sightline.image_data import DataError
from sightline.run_store.commands import command
from sightline.run_store.files import Stamp, is_locked
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run

LOOK_EVERY = 1.0  # seconds, while they are looked for
WHAT = "Goes once over the training images, and keeps the ten behind each mistake."

State = tuple[Stamp, bool, bool, bool]


def draw_search(run: Run, view: str) -> None:
    """Draw the button, its progress, or why there is none; the page is drawn anew once the images are there.

    view: whose page it is.
    """
    state = _state(run)
    st.fragment(_draw, run_every=LOOK_EVERY if any(state[1:]) else None)(run, view, state)


def is_searched(run: Run) -> bool:
    """Tell whether they are looked for at this moment, or will be, from this server."""
    return processes.is_running(_key(run)) or processes.is_waiting(_key(run))


def is_looked_for(run: Run) -> bool:
    """Tell whether training images are found, whatever state they are in, or looked for."""
    try:
        return loaders.culprits(run) is not None or is_searched(run)
    except RunError:
        return True


def _state(run: Run) -> State:
    """Return what the page depends on: the files, and whether they are made here, will be, or are elsewhere."""
    runs, waits = processes.is_running(_key(run)), processes.is_waiting(_key(run))
    return run.stamp("culprits"), runs, waits, not (runs or waits) and is_locked(run.path)


def _key(run: Run) -> processes.Key:
    return "influence", run.path


def _draw(run: Run, view: str, drawn: State) -> None:
    _, runs, waits, is_elsewhere = state = _state(run)
    if state != drawn:
        st.rerun()
    if runs or waits:
        _draw_progress(run, view, waits)
        return
    if is_elsewhere:
        st.caption("Another program writes this run at the moment.")
        return
    record = loaders.record(run)
    if problem := why_not(record):
        st.caption(escape_markdown(problem))
        st.code(_command(run, record), language=None, wrap_lines=True)
        return
    st.caption(WHAT)
    st.button(
        "Find the training images", icon=":material/search:", key=f"{view}_influence", on_click=_start, args=(run,)
    )
    if words := processes.failure(_key(run)):
        st.error(f"They were not found. {escape_markdown(words)}", icon=":material/error:")


def _draw_progress(run: Run, view: str, waits: bool) -> None:
    progress, is_stopping = processes.progress(_key(run)), processes.is_stopping(_key(run))
    parts = (escape_markdown(progress.what) or "Starting", time_left(progress.left))
    words = f"{processes.waiting_words()}. It starts by itself." if waits else " · ".join(filter(None, parts))
    st.progress(progress.share, text="Stopping …" if is_stopping else words)
    if not is_stopping:
        name, icon = ("Cancel", "close") if waits else ("Stop", "stop")
        key = f"{view}_influence_stop"
        st.button(name, icon=f":material/{icon}:", key=key, on_click=processes.stop, args=(_key(run),))


def why_not(record: RunRecord) -> str:
    """Say why the training images cannot be looked for on a page of this server, else nothing."""
    if is_read_only():
        return "This server only shows runs; whoever hosts it can find the training images:"
    if "train" not in record.fingerprints:
        return "The run was trained elsewhere and does not say on which images; name them:"
    try:
        check_images(record.dataset)
    except (NotPermitted, DataError) as error:
        return str(error)
    return ""


def _command(run: Run, record: RunRecord) -> str:
    named = () if "train" in record.fingerprints else ("--dataset", "SOURCE")
    return command("influence", "--run", run.path, *named)


def _start(run: Run) -> None:
    """Start the search. Raises NotPermitted, whatever the page has offered."""
    check_images(loaders.record(run).dataset)
    processes.start(_key(run), "sightline.explain.influence", "--run", str(run.path.absolute()))
