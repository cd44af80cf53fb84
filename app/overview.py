"""All predictions of a run at a glance: confusion matrix, most confused pairs, figures by class."""

import pandas as pd
import streamlit as st

from app import loaders
from app.bars import Bar, draw_bars
from app.charts import CELL_SELECTION, confusion_cells
from app.state import Selection, current_selection, write_selection
from app.text import count, percent
from run_store.predictions import Predictions

_PAIRS = "mistakes_pairs"
_CLASSES = "mistakes_classes"
_BY_CLASS = "By class"
_CONFUSED = "Most confused"


def draw_confusion(predictions: Predictions, selection: Selection) -> None:
    with st.container(key="confusion_title", horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.markdown("**Confusion**", width="stretch")
        shares = st.checkbox("row %", key="mistakes_shares", persist_state="session")
        diagonal = st.checkbox("diagonal", key="mistakes_diagonal", persist_state="session")
    cells = confusion_cells(
        predictions.confusion,
        predictions.class_names,
        shares=shares,
        hide_diagonal=not diagonal,
        label=selection.label,
        predicted=selection.predicted,
    )
    draw_matrix(cells, predictions.class_names, selection, "mistakes_matrix", "Confusion matrix")
    st.caption("rows true, columns predicted · click a cell to filter")


def draw_matrix(cells: pd.DataFrame, class_names: tuple[str, ...], selection: Selection, name: str, words: str) -> None:
    """cells: see `confusion_matrix`. A click on one filters by its classes."""
    # Another filter makes another element: a click on the cell that is selected must be an event again.
    codes = (class_names.index(chosen) if chosen else "" for chosen in (selection.label, selection.predicted))
    key = "_".join(map(str, (name, *codes)))
    st.vega_lite_chart(
        cells,
        loaders.matrix_spec(class_names, dark=st.context.theme.type == "dark"),
        height=250,
        width="stretch",
        key=key,
        on_select=lambda: _take_cell(key),
        selection_mode=CELL_SELECTION,
        alt=f"{words}: rows are true classes, columns predicted ones",
    )


def _take_cell(key: str) -> None:
    picked = st.session_state[key].selection.get(CELL_SELECTION) or []
    if picked:
        _take(picked[0].get("true"), picked[0].get("predicted"))


def toggle(selection: Selection, label: str | None, predicted: str | None) -> Selection:
    """Filter by this pair, or no longer by it. A pair that is right shows the images that are."""
    if (selection.label, selection.predicted) == (label, predicted):
        return selection.change(label=None, predicted=None)
    outcome = selection.outcome
    if label is not None and predicted is not None and outcome != "all":
        outcome = "right" if label == predicted else "wrong"
    return selection.change(label=label, predicted=predicted, outcome=outcome)


def _take(label: str | None, predicted: str | None) -> None:
    write_selection(toggle(current_selection(), label, predicted))


def draw_tables(predictions: Predictions, selection: Selection) -> None:
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
            on_pick=lambda: _take(predictions.class_names[int(st.session_state[_CLASSES].pick)], None),
        )
    elif bars := pair_bars(predictions, selection):
        draw_bars(bars, key=_PAIRS, widths=(34,), label_share=1.6, on_pick=lambda: _take_pair(predictions.class_names))
    else:
        st.caption("No image of the test split was predicted wrong.")


def _take_pair(class_names: tuple[str, ...]) -> None:
    label, predicted = (class_names[int(code)] for code in st.session_state[_PAIRS].pick.split("-"))
    _take(label, predicted)


def pair_bars(predictions: Predictions, selection: Selection, shown: int = 8) -> list[Bar]:
    names = predictions.class_names
    pairs = predictions.most_confused(shown)
    top = pairs["images"].max() if len(pairs) else 1
    return [
        Bar(
            f"{names[label]} → {names[predicted]}",
            images / top,
            (count(images),),
            id=f"{label}-{predicted}",
            title=f"{count(images)} images of {names[label]} taken for {names[predicted]}",
            selected=(selection.label, selection.predicted) == (names[label], names[predicted]),
        )
        for label, predicted, images in pairs.itertuples(index=False)
    ]


def class_bars(predictions: Predictions, selection: Selection) -> list[Bar]:
    """Worst recall first."""
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
        for code, row in table.sort_values("recall", kind="stable").iterrows()
    ]
