"""All predictions of a run at a glance: confusion matrix, most confused pairs, figures by class."""

from functools import lru_cache

import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.elements.arrow import arrow_bytes
from sightline.app.elements.bars import Bar, draw_bars
from sightline.app.elements.filters import draw_class_search
from sightline.app.elements.matrix import draw_matrix, draw_pairs, take_pair
from sightline.app.elements.matrix_chart import MOST_DRAWN, confusion_cells
from sightline.app.elements.text import count, percent
from sightline.app.runs import loaders
from sightline.app.runs.kept import kept
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run

_PAIRS = "mistakes_pairs"
_CLASSES = "mistakes_classes"
PAIRS, MANY_PAIRS, MOST_ROWS = 8, 20, 50  # pairs beside a matrix, and in its place; classes in the table

_BY_CLASS = "By class"
_CONFUSED = "Most confused"


def draw_confusion(run: Run, predictions: Predictions, selection: Selection) -> None:
    """Draw the confusion matrix, or a search where it has too many classes."""
    names = predictions.class_names
    if len(names) > MOST_DRAWN:
        st.markdown("**Confusion**")
        draw_class_search(predictions, selection)
        return
    with st.container(key="confusion_title", horizontal=True, vertical_alignment="center", gap="small", wrap=True):
        st.markdown("**Confusion**", width="stretch")
        shares = st.checkbox("row %", key="mistakes_shares", persist_state="session")
        diagonal = st.checkbox("diagonal", key="mistakes_diagonal", persist_state="session")
    cells = _cells(run, shares, not diagonal, selection.label, selection.predicted)
    draw_matrix(cells, names, selection, "mistakes_matrix", "rows true, columns predicted · click to filter")


@kept("predictions", lru_cache(64))
def _cells(run: Run, shares: bool, hide_diagonal: bool, label: str | None, predicted: str | None) -> bytes:
    """Write the cells of the matrix: most clicks leave them as they are."""
    predictions = loaders.predictions(run)
    return arrow_bytes(
        confusion_cells(
            predictions.confusion.dense(),
            predictions.class_names,
            shares=shares,
            hide_diagonal=hide_diagonal,
            label=label,
            predicted=predicted,
        )
    )


def draw_tables(predictions: Predictions, selection: Selection) -> None:
    """Draw the most confused pairs, or the figures of each class."""
    chosen = st.segmented_control(
        "Table",
        [_CONFUSED, _BY_CLASS],
        default=_CONFUSED,
        required=True,
        key="mistakes_table",
        persist_state="session",
        label_visibility="collapsed",
    )
    if chosen == _BY_CLASS:
        draw_bars(
            class_bars(predictions, selection),
            key=_CLASSES,
            widths=(42, 46, 36),
            header=("class", "recall", "", "precision", "images"),
            on_pick=lambda: take_pair(predictions.class_names[int(st.session_state[_CLASSES].pick)], None),
        )
        if len(predictions.class_names) > MOST_ROWS:
            st.caption(f"The {MOST_ROWS} of lowest recall.")
    else:
        draw_pairs(
            pair_bars(predictions, selection), predictions.class_names, _PAIRS, "No such image was predicted wrong."
        )


def pair_bars(predictions: Predictions, selection: Selection) -> list[Bar]:
    """Return the pairs of the one class that is chosen, else of all; id: codes of the true and the predicted class."""
    names = predictions.class_names
    wanted = selection.filter(names)
    is_pair = wanted.label is not None and wanted.predicted is not None
    only = (None, None) if is_pair else (wanted.label, wanted.predicted)
    pairs = predictions.most_confused(PAIRS if len(names) <= MOST_DRAWN else MANY_PAIRS, *only)
    top = pairs[0][2] if pairs else 1
    return [
        Bar(
            names[label],
            images / top,
            (count(images),),
            taken_for=names[predicted],
            id=f"{label}-{predicted}",
            title=f"{count(images)} images of {names[label]} taken for {names[predicted]}",
            selected=(wanted.label, wanted.predicted) == (label, predicted),
        )
        for label, predicted, images in pairs
    ]


def class_bars(predictions: Predictions, selection: Selection) -> list[Bar]:
    """Return the classes of worst recall first, MOST_ROWS at most."""
    table = predictions.per_class()
    return [
        Bar(
            row["class"],
            0.0 if row.recall != row.recall else row.recall,
            (percent(row.recall, 0), percent(row.precision, 0), count(row.support)),
            id=str(code),
            kind="muted",
            title=f"{row['class']}: recall {percent(row.recall)}, precision {percent(row.precision)}",
            selected=selection.label == row["class"] and selection.predicted is None,
        )
        for code, row in table.sort_values("recall", kind="stable").head(MOST_ROWS).iterrows()
    ]
