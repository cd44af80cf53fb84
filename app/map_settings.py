"""The settings of the Layers view: which layers and classes, and how a map is drawn."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from app.maps import CELLS, COLOURS, SIGNS, colours_for
from app.state import CLASS_TARGET, TARGETS, Selection, change_selection
from app.text import escape_markdown
from run_store.run import RunRecord


def chosen_layers(record: RunRecord, selection: Selection) -> tuple[str, ...]:
    """Shallow to deep; all of the run's layers where none was chosen."""
    return tuple(layer for layer in record.layers if layer in selection.layers) or record.layers


def chosen_targets(selection: Selection, is_wrong: bool) -> tuple[str, ...]:
    """By default all there is to compare: of a right prediction that is one class."""
    return selection.targets or (TARGETS if is_wrong else ("predicted",))


def target_words(target: str) -> str:
    """A class by its name, unless that is also the name of another target: Streamlit tells options apart by words."""
    name = target.removeprefix(CLASS_TARGET)
    return target if name in TARGETS else name


def draw_settings(record: RunRecord, selection: Selection, targets: tuple[str, ...]) -> None:
    """Every change goes into the address, so that the picture can be sent to somebody."""
    st.markdown("**Map**")
    _widget(
        st.pills,
        "Layers",
        record.layers,
        "layers",
        list(chosen_layers(record, selection)),
        selection_mode="multi",
        format_func=escape_markdown,
    )
    _widget(
        st.multiselect,
        "Explained classes",
        (*TARGETS, *(CLASS_TARGET + name for name in record.class_names)),
        "targets",
        list(targets),
        format_func=target_words,
    )
    _widget(st.segmented_control, "Sign", SIGNS, "sign", selection.sign, required=True, width="stretch")
    _widget(st.segmented_control, "Cells", CELLS, "cells", selection.cells, required=True, width="stretch")
    colours = colours_for(selection.sign, selection.colours)
    _widget(st.selectbox, "Colour map", COLOURS[selection.sign], "colours", colours)
    _draw_opacity(selection)
    st.caption(
        "Grad-CAM (Selvaraju et al. 2017), computed by Captum on the logit of each class. Each map has its own scale; "
        "its raw extremes stand below it."
    )


def _widget(
    kind: Callable[..., Any], label: str, options: Sequence[str], name: str, value: str | list[str], **settings: Any
) -> None:
    key = f"layers_{name}"
    st.session_state[key] = value
    kind(label, options, key=key, on_change=_take, args=(name,), **settings)


def _draw_opacity(selection: Selection) -> None:
    st.session_state["layers_opacity"] = selection.opacity
    st.slider(
        "Opacity of the map", 0, 100, step=5, format="%d %%", key="layers_opacity", on_change=_take, args=("opacity",)
    )


def _take(name: str) -> None:
    value = st.session_state[f"layers_{name}"]
    change_selection(**{name: tuple(value) if isinstance(value, list) else value})
