"""Hide the hottest tenth of a map and watch the probabilities move: does the network need what the map calls hot?"""

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.elements.inspector import draw_image
from sightline.app.elements.subject import Subject
from sightline.app.elements.text import escape_markdown, percent
from sightline.app.maps import compute
from sightline.app.maps.settings import MapSettings
from sightline.app.maps.waiting import waiting
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_SWITCH = "layers_hide"
_LAYER = "layers_hide_layer"


def draw_hiding(run: Run, subject: Subject, settings: MapSettings, hide: str | None) -> None:
    """Draw the switch, and while it is on what hiding does. hide: the layer, the deepest where it is not settings."""
    deepest = settings.layers[-1]
    st.session_state[_SWITCH] = hide is not None
    st.toggle(
        "Hide the hottest tenth",
        key=_SWITCH,
        help="The tenth of the pixels where the predicted class's map is largest is replaced by its surroundings.",
        on_change=lambda: change_selection(hide=deepest if st.session_state[_SWITCH] else None),
    )
    if hide is None:
        return
    layer = hide if hide in settings.layers else deepest
    if len(settings.layers) > 1:
        st.session_state[_LAYER] = layer
        st.selectbox(
            "at layer",
            settings.layers,
            key=_LAYER,
            on_change=lambda: change_selection(hide=st.session_state[_LAYER]),
        )
    try:
        with waiting(run, subject, settings.method, "Hiding …") as look:
            found = compute.hidden(run, subject, settings.method, layer, look)
    except RunError as error:
        st.caption(f"Not computed: {escape_markdown(str(error))}")
        return
    codes = [subject.predicted] if subject.rival is None else [subject.predicted, subject.rival]
    lines = (
        f"{escape_markdown(subject.name(code))} **{_change(found.before[code], found.hottest[code])}**"
        for code in codes
    )
    st.markdown("  \n".join(lines))
    st.caption(f"Random tenths instead: {_change(found.before[subject.predicted], found.random[subject.predicted])}")
    with st.popover("Show what was hidden", width="stretch"):
        draw_image(found.image, f"The image with its hottest tenth at {layer} hidden", key="hidden")


def _change(before: float, after: float) -> str:
    """Write “96.2 → 8.4 %”."""
    return f"{percent(before).removesuffix(' %')} → {percent(after)}"
