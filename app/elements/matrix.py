"""The confusion matrix as one element, and its pairs as bars: a click on either filters by the two classes."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from sightline.app.address.url import read_selection, write_selection
from sightline.app.elements.bars import draw_bars
from sightline.report.address.selection import Selection
from sightline.report.drawing.bars import Bar
from sightline.report.drawing.matrix import MATRIX, Cells, matrix

_COMPONENT = st.components.v2.component(MATRIX.name, html=MATRIX.html, css=MATRIX.css, js=MATRIX.js)


def draw_matrix(
    cells: Cells, class_names: tuple[str, ...], selection: Selection, name: str, caption: str, title: str = "Confusion"
) -> None:
    """Draw the cells of a confusion, and its switches: shares, diagonal, order.

    A click on a cell filters by its classes, on the name of a row by the true class, of a column by the predicted one;
    a button shows all of it enlarged. caption: in Markdown, stands below.
    """
    if _draw(cells, class_names, selection, name, title).enlarge:
        _draw_enlarged(cells, class_names, selection, name)
    st.caption(caption)


@st.dialog("Confusion matrix", width="large")
def _draw_enlarged(cells: Cells, class_names: tuple[str, ...], selection: Selection, name: str) -> None:
    if _draw(cells, class_names, selection, f"{name}_large").pick:
        st.rerun()  # the page, without the dialog


def _draw(cells: Cells, class_names: tuple[str, ...], selection: Selection, key: str, title: str = "") -> Any:
    wanted = selection.filter(class_names)
    label, predicted = (-1 if code is None else code for code in (wanted.label, wanted.predicted))
    data = matrix(cells, class_names, selected=(label, predicted), title=title)

    def take() -> None:
        take_pair(*(None if code < 0 else class_names[code] for code in st.session_state[key].pick))

    return _COMPONENT(key=key, data=data, on_pick_change=take, on_enlarge_change=lambda: None)


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
