"""DataFrame → alt.Chart. No Streamlit here; colours that must hold in light and dark are opacities of one hue."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

# Told apart by the colour-blind, and visible on white and on near-black.
RUN_COLOURS = ("#0b7fab", "#d1495b", "#2a9d6f", "#c77b0a", "#8e6cc0", "#6b7f8c", "#b85c9e", "#4f9ad6")
MATRIX_HUE = "#0b7fab"
READABLE_CLASSES = 30  # more cells than this are drawn without their numbers
CELL_SELECTION = "cell"

Chart = alt.LayerChart | alt.FacetChart  # what Altair says a layered chart with properties is
_BARE: dict[str, Any] = {
    "background": "transparent",
    "padding": {"left": 0, "top": 4, "right": 4, "bottom": 0},
}  # the panel around the chart has a colour and margins
_METRICS = {"loss": ("loss (nats)", 1.0, ".3f"), "accuracy": ("accuracy (%)", 100.0, ".1f")}


def learning_curves(metrics: Mapping[str, pd.DataFrame], quantity: str, colours: Mapping[str, str]) -> Chart:
    """quantity: "loss" or "accuracy". metrics: run name → METRICS_COLUMNS. Dashed: train; solid: test.

    One legend stands beside the two charts, so neither repeats it.
    """
    title, factor, number_format = _METRICS[quantity]
    lines = _long_metrics(metrics, quantity, factor)
    names = list(metrics)
    scale = alt.Scale(domain=names, range=[colours[name] for name in names])
    epoch = alt.X(
        "epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, grid=False, format="d"), scale=alt.Scale(nice=False)
    )
    base = alt.Chart(lines).encode(
        x=epoch,
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6)),
        color=alt.Color("run:N", scale=scale, legend=None),
    )
    dash = alt.StrokeDash("split:N", scale=alt.Scale(domain=["test", "train"], range=[[1, 0], [5, 4]]), legend=None)
    drawn = base.mark_line(strokeWidth=2).encode(strokeDash=dash)
    first_epochs = base.mark_point(filled=True, size=28, opacity=1).transform_filter("datum.alone")
    return alt.layer(drawn, first_epochs, *_hover(lines, names, quantity, number_format)).properties(
        height=260, **_BARE
    )


def _long_metrics(metrics: Mapping[str, pd.DataFrame], quantity: str, factor: float) -> pd.DataFrame:
    """Rows: run, epoch, split, value; `alone` marks a run's only epoch, which would be a line without length."""
    parts = [
        pd.DataFrame(
            {
                "run": name,
                "epoch": table["epoch"],
                "split": split,
                "value": table[f"{split}_{quantity}"] * factor,
                "alone": len(table) == 1,
            }
        )
        for name, table in metrics.items()
        for split in ("train", "test")
    ]
    return pd.concat(parts, ignore_index=True)


def _hover(lines: pd.DataFrame, names: list[str], quantity: str, number_format: str) -> list[alt.Chart]:
    """A rule at the epoch under the pointer, whose tooltip reads the values of all runs there."""
    wide = lines.pivot_table(index="epoch", columns=["run", "split"], values="value")
    columns = [(name, split) for name in names for split in ("train", "test") if (name, split) in wide.columns]
    # Vega reads dots and brackets in a field's name as a path, and run names are other people's text.
    values = pd.DataFrame({f"v{number}": wide[column].to_numpy() for number, column in enumerate(columns)})
    values.insert(0, "epoch", wide.index.to_numpy())
    several = len(names) > 1
    tooltip = [alt.Tooltip("epoch:Q", format="d")] + [
        alt.Tooltip(f"v{number}:Q", title=f"{name} {split}" if several else f"{split} {quantity}", format=number_format)
        for number, (name, split) in enumerate(columns)
    ]
    nearest = alt.selection_point(
        name="epoch", fields=["epoch"], nearest=True, on="pointermove", empty=False, clear="pointerout"
    )
    rule = (
        alt.Chart(values)
        .mark_rule(color="gray")
        .encode(x="epoch:Q", opacity=alt.condition(nearest, alt.value(0.7), alt.value(0)), tooltip=tooltip)
    )
    return [rule.add_params(nearest)]


def confusion_matrix(cells: pd.DataFrame, class_names: tuple[str, ...], *, dark: bool = False) -> Chart:
    """cells: from `confusion_cells`; another selection changes only them. dark: whether the page's theme is.

    A click on a cell selects it under the name CELL_SELECTION with the fields `true` and `predicted`.
    """
    readable = len(class_names) <= READABLE_CLASSES
    base = alt.Chart(cells).encode(
        x=alt.X("predicted:N", title=None, scale=_band(class_names), axis=_axis(class_names, labelAngle=-90)),
        y=alt.Y("true:N", title=None, scale=_band(class_names), axis=_axis(class_names)),
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
    fill = base.mark_rect(cornerRadius=3 if readable else 0, color=MATRIX_HUE, cursor="pointer").encode(opacity=shade)
    outline = base.mark_rect(fillOpacity=0, stroke="#d1495b", strokeWidth=1.5, cornerRadius=3)
    layers = [fill.add_params(clicked), outline.transform_filter("datum.selected")]
    if readable:
        size = 11 if len(class_names) <= 12 else 8
        # Streamlit's theme colours axes but no text marks; both tones can still be read should the theme change later.
        for test, colour in (("<=", "#9aa4ad" if dark else "#5b646d"), (">", "white")):
            number = base.mark_text(fontSize=size, color=colour, cursor="pointer").encode(text="text:N")
            layers.append(number.transform_filter(f"datum.shade {test} 0.4"))
    return alt.layer(*layers).properties(**_BARE)


def _band(class_names: tuple[str, ...]) -> alt.Scale:
    padding = 0.1 if len(class_names) <= READABLE_CLASSES else 0.0
    return alt.Scale(domain=list(class_names), paddingInner=padding, paddingOuter=0)


def _axis(class_names: tuple[str, ...], **options: Any) -> alt.Axis:
    return alt.Axis(
        labels=len(class_names) <= 2 * READABLE_CLASSES,
        labelLimit=74,
        labelFontSize=10 if len(class_names) <= 15 else 8,
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
) -> pd.DataFrame:
    """confusion: int C×C, rows true, columns predicted; `label` and `predicted` say what is selected.

    Rows: true, predicted, images, share (percent of the true class), text, shade (0–1), selected.
    """
    classes = len(class_names)
    rows, columns = (axis.ravel() for axis in np.indices((classes, classes)))
    images = confusion.ravel()
    share = 100 * images / np.maximum(confusion.sum(axis=1), 1)[rows]
    keep = (rows != columns) if hide_diagonal else np.ones(len(rows), dtype=bool)
    if classes > READABLE_CLASSES:
        keep &= images > 0
    shown = (share if shares else images)[keep].astype(float)
    shade = shown / max(shown.max(initial=0), 1e-9)
    names = np.array(class_names, dtype=object)
    table = pd.DataFrame({"true": names[rows[keep]], "predicted": names[columns[keep]], "images": images[keep]})
    table["share"] = share[keep].round(2)
    table["text"] = [f"{value:.0f}" if number else "" for value, number in zip(shown, images[keep], strict=True)]
    table["shade"] = shade if hide_diagonal else np.sqrt(shade)  # beside the diagonal, mistakes are small numbers
    table["selected"] = (
        (label is not None or predicted is not None) & _is(table["true"], label) & _is(table["predicted"], predicted)
    )
    return table


def _is(column: pd.Series, wanted: str | None) -> np.ndarray:
    return np.ones(len(column), dtype=bool) if wanted is None else (column == wanted).to_numpy()
