"""The widgets of the Layers view: what is explained, by which method, and how a map is drawn."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.maps import compute
from sightline.explain.attribution.methods import METHODS, PIXEL_METHODS
from sightline.report.address.selection import Selection
from sightline.report.drawing.map_settings import (
    CELLS,
    CLASS_TARGET,
    COLOURS,
    SCALES,
    SIGNS,
    STORED_TARGETS,
    TARGETS,
    MapSettings,
)
from sightline.report.drawing.resolve import MOST_LAYERS, stored_methods
from sightline.report.words.text import escape_markdown
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run

WORDS = {
    "own": "each map",
    "layer": "by layer",
    "row": "by row",
    "RdBu_r": "blue – red",
    "PuOr_r": "purple – orange",
    "BrBG": "brown – teal",
}
SHOWS = {"overlay": Selection().opacity, "map": 100, "input": 0}  # opacity in percent


def draw_settings(run: Run, record: RunRecord, settings: MapSettings) -> None:
    """Draw the widgets. Every change goes into the address, so that the picture can be sent to somebody."""
    method = METHODS[settings.method]
    st.markdown("**Map**")
    _widget(
        st.selectbox,
        "Method",
        list(METHODS if run.has_network else stored_methods(run)),
        "method",
        settings.method,
        format_func=lambda name: METHODS[name].title,
        help=f"{method.source}. Passes through the network: {method.cost}. "
        + ("Negative values speak against the class." if method.signed else "It has no negative values."),
    )
    _draw_layers(run, record, settings)
    _widget(
        st.multiselect,
        "Classes",
        (*TARGETS, *(CLASS_TARGET + name for name in record.class_names)) if run.has_network else STORED_TARGETS,
        "targets",
        [target for target in settings.targets if run.has_network or target in STORED_TARGETS],
        format_func=target_words,
        help="Rows of the grid. The difference is that of the prediction and its rival: the true class where it is "
        "wrong, else the runner-up.",
    )
    st.caption(method.source)
    appearance = st.expander("Appearance", key="layers_appearance", on_change="rerun")
    if appearance.open:
        with appearance:
            _draw_appearance(settings)


def _draw_appearance(settings: MapSettings) -> None:
    """Draw what changes how a map looks, and not what is computed."""
    _choice("Scale", SCALES, "scale", settings.scale)
    _choice("Sign", SIGNS, "sign", settings.sign, disabled=not METHODS[settings.method].signed)
    _choice("Cells", CELLS, "cells", settings.cells)
    _choice("Show", list(SHOWS), "show", _shows(settings.opacity), on_change=_take_show)
    _draw_opacity(settings)
    _widget(st.selectbox, "Colours", COLOURS[settings.sign], "colours", settings.colours, format_func=_words)


def target_words(target: str) -> str:
    """Write a class by its name, unless another target is named so: Streamlit tells options apart by words."""
    name = target.removeprefix(CLASS_TARGET)
    return target if name in TARGETS else name


def _draw_layers(run: Run, record: RunRecord, settings: MapSettings) -> None:
    """Draw the choice of layers; the network is asked for them only when somebody wants to choose."""
    if settings.method in PIXEL_METHODS:
        return
    with st.container(key="layers_row", horizontal=True, vertical_alignment="center", wrap=False):
        st.markdown("Layers", width="content")
        layers = st.popover(f"{len(settings.layers)} shown", key="layers_popover", on_change="rerun", width="stretch")
    if not layers.open:
        return
    with layers:
        names = dict.fromkeys(settings.layers, "") | dict.fromkeys(record.layers, "")
        try:
            if run.has_network:
                found = compute.map_layers(run).items()
                names = {name: f" · {height}×{width}" for name, (height, width) in found}
            else:
                names = dict.fromkeys(stored_methods(run)[settings.method], "")
        except RunError as error:
            st.caption(f"The network cannot be read: {escape_markdown(str(error))}")
        _widget(
            st.multiselect,
            f"Layers with a map, at most {MOST_LAYERS}",
            list(names),
            "layers",
            [name for name in settings.layers if name in names],
            format_func=lambda name: name + names[name],
            max_selections=MOST_LAYERS,
        )


def _shows(opacity: int) -> str:
    return {100: "map", 0: "input"}.get(opacity, "overlay")


def _words(option: str) -> str:
    return WORDS.get(option, option)


def _choice(label: str, options: Sequence[str], name: str, value: str, **more: Any) -> None:
    _widget(
        st.segmented_control,
        label,
        options,
        name,
        value,
        required=True,
        width="stretch",
        format_func=_words,
        **more,
    )


def _widget(
    kind: Callable[..., Any], label: str, options: Sequence[str], name: str, value: str | list[str], **more: Any
) -> None:
    key = f"layers_{name}"
    st.session_state[key] = value
    kind(label, options, key=key, args=(name,), **({"on_change": _take} | more))


def _draw_opacity(settings: MapSettings) -> None:
    st.session_state["layers_opacity"] = settings.opacity
    st.slider("Opacity", 0, 100, step=5, format="%d %%", key="layers_opacity", on_change=_take, args=("opacity",))


def _take(name: str) -> None:
    value = st.session_state[f"layers_{name}"]
    change_selection(**{name: tuple(value) if isinstance(value, list) else value})


def _take_show(name: str) -> None:
    change_selection(opacity=SHOWS[st.session_state[f"layers_{name}"]])
