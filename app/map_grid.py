"""The grid of the Layers view: a row a class, a column a layer, each cell an overlay with its raw extremes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from app import loaders
from app.inspector import IMAGE_SIDE
from app.maps import colours_for, note, overlay
from app.state import CLASS_TARGET, Selection
from app.text import escape_markdown, percent
from app.thumbnails import enlarge, png
from run_store.predictions import Predictions
from run_store.run import Run


@dataclass(frozen=True)
class Row:
    """One explained logit, or the difference of two: `plus` and `minus` are class codes; texts are plain."""

    title: str
    subtitle: str
    plus: int
    minus: int | None = None


def rows_of_targets(predictions: Predictions, image: int, targets: Sequence[str]) -> list[Row]:
    """What the targets of `Selection` mean for this image."""
    names, p = predictions.class_names, predictions.probabilities[image].astype(float)
    label, predicted = (int(predictions.column(name)[image]) for name in ("label", "predicted"))

    def row(title: str, code: int) -> Row:
        return Row(title, f"{names[code]} {percent(p[code])}", code)

    meaning = {
        "predicted": row("Predicted", predicted),
        "true": row("True", label),
        "difference": Row("Difference", f"{names[predicted]} − {names[label]}", predicted, label),
    }
    meaning |= {CLASS_TARGET + name: row("Class", code) for code, name in enumerate(names)}
    return [meaning[target] for target in targets]


def draw_grid(run: Run, image: int, layers: tuple[str, ...], rows: Sequence[Row], selection: Selection) -> None:
    """Raises RunError where the model or the image cannot be read."""
    codes = tuple(sorted({code for row in rows for code in (row.plus, row.minus) if code is not None}))
    with st.spinner("Computing maps …", show_time=False):
        maps = loaders.class_maps(run, image, layers, codes)
    picture = enlarge(loaders.images(run)[image], IMAGE_SIDE // 2)
    widths = [92, *[150] * len(layers)]
    for column, layer in zip(st.columns(widths, gap="small")[1:], layers, strict=True):
        height, width = maps[layer].shape[1:]
        column.markdown(f"**{escape_markdown(layer)}** :gray[{height}×{width}]", text_alignment="center")
    for row in rows:
        title, *cells = st.columns(widths, gap="small", vertical_alignment="center")
        title.markdown(f"**{row.title}**  \n:gray[{escape_markdown(row.subtitle)}]")
        for cell, layer in zip(cells, layers, strict=True):
            values = maps[layer][codes.index(row.plus)]
            if row.minus is not None:  # Grad-CAM is linear in the logit, so maps may be subtracted like logits
                values = values - maps[layer][codes.index(row.minus)]
            with cell:
                _draw_map(
                    picture, values, f"{layer}, {row.title.lower()}: {row.subtitle}", selection, row.minus is not None
                )


def _draw_map(picture: np.ndarray, values: np.ndarray, name: str, selection: Selection, is_difference: bool) -> None:
    sign = "signed" if is_difference else selection.sign  # a difference without its negative half would be half a truth
    words = note(values, sign)
    if not words.startswith("not finite"):
        colours = colours_for(sign, selection.colours)
        drawn = overlay(
            picture, values, sign=sign, cells=selection.cells, colours=colours, opacity=selection.opacity / 100
        )
        st.image(png(drawn), width="stretch", output_format="PNG", alt=f"Grad-CAM at {name}; {words}")
    st.caption(words)
