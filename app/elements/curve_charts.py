"""The charts of Curves, as a component of Streamlit."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from sightline.report.drawing.curve_charts import CURVE_CHARTS

_COMPONENT = st.components.v2.component(
    CURVE_CHARTS.name, html=CURVE_CHARTS.html, css=CURVE_CHARTS.css, js=CURVE_CHARTS.js
)


def draw_curve_charts(content: bytes, *, key: str, on_pick: Callable[[], None]) -> Any:
    """Draw what `curve_charts` has written; `st.session_state[key].pick` says what a visitor chooses.

    That is `run`, its name, and `epoch`: one of those that it opens, of a click at its line; None of a click at its
    entry in the legend, or at the line of a run that opens none.
    """
    return _COMPONENT(key=key, data=content, on_pick_change=on_pick)
