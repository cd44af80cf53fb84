"""Notices and empty pages: what every view shares."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import streamlit as st

from sightline.app.address.url import handed_on_selection
from sightline.app.elements.stop import draw_stop
from sightline.app.permissions import is_read_only
from sightline.app.runs import demo, loaders, processes, run_list, trainings
from sightline.app.runs.loaders import RunStatus
from sightline.report.address.selection import Selection
from sightline.report.words.text import escape_markdown
from sightline.run_store.commands import richer_commands
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

STATE_WORDS = {
    "running": "training",
    "interrupted": "interrupted",
    "complete": "complete",
    "failed": "failed",
    "damaged": "damaged",
}


def with_second_run(selection: Selection) -> Selection:
    """Return the selection with the newest run that can be compared, where none is pinned.

    The link to Compare has it too: a copied address names both runs, also when another one has come since.
    """
    run = run_list.find_run(selection.run)
    if selection.beside is not None or run is None:
        return selection
    return replace(selection, beside=run_list.newest_comparable(run))


def draw_notices(ignored: Sequence[str]) -> None:
    """Say what was ignored in the address."""
    if ignored:
        what = "; ".join(escape_markdown(text) for text in ignored[:4]) + ("; and more" if len(ignored) > 4 else "")
        st.warning(f"Ignored in the address: {what}. The default is shown instead.", icon=":material/link_off:")


def draw_no_runs(root: Path) -> None:
    """Say that there is no run, and what to do."""
    with st.container(key="panel_empty", border=True):
        st.subheader("No runs yet", anchor=False)
        if is_read_only():
            st.markdown(
                f"Sightline reads the runs in the folder `{_as_code(str(root))}`, and there is none. "
                "This server only shows runs; whoever hosts it can put some there."
            )
            return
        st.markdown(
            f"Sightline reads the runs in the folder `{_as_code(str(root))}`, and there is none. "
            "Train one, and its curves grow on this page."
        )
        st.markdown("The demo trains two small models on generated shapes, in under two minutes:")
        draw_demo(root)
        st.markdown("Or train a model of your own:")
        st.code("sightline train --dataset folder:DIR --model resnet18 --epochs 20", language=None)


@st.fragment(run_every=1.0)
def draw_demo(root: Path) -> None:
    """Draw the button that trains the demo, until there is a run to look at."""
    run_list.look_again()
    if run_list.listing().runs:
        st.rerun()
    if demo.is_training(root) or demo.is_waiting(root):
        words = processes.waiting_words() if demo.is_waiting(root) else "Starting; the first curve is on its way"
        with st.container(key="demo_started", horizontal=True, vertical_alignment="center"):
            st.caption(f"{words} …", width="content")
            draw_stop(demo.key(root), "demo_stop")
    else:
        st.button(
            "Train the demo",
            key="train_demo",
            icon=":material/play_arrow:",
            type="primary",
            on_click=demo.train_demo,
            args=(root,),
        )
    if words := demo.failure(root):
        st.error(f"The demo could not be trained. {escape_markdown(words)}", icon=":material/error:")


def draw_run(draw: Callable[[Run, Selection], None], *, after_epochs: bool = False) -> None:
    """Draw a view of the chosen run; where it cannot be read, what is missing instead.

    after_epochs: whether the view shows a run as it was after the chosen epoch. Any other shows it as it ended, and its
    links lead to that.
    """
    selection = handed_on_selection() if after_epochs else replace(handed_on_selection(), epoch=None)
    run = run_list.find_run(selection.run, selection.epoch)
    if run is None:
        return
    try:
        draw(run, selection)
    except RunError as error:
        draw_missing(run, error)


def draw_missing(run: Run, error: RunError | None = None) -> None:
    """Say what is missing, and what to do, in place of what needs the predictions of a run that has none."""
    status = loaders.status(run)
    with st.container(key="panel_empty", border=True):
        title, text = _explain_missing(run, status, error)
        st.subheader(title, anchor=False)
        st.markdown(text)
        if status.state == "complete" and loaders.has_curves_only(run):
            st.code("\n".join(richer_commands(run.record.recipe.get("log"))), language=None, wrap_lines=True)
        if status.state == "running" and st.button("Look again", icon=":material/refresh:"):
            st.rerun()
        if trainings.can_resume(run):
            trainings.draw_control(run)


def _explain_missing(run: Run, status: RunStatus, error: RunError | None) -> tuple[str, str]:
    reason = escape_markdown(str(error) if error and status.state == "damaged" else status.reason or str(error or ""))
    if status.state == "complete" and loaders.has_curves_only(run):
        return "Curves only", (
            "This run was recorded from the log of its training. It has no images, predictions or model, and Curves "
            "shows all that there is. To see its mistakes too, make another run of its predictions; to see where it "
            "looked, of its model:"
        )
    if status.state == "running":
        return (
            "Still training",
            "The predictions are written when the training ends. Until then, Curves shows how it goes.",
        )
    if status.state == "interrupted":
        return "Interrupted", f"This run has no predictions. {reason}"
    if status.state == "failed":
        return "The training failed", f"{reason}\n\nCurves shows the epochs before that."
    return "This run is damaged", f"{reason}"


def _as_code(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")
