"""The confusion matrix: counts → a table → alt.Chart. No Streamlit here.

Colours that must hold in light and dark are opacities of one hue.
"""

from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from sightline.app.elements.learning_curves import BARE

MATRIX_HUE = "#0b7fab"
MORE_HUE = "#c8571b"  # of what a difference has more; less has MATRIX_HUE
MOST_DRAWN = 100  # classes: a matrix of more has cells too small to be told apart
READABLE_CLASSES = 30  # more cells than this are drawn without their numbers
LABELLED_CLASSES = 20  # names of more would overlap beside a small matrix
CELL_SELECTION = "cell"

Chart = alt.LayerChart | alt.FacetChart  # what Altair says a layered chart with properties is


def confusion_matrix(
    cells: pa.Table, class_names: tuple[str, ...], *, dark: bool = False, is_large: bool = False
) -> Chart:
    """Write the chart of `confusion_cells` or `difference_cells`; another selection changes only the cells.

    dark: whether the page's theme is. is_large: whether it has a window of its own.

    A click on a cell selects it under the name CELL_SELECTION with the fields `true` and `predicted`.
    """
    readable = len(class_names) <= READABLE_CLASSES
    base = alt.Chart(cells).encode(
        x=alt.X("predicted:N", title=None, scale=_band(class_names), axis=_axis(class_names, is_large, labelAngle=-90)),
        y=alt.Y("true:N", title=None, scale=_band(class_names), axis=_axis(class_names, is_large)),
        tooltip=[
            alt.Tooltip("true:N"),
            alt.Tooltip("predicted:N"),
            alt.Tooltip("images:Q"),
            alt.Tooltip("share:Q", title="% of the class", format=".1f"),
        ],
    )
    clicked = alt.selection_point(
        name=CELL_SELECTION, fields=["true", "predicted"], on="click", empty=False, toggle=False
    )
    shade = alt.Opacity("shade:Q", scale=alt.Scale(domain=[0, 1], range=[0.05, 1]), legend=None)
    fill = base.mark_rect(cornerRadius=3 if readable else 0, cursor="pointer").encode(
        opacity=shade, color=alt.condition("datum.is_more", alt.value(MORE_HUE), alt.value(MATRIX_HUE))
    )
    outline = base.mark_rect(fillOpacity=0, stroke="#d1495b", strokeWidth=1.5, cornerRadius=3, aria=False)
    layers = [fill.add_params(clicked), outline.transform_filter("datum.selected")]
    if readable:
        size = 13 if is_large else 11 if len(class_names) <= 12 else 8
        # Streamlit's theme colours axes but no text marks. A number has to be read on every shade of both hues.
        faint, strong, edge = ("#b4bcc3", "white", 0.3) if dark else ("#3c434a", "white", 0.8)
        for test, colour in (("<=", faint), (">", strong)):
            number = base.mark_text(fontSize=size, color=colour, cursor="pointer").encode(text="text:N")
            layers.append(number.transform_filter(f"datum.shade {test} {edge}"))
    return alt.layer(*layers).properties(**BARE)


def _band(class_names: tuple[str, ...]) -> alt.Scale:
    padding = 0.1 if len(class_names) <= READABLE_CLASSES else 0.0
    return alt.Scale(domain=list(class_names), paddingInner=padding, paddingOuter=0)


def _axis(class_names: tuple[str, ...], is_large: bool, **options: Any) -> alt.Axis:
    small = 10 if len(class_names) <= 15 else 8
    return alt.Axis(
        labels=is_large or len(class_names) <= LABELLED_CLASSES,
        labelLimit=150 if is_large else 74,
        labelFontSize=12 if is_large and len(class_names) <= READABLE_CLASSES else small,
        labelOverlap=False,
        labelFlush=False,
        labelPadding=4,
        ticks=False,
        domain=False,
        grid=False,
        **options,
    )


def confusion_cells(
    confusion: np.ndarray,
    class_names: tuple[str, ...],
    *,
    shares: bool = False,
    hide_diagonal: bool = True,
    label: str | None = None,
    predicted: str | None = None,
) -> pa.Table:
    """Return a row for each cell of a confusion, int C×C, rows true; `label` and `predicted` say what is selected.

    Rows: true, predicted, images, share (percent of the true class), text, shade (0–1), is_more, selected.
    """
    share = 100 * confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    columns = _cells(confusion, share, class_names, hide_diagonal, label, predicted)
    images, shown = columns["images"], columns["share" if shares else "images"]
    shade = shown / max(shown.max(initial=0), 1e-9)
    if not hide_diagonal:  # beside which mistakes are small numbers
        shade = np.sqrt(shade)
    text = [f"{value:.0f}" if number else "" for value, number in zip(shown.tolist(), images.tolist(), strict=True)]
    return pa.table(columns | {"text": text, "shade": shade, "is_more": np.zeros(len(images), bool)})


def difference_cells(
    difference: np.ndarray,
    support: np.ndarray,
    class_names: tuple[str, ...],
    *,
    label: str | None = None,
    predicted: str | None = None,
) -> pa.Table:
    """Return a row for each cell beside the diagonal of a difference A − B, int C×C; support: images of each class, C.

    Rows as in `confusion_cells`; is_more where A makes more such mistakes than B.
    """
    share = 100 * difference / np.maximum(support, 1)[:, None]
    columns = _cells(difference, share, class_names, True, label, predicted)
    images = columns["images"]
    text = [f"{number:+d}".replace("-", "−") if number else "" for number in images.tolist()]
    shade = np.abs(images) / max(np.abs(images).max(initial=0), 1)
    return pa.table(columns | {"text": text, "shade": shade, "is_more": images > 0})


def _cells(
    images: np.ndarray,
    share: np.ndarray,
    class_names: tuple[str, ...],
    hide_diagonal: bool,
    label: str | None,
    predicted: str | None,
) -> dict[str, np.ndarray]:
    classes = len(class_names)
    rows, columns = (axis.ravel() for axis in np.indices((classes, classes)))
    keep = (rows != columns) if hide_diagonal and classes > 1 else np.ones(len(rows), dtype=bool)
    if classes > READABLE_CLASSES:
        keep &= images.ravel() != 0
    names = np.array(class_names, dtype=object)
    true, guess = names[rows[keep]], names[columns[keep]]
    chosen = np.full(len(true), label is not None or predicted is not None)
    for cells, wanted in ((true, label), (guess, predicted)):
        if wanted is not None:
            chosen &= cells == wanted
    share = share.ravel()[keep].round(2)
    return {"true": true, "predicted": guess, "images": images.ravel()[keep], "share": share, "selected": chosen}
