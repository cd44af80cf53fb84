"""The confusion matrix on a page, and its pairs as bars: a click on either filters by the two classes."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.address.url import read_selection, write_selection
from sightline.app.elements.bars import Bar, draw_bars
from sightline.app.elements.matrix_chart import CELL_SELECTION

LARGE_ROW = 10  # pixels, of an enlarged matrix


def draw_matrix(cells: bytes, class_names: tuple[str, ...], selection: Selection, name: str, caption: str) -> None:
    """Draw the cells of a confusion, an Arrow stream.

    A click on one filters by its classes; a button shows them all enlarged.
    """
    _draw_chart(cells, class_names, selection, name)
    with st.container(key=f"foot_{name}", horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        st.caption(caption, width="stretch")
        if st.button("Enlarge", icon=":material/open_in_full:", key=f"enlarge_{name}", type="tertiary"):
            _draw_enlarged(cells, class_names, selection, name)


@st.dialog("Confusion matrix", width="large")
def _draw_enlarged(cells: bytes, class_names: tuple[str, ...], selection: Selection, name: str) -> None:
    if _draw_chart(cells, class_names, selection, name, is_large=True):
        st.rerun()  # the page, without the dialog


def _draw_chart(
    cells: bytes, class_names: tuple[str, ...], selection: Selection, name: str, is_large: bool = False
) -> bool:
    """Draw the chart, and tell whether a cell was clicked."""
    # Another filter makes another element: a click on the cell that is selected must be an event again.
    codes = (class_names.index(chosen) if chosen else "" for chosen in (selection.label, selection.predicted))
    key = "_".join(map(str, (name, *codes, *(["large"] if is_large else []))))
    spec = _spec(class_names, dark=st.context.theme.type == "dark", is_large=is_large)
    event = st.vega_lite_chart(
        spec | {"datasets": {"cells": cells}, "data": {"name": "cells"}},
        height=max(520, LARGE_ROW * len(class_names)) if is_large else 250,
        width="stretch",
        key=key,
        on_select=lambda: _take_cell(key),
        selection_mode=CELL_SELECTION,
        alt="Confusion matrix: rows are true classes, columns predicted ones",
    )
    return bool(event.selection.get(CELL_SELECTION))


def _take_cell(key: str) -> None:
    picked = st.session_state[key].selection.get(CELL_SELECTION) or []
    if picked:
        take_pair(picked[0].get("true"), picked[0].get("predicted"))


def toggle(selection: Selection, label: str | None, predicted: str | None) -> Selection:
    """Filter by this pair, or no longer by it. A pair that is right shows the images that are."""
    if (selection.label, selection.predicted) == (label, predicted):
        return selection.change(label=None, predicted=None)
    outcome = selection.outcome
    if label is not None and predicted is not None and outcome != "all":
        outcome = "right" if label == predicted else "wrong"
    return selection.change(label=label, predicted=predicted, outcome=outcome)


def take_pair(label: str | None, predicted: str | None) -> None:
    """Filter by these classes, or no longer by them: for callbacks."""
    write_selection(toggle(read_selection()[0], label, predicted))


@lru_cache(32)
def _spec(class_names: tuple[str, ...], dark: bool, is_large: bool) -> dict[str, Any]:
    """Write the chart without its data, once: Altair takes longer for it than a click may last."""
    from sightline.app.elements.matrix_chart import confusion_cells, confusion_matrix  # which import Altair and pandas

    nothing = confusion_cells(np.zeros((1, 1), int), class_names[:1])
    spec = confusion_matrix(nothing, class_names, dark=dark, is_large=is_large).to_dict()
    return {key: value for key, value in spec.items() if key not in ("data", "datasets")}


def draw_pairs(bars: Sequence[Bar], class_names: tuple[str, ...], key: str, otherwise: str) -> None:
    """Draw bars with ids as in `pair_bars`; a click on one filters by its classes.

    otherwise: said where there are none.
    """
    if not bars:
        st.caption(otherwise)
        return

    def take() -> None:
        take_pair(*(class_names[int(code)] for code in st.session_state[key].pick.split("-")))

    draw_bars(bars, key=key, widths=(34,), label_share=1.6, on_pick=take)
