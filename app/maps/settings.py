"""The settings of the Layers view: what is explained, by which method, and how a map is drawn."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from sightline.app.address.selection import CLASS_TARGET, TARGETS, Selection, change_selection
from sightline.app.elements.text import escape_markdown
from sightline.app.maps import compute
from sightline.app.maps.paint import CELLS, COLOURS, SCALES, SIGNS, colours_for
from sightline.explain.attribution.methods import METHODS, PIXEL_METHODS
from sightline.run_store.quality import INPUT
from sightline.run_store.run import Run, RunError, RunRecord

MOST_LAYERS = 8
WORDS = {
    "own": "each map",
    "row": "by row",
    "RdBu_r": "blue – red",
    "PuOr_r": "purple – orange",
    "BrBG": "brown – teal",
}
SHOWS = {"overlay": Selection().opacity, "map": 100, "input": 0}  # opacity in percent


def resolve(run: Run, record: RunRecord, selection: Selection) -> tuple[Selection, list[str]]:
    """The selection with this view's defaults filled in, but for the targets; and sentences on what was ignored.

    Layers come shallow to deep: the run's own where none was chosen, INPUT for a pixel method.
    """
    sign = selection.sign if METHODS[selection.method].signed else SIGNS[0]
    layers, ignored = ((INPUT,), []) if selection.method in PIXEL_METHODS else _layers(run, record, selection.layers)
    colours = colours_for(sign, selection.colours)
    return selection.change(layers=layers, sign=sign, colours=colours), ignored


def _layers(run: Run, record: RunRecord, wanted: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    known: Sequence[str] = record.layers
    if not set(wanted) <= set(known):
        try:
            known = tuple(compute.map_layers(run))
        except RunError:  # where the model cannot be read, the grid says so
            return record.layers, []
    unknown = [name for name in wanted if name not in known]
    chosen = tuple(name for name in known if name in wanted)
    ignored = []
    if unknown:
        names = ", ".join(f"“{name}”" for name in unknown[:4]) + (", …" if len(unknown) > 4 else "")
        ignored.append(f"Ignored in the address: {names} (no layer of this network with a map).")
    if len(chosen) > MOST_LAYERS:
        ignored.append(
            f"At most {MOST_LAYERS} layers are shown side by side: the first {MOST_LAYERS} of {len(chosen)}."
        )
    return chosen[:MOST_LAYERS] or record.layers[:MOST_LAYERS], ignored


def draw_settings(run: Run, record: RunRecord, resolved: Selection) -> None:
    """Every change goes into the address, so that the picture can be sent to somebody."""
    method = METHODS[resolved.method]
    st.markdown("**Map**")
    _widget(
        st.selectbox,
        "Method",
        list(METHODS),
        "method",
        resolved.method,
        format_func=lambda name: METHODS[name].title,
        help=f"{method.source}. Passes through the network: {method.cost}. "
        + ("Negative values speak against the class." if method.signed else "It has no negative values."),
    )
    _draw_layers(run, record, resolved)
    _widget(
        st.multiselect,
        "Classes",
        (*TARGETS, *(CLASS_TARGET + name for name in record.class_names)),
        "targets",
        list(resolved.targets),
        format_func=target_words,
        help="Rows of the grid. The difference is that of the prediction and its rival: the true class where it is "
        "wrong, else the runner-up.",
    )
    _choice("Scale", SCALES, "scale", resolved.scale)
    _choice("Sign", SIGNS, "sign", resolved.sign, disabled=not method.signed)
    _choice("Cells", CELLS, "cells", resolved.cells)
    _choice("Show", list(SHOWS), "show", _shows(resolved.opacity), on_change=_take_show)
    _draw_opacity(resolved)
    _widget(st.selectbox, "Colours", COLOURS[resolved.sign], "colours", resolved.colours or "", format_func=_words)
    st.caption(method.source)


def target_words(target: str) -> str:
    """A class by its name, unless that is also the name of another target: Streamlit tells options apart by words."""
    name = target.removeprefix(CLASS_TARGET)
    return target if name in TARGETS else name


def _draw_layers(run: Run, record: RunRecord, resolved: Selection) -> None:
    """The network is asked for its layers only when somebody wants to choose."""
    if resolved.method in PIXEL_METHODS:
        return
    with st.container(key="layers_row", horizontal=True, vertical_alignment="center", wrap=False):
        st.markdown("Layers", width="content")
        layers = st.popover(f"{len(resolved.layers)} shown", key="layers_popover", on_change="rerun", width="stretch")
    if not layers.open:
        return
    with layers:
        names = dict.fromkeys(resolved.layers, "") | dict.fromkeys(record.layers, "")
        try:
            found = compute.map_layers(run).items()
            names = {name: f" · {height}×{width}" for name, (height, width) in found}
        except RunError as error:
            st.caption(f"The network cannot be read: {escape_markdown(str(error))}")
        _widget(
            st.multiselect,
            f"Layers with a map, at most {MOST_LAYERS}",
            list(names),
            "layers",
            [name for name in resolved.layers if name in names],
            format_func=lambda name: name + names[name],
            max_selections=MOST_LAYERS,
        )


def _shows(opacity: int) -> str:
    return {100: "map", 0: "input"}.get(opacity, "overlay")


def _words(option: str) -> str:
    return WORDS.get(option, option)


def _choice(label: str, options: Sequence[str], name: str, value: str, **settings: Any) -> None:
    _widget(
        st.segmented_control,
        label,
        options,
        name,
        value,
        required=True,
        width="stretch",
        format_func=_words,
        **settings,
    )


def _widget(
    kind: Callable[..., Any], label: str, options: Sequence[str], name: str, value: str | list[str], **settings: Any
) -> None:
    key = f"layers_{name}"
    st.session_state[key] = value
    kind(label, options, key=key, args=(name,), **({"on_change": _take} | settings))


def _draw_opacity(resolved: Selection) -> None:
    st.session_state["layers_opacity"] = resolved.opacity
    st.slider("Opacity", 0, 100, step=5, format="%d %%", key="layers_opacity", on_change=_take, args=("opacity",))


def _take(name: str) -> None:
    value = st.session_state[f"layers_{name}"]
    change_selection(**{name: tuple(value) if isinstance(value, list) else value})


def _take_show(name: str) -> None:
    change_selection(opacity=SHOWS[st.session_state[f"layers_{name}"]])
