"""All predictions of a run at a glance: confusion matrix, most confused pairs, figures by class."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import streamlit as st

from sightline.app.elements.bars import draw_bars
from sightline.app.elements.filters import draw_class_search
from sightline.app.elements.matrix import draw_matrix, draw_pairs, take_pair
from sightline.app.runs import loaders
from sightline.app.runs.kept import kept
from sightline.app.views.mistakes.calibration import draw_calibration
from sightline.report.address.selection import Selection
from sightline.report.drawing.bars import Bar
from sightline.report.drawing.class_rows import MANY_PAIRS, MOST_ROWS, PAIRS, class_rows
from sightline.report.drawing.matrix import MOST_DRAWN, Cells, confusion_cells
from sightline.report.words.classes import scope_words
from sightline.report.words.text import count, counted, percent
from sightline.run_store.predictions import Columns, Predictions
from sightline.run_store.run import Run

_PAIRS, _CLASSES, _TAKEN_FOR = "mistakes_pairs", "mistakes_classes", "mistakes_taken_for"


def draw_confusion(run: Run, predictions: Predictions, selection: Selection) -> None:
    """Draw the confusion matrix, or a search where it has too many classes."""
    names = predictions.class_names
    if len(names) > MOST_DRAWN:
        st.markdown("**Confusion**")
        draw_class_search(predictions, selection)
        return
    cells = _cells(run, selection.columns)
    caption = f"Rows are true classes, columns predicted ones. {scope_words(predictions, selection)}"
    draw_matrix(cells, names, selection, "mistakes_matrix", caption)


@kept("columns", lru_cache(64))
def _cells(run: Run, columns: Columns) -> Cells:
    """Write the cells of the matrix: most clicks leave them as they are."""
    return confusion_cells(loaders.predictions(run).confusion_of(columns))


def draw_tables(run: Run, predictions: Predictions, selection: Selection) -> None:
    """Draw the table that is chosen, of the images that pass the filters."""
    chosen = st.segmented_control(
        "Table",
        list(TABLES),
        default=next(iter(TABLES)),
        required=True,
        key="mistakes_table",
        persist_state="session",
        label_visibility="collapsed",
    )
    TABLES[chosen](run, predictions, selection)


def _draw_pairs(run: Run, predictions: Predictions, selection: Selection) -> None:
    bars = pair_bars(predictions, selection)
    draw_pairs(bars, predictions.class_names, _PAIRS, "No such image was predicted wrong.")
    _draw_scope(predictions, selection)


def _draw_classes(run: Run, predictions: Predictions, selection: Selection) -> None:
    names = predictions.class_names
    draw_bars(
        class_bars(predictions, selection),
        key=_CLASSES,
        widths=(42, 46, 36),
        header=("class", "recall", "", "precision", "images"),
        on_pick=lambda: take_pair(names[int(st.session_state[_CLASSES].pick)], None),
    )
    _draw_scope(predictions, selection, f"The {MOST_ROWS} of lowest recall." if len(names) > MOST_ROWS else "")


def _draw_taken_for(run: Run, predictions: Predictions, selection: Selection) -> None:
    names, bars = predictions.class_names, taken_for_bars(predictions, selection)
    if not bars:
        st.caption("No such image was predicted wrong.")
    else:
        draw_bars(
            bars,
            key=_TAKEN_FOR,
            widths=(36, 46),
            header=("class", "wrongly taken for it", "", "precision"),
            on_pick=lambda: take_pair(None, names[int(st.session_state[_TAKEN_FOR].pick)]),
        )
    _draw_scope(predictions, selection, f"The {MOST_ROWS} with most of them." if len(bars) == MOST_ROWS else "")


# What stands below the confusion, in the order in which it can be chosen.
TABLES: Mapping[str, Callable[[Run, Predictions, Selection], None]] = {
    "Most confused": _draw_pairs,
    "By class": _draw_classes,
    "Taken for": _draw_taken_for,
    "Calibration": draw_calibration,
}


def _draw_scope(predictions: Predictions, selection: Selection, which: str = "") -> None:
    """Say of which images a table is, where not of all, and which of its rows are shown."""
    if said := f"{scope_words(predictions, selection)} {which}".strip():
        st.caption(said)


def pair_bars(predictions: Predictions, selection: Selection) -> list[Bar]:
    """Return the pairs of the one class that is chosen, else of all; id: codes of the true and the predicted class."""
    names = predictions.class_names
    wanted = selection.filter(names)
    is_pair = wanted.label is not None and wanted.predicted is not None
    only = (None, None) if is_pair else (wanted.label, wanted.predicted)
    confusion = predictions.confusion_of(selection.columns)
    pairs = confusion.most_confused(PAIRS if len(names) <= MOST_DRAWN else MANY_PAIRS, *only)
    top = pairs[0][2] if pairs else 1
    return [
        Bar(
            names[label],
            images / top,
            (count(images),),
            taken_for=names[predicted],
            id=f"{label}-{predicted}",
            title=f"{counted(images, 'image')} of {names[label]} taken for {names[predicted]}",
            selected=(wanted.label, wanted.predicted) == (label, predicted),
        )
        for label, predicted, images in pairs
    ]


def class_bars(predictions: Predictions, selection: Selection) -> list[Bar]:
    """Return the classes of worst recall first, MOST_ROWS at most; id: the code of the class."""
    confusion = predictions.confusion_of(selection.columns)
    return [
        Bar(
            row.name,
            0.0 if np.isnan(row.recall) else row.recall,
            (percent(row.recall, 0), percent(row.precision, 0), count(row.images)),
            id=str(row.code),
            kind="muted",
            title=f"{row.name}: recall {percent(row.recall)}, precision {percent(row.precision)}",
            selected=selection.label == row.name and selection.predicted is None,
        )
        for row in class_rows(confusion, predictions.class_names)
    ]


def taken_for_bars(predictions: Predictions, selection: Selection) -> list[Bar]:
    """Return the classes that most images are wrongly taken for, MOST_ROWS at most; id: the code of the class."""
    confusion = predictions.confusion_of(selection.columns)
    wrong, precision = confusion.per_class("predicted") - confusion.hits, confusion.precision
    order = [code for code in np.argsort(-wrong, kind="stable")[:MOST_ROWS].tolist() if wrong[code]]
    return [
        Bar(
            name := predictions.class_names[code],
            wrong[code] / wrong[order[0]],
            (count(wrong[code]), percent(precision[code], 0)),
            id=str(code),
            title=f"{counted(wrong[code], 'image')} wrongly taken for {name}, precision {percent(precision[code])}",
            selected=selection.predicted == name and selection.label is None,
        )
        for code in order
    ]
