"""How did training go? Loss and accuracy of the shown runs, and the table of all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import loaders
from app.run_table import Progress, draw_legend, draw_run_table, read_progress, run_colours
from app.state import change_selection, current_selection
from app.text import escape_markdown
from run_store.run import Run, RunError

DEFAULT_SHOWN = 4
FOLLOW_EVERY, LOOK_EVERY = 2.0, 5.0  # seconds, while a run trains and while none does; of a text pandas makes them
_SHOWN = "curves_shown"


def shown_names(names: Sequence[str]) -> list[str]:
    selection = current_selection()
    default = [name for name in names if name == selection.run or name in names[:DEFAULT_SHOWN]]
    return [name for name in selection.shown if name in names] or default


def draw_run_choice(names: Sequence[str], shown: list[str], colours: Mapping[str, str]) -> None:
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


def draw_charts(runs: Sequence[Run], colours: Mapping[str, str]) -> None:
    for column, quantity in zip(st.columns(2, gap="medium"), ("loss", "accuracy"), strict=True):
        with column:
            spec = loaders.curves_spec(list(runs), quantity, colours)
            alt = f"Train and test {quantity} by epoch"
            st.vega_lite_chart(spec, width="stretch", key=f"curves_{quantity}", alt=alt)


def explain_empty(rows: Sequence[Progress]) -> str:
    problems = [f"{row.name}: {row.problem}" for row in rows if row.problem]
    waiting = ", ".join(row.name for row in rows if not row.problem)
    waits = [f"{waiting}: no epoch has ended yet. The curves begin with the first one."] if waiting else []
    return escape_markdown(" ".join(problems + waits))


def draw(before: Any) -> None:
    """Again and again: the charts follow a run that trains, and the whole page what changes around it."""
    if page_state() != before:
        st.rerun()
    runs = loaders.runs()
    colours = run_colours(runs)
    progress = read_progress(runs)
    shown = shown_names([run.name for run in runs])
    rows = [row for row in progress if row.name in shown]
    curves = {row.name for row in rows if row.metrics}
    with st.container(key="panel_curves", border=True, gap="small"):
        draw_run_choice([run.name for run in runs], shown, colours)
        try:
            if curves:
                draw_charts([run for run in runs if run.name in curves], colours)
            else:
                st.info(explain_empty(rows), icon=":material/hourglass_empty:")
        except RunError as error:  # damaged since it was read a moment ago
            st.warning(escape_markdown(str(error)))
    with st.container(key="panel_runs", border=True):
        draw_run_table(progress)


def page_state() -> Any:
    """What the header shows as well, so that a change of it needs the whole page."""
    return current_selection(), [(run.name, loaders.status(run).state) for run in loaders.runs()]


state = page_state()
is_training = any(state == "running" for _, state in state[1])
st.fragment(draw, run_every=FOLLOW_EVERY if is_training else LOOK_EVERY)(state)
