"""How did training go? Loss and accuracy of the shown runs, and the table of all of them."""

from collections.abc import Mapping

import streamlit as st

from app import loaders
from app.run_table import draw_legend, draw_run_table, read_progress, run_colours
from app.state import change_selection, current_selection
from app.text import escape_markdown

DEFAULT_SHOWN = 4
FOLLOW_EVERY = "2s"
_SHOWN = "curves_shown"


def shown_names() -> list[str]:
    selection = current_selection()
    names = [run.name for run in loaders.runs()]
    default = [name for name in names if name == selection.run or name in names[:DEFAULT_SHOWN]]
    return list(selection.shown) or default


def draw_run_choice(shown: list[str], colours: Mapping[str, str]) -> None:
    names = [run.name for run in loaders.runs()]
    with st.container(key="curves_head", horizontal=True, vertical_alignment="center", gap="medium", wrap=False):
        draw_legend({name: colours[name] for name in shown})
        with st.popover(f"{len(shown)} of {len(names)} runs", icon=":material/checklist:", type="tertiary", width=130):
            st.session_state[_SHOWN] = shown
            st.multiselect(
                "Runs in the charts",
                names,
                key=_SHOWN,
                placeholder="Choose runs to draw",
                on_change=lambda: change_selection(shown=tuple(st.session_state[_SHOWN])),
            )


def draw_body() -> None:
    shown = shown_names()
    progress = read_progress(loaders.runs())
    colours = run_colours(loaders.runs())
    drawn = {row.name for row in progress if row.name in shown and len(row.metrics)}
    curves = [run for run in loaders.runs() if run.name in drawn]
    with st.container(key="panel_curves", border=True, gap="small"):
        draw_run_choice(shown, colours)
        if curves:
            for column, quantity in zip(st.columns(2, gap="medium"), ("loss", "accuracy"), strict=True):
                with column:
                    spec = loaders.curves_spec(curves, quantity, colours)
                    alt = f"Train and test {quantity} by epoch"
                    st.vega_lite_chart(spec, width="stretch", key=f"curves_{quantity}", alt=alt)
        else:
            names = ", ".join(escape_markdown(name) for name in shown)
            st.info(
                f"{names}: no epoch has ended yet. The curves begin with the first one.",
                icon=":material/hourglass_empty:",
            )
    with st.container(key="panel_runs", border=True):
        draw_run_table(progress)


def draw_following() -> None:
    """Draw again and again while a run trains, and once more, whole, when none does any longer."""
    draw_body()
    if not any_running():
        st.rerun()


def any_running() -> bool:
    return any(loaders.status(run).state == "running" for run in loaders.runs())


if any_running():
    st.fragment(draw_following, run_every=FOLLOW_EVERY)()
else:
    draw_body()
