"""How did training go? Loss and accuracy of the shown runs, and the table of all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import loaders
from app.curve_settings import draw_curve_settings, shown_names
from app.learning_curves import QUANTITIES
from app.run_table import Progress, draw_run_table, read_progress, run_colours
from app.state import Selection, current_selection
from app.text import escape_markdown
from run_store.run import Run, RunError

FOLLOW_EVERY, LOOK_EVERY = 2.0, 5.0  # seconds, while a run trains and while none does; pandas would read a text


def draw_charts(runs: Sequence[Run], colours: Mapping[str, str], selection: Selection) -> None:
    chosen = selection.quantities
    for pair in (chosen[start : start + 2] for start in range(0, len(chosen), 2)):
        for column, quantity in zip(st.columns(min(2, len(chosen)), gap="medium"), pair, strict=False):
            spec = loaders.curves_spec(runs, quantity, colours, selection.smoothing, selection.logarithmic)
            lines = " and ".join(filter(None, QUANTITIES[quantity].lines))
            column.vega_lite_chart(
                spec,
                width="stretch",
                key=f"curves_{quantity}",
                alt=f"{lines} {quantity} by epoch".strip().capitalize(),
            )


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
    selection = current_selection()
    names = [run.name for run in runs]
    shown = shown_names(names, selection)
    rows = [row for row in progress if row.name in shown]
    metrics = {row.name: row.metrics for row in rows if row.metrics}
    with st.container(key="panel_curves", border=True, gap="small"):
        draw_curve_settings(names, shown, colours, lambda: metrics)
        try:
            if metrics:
                draw_charts([run for run in runs if run.name in metrics], colours, selection)
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
