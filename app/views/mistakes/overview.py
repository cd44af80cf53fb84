"""All predictions of a run at a glance: confusion matrix, most confused pairs, figures by class."""

from collections.abc import Sequence

import pyarrow as pa
import streamlit as st

from sightline.app.address.selection import Selection, current_selection, write_selection
from sightline.app.elements.bars import Bar, draw_bars
from sightline.app.elements.filters import draw_class_search
from sightline.app.elements.matrix_chart import CELL_SELECTION, MOST_DRAWN, confusion_cells
from sightline.app.elements.text import count, percent
from sightline.app.runs import loaders
from sightline.run_store.predictions import Predictions

_PAIRS = "mistakes_pairs"
_CLASSES = "mistakes_classes"
PAIRS, MANY_PAIRS, MOST_ROWS = 8, 20, 50  # pairs beside a matrix, and in its place; classes in the table
LARGE_ROW = 10  # pixels, of an enlarged matrix

_BY_CLASS = "By class"
_CONFUSED = "Most confused"


def draw_confusion(predictions: Predictions, selection: Selection) -> None:
    names = predictions.class_names
    if len(names) > MOST_DRAWN:
        st.markdown("**Confusion**")
        draw_class_search(predictions, selection)
        return
    with st.container(key="confusion_title", horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        st.markdown("**Confusion**", width="stretch")
        shares = st.checkbox("row %", key="mistakes_shares", persist_state="session")
        diagonal = st.checkbox("diagonal", key="mistakes_diagonal", persist_state="session")
    cells = confusion_cells(
        predictions.confusion,
        names,
        shares=shares,
        hide_diagonal=not diagonal,
        label=selection.label,
        predicted=selection.predicted,
    )
    draw_matrix(cells, names, selection, "mistakes_matrix", "rows true, columns predicted · click to filter")


def draw_matrix(cells: pa.Table, class_names: tuple[str, ...], selection: Selection, name: str, caption: str) -> None:
    """cells: see `confusion_matrix`. A click on one filters by its classes; a button shows them all enlarged."""
    _draw_chart(cells, class_names, selection, name)
    with st.container(key=f"foot_{name}", horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        st.caption(caption, width="stretch")
        if st.button("Enlarge", icon=":material/open_in_full:", key=f"enlarge_{name}", type="tertiary"):
            _draw_enlarged(cells, class_names, selection, name)


@st.dialog("Confusion matrix", width="large")
def _draw_enlarged(cells: pa.Table, class_names: tuple[str, ...], selection: Selection, name: str) -> None:
    if _draw_chart(cells, class_names, selection, name, is_large=True):
        st.rerun()  # the page, without the dialog


def _draw_chart(
    cells: pa.Table, class_names: tuple[str, ...], selection: Selection, name: str, is_large: bool = False
) -> bool:
    """Whether a cell was clicked."""
    # Another filter makes another element: a click on the cell that is selected must be an event again.
    codes = (class_names.index(chosen) if chosen else "" for chosen in (selection.label, selection.predicted))
    key = "_".join(map(str, (name, *codes, *(["large"] if is_large else []))))
    event = st.vega_lite_chart(
        cells,
        loaders.matrix_spec(class_names, dark=st.context.theme.type == "dark", is_large=is_large),
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
        if len(predictions.class_names) > MOST_ROWS:
            st.caption(f"The {MOST_ROWS} of lowest recall.")
    else:
        draw_pairs(
            pair_bars(predictions, selection), predictions.class_names, _PAIRS, "No such image was predicted wrong."
        )


def draw_pairs(bars: Sequence[Bar], class_names: tuple[str, ...], key: str, otherwise: str) -> None:
    """bars: with ids as in `pair_bars`; a click on one filters by its classes. otherwise: said where there are none."""
    if not bars:
        st.caption(otherwise)
        return

    def take() -> None:
        _take(*(class_names[int(code)] for code in st.session_state[key].pick.split("-")))

    draw_bars(bars, key=key, widths=(34,), label_share=1.6, on_pick=take)


def pair_bars(predictions: Predictions, selection: Selection) -> list[Bar]:
    """Of the one class that is chosen, else of all; id: codes of the true and the predicted class."""
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
    """Worst recall first, MOST_ROWS at most."""
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
