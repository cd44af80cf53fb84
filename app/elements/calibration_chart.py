"""The diagrams of the calibration, as a component of Streamlit: with a threshold to drag."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from sightline.report.drawing.calibration_chart import CALIBRATION_CHART

_COMPONENT = st.components.v2.component(
    CALIBRATION_CHART.name, html=CALIBRATION_CHART.html, css=CALIBRATION_CHART.css, js=CALIBRATION_CHART.js
)


def draw_chart(data: dict[str, Any], *, key: str, on_bin: Callable[[], None], on_threshold: Callable[[], None]) -> Any:
    """Draw what `calibration_chart` returned; what is chosen is in `st.session_state[key]`, which is also returned.

    on_bin: called where a bin was clicked, whose place is `bin`. on_threshold: where images were put aside, up to the
    confidence `threshold`, −1 for none. A click on the button beside the words is `enlarge`.
    """
    return _COMPONENT(
        key=key, data=data, on_bin_change=on_bin, on_threshold_change=on_threshold, on_enlarge_change=_nothing
    )


def _nothing() -> None:
    """Do nothing: the component sends an event only where it has a callback."""
