"""Short labelled bars, as a component of Streamlit: perhaps with a click."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from sightline.report.drawing.bars import BARS, Bar, bars_data

_COMPONENT = st.components.v2.component(BARS.name, html=BARS.html, css=BARS.css, js=BARS.js)


def draw_bars(
    bars: Sequence[Bar],
    *,
    key: str,
    widths: Sequence[int] = (44,),
    header: Sequence[str] | None = None,
    label_share: float = 1.0,
    on_pick: Callable[[], None] | None = None,
) -> Any:
    """Draw bars below each other. With `on_pick` they are buttons, and `st.session_state[key].pick` is an id."""
    data = bars_data(bars, widths=widths, header=header, label_share=label_share, clickable=on_pick is not None)
    return _COMPONENT(key=key, data=data, on_pick_change=on_pick or (lambda: None))
