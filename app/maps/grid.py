"""A grid of maps as one element of HTML: a row a class, a column a layer; and all classes side by side.

The input is sent once and lies under every map; each map is a picture of its own in 256 colours, and its opacity is
a matter of style. So a page of maps weighs little.
"""

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from sightline.app.elements.thumbnails import data_url
from sightline.app.maps.cells import Cell, Cells, Row
from sightline.app.maps.paint import paint
from sightline.app.maps.settings import MapSettings, colours_for
from sightline.app.maps.support import support_html
from sightline.explain.attribution.methods import METHODS
from sightline.run_store.thumbnails import THUMBNAIL_SIZE


def grid_html(cells: Cells, pixels: np.ndarray, settings: MapSettings, heads: Sequence[str] | None = None) -> str:
    """Lay out rows of maps over their input.

    cells: at least one row, of as many cells as there are `heads`, by default the layers. pixels: the input, uint8
    H×W×3. The rows of a single column stand side by side: one column would leave most of a wide page empty. Whether
    its maps are supported stands beside the title of a column; where that differs, as between two runs, beside each.
    """
    heads = settings.layers if heads is None else heads
    head = "".join(_layer_title(layer, [row[place] for row in cells]) for place, layer in enumerate(heads))
    if len(heads) == 1:
        differs = len({cell.support for (cell,) in cells}) > 1
        figures = "".join(_figure(cell, settings, is_titled=True, is_marked=differs) for (cell,) in cells)
        return _frame("map-grid single", f"--columns:{len(cells)};", pixels, settings, head + figures)
    body = "".join(_row_title(row[0].row) + "".join(_figure(cell, settings) for cell in row) for row in cells)
    return _frame("map-grid", f"--columns:{len(heads)};", pixels, settings, f"<div></div>{head}{body}")


def classes_html(cells: Cells, pixels: np.ndarray, settings: MapSettings) -> str:
    """Lay out the maps of many classes at one layer: every row has one cell."""
    figures = "".join(_figure(cell, settings, is_titled=True) for (cell,) in cells)
    return _frame("map-classes", "", pixels, settings, figures)


def _frame(kind: str, style: str, pixels: np.ndarray, settings: MapSettings, content: str) -> str:
    classes = f"{kind} {settings.cells}{' hard' if max(pixels.shape) <= THUMBNAIL_SIZE else ''}"
    style += f"--opacity:{settings.opacity / 100:g};--input:url({data_url(pixels)})"
    return f'<div class="{classes}" style="{style}">{content}</div>'


def _layer_title(layer: str, cells: Sequence[Cell]) -> str:
    sizes = [f"{cell.values.shape[0]}×{cell.values.shape[1]}" for cell in cells if cell.values is not None]
    size = f"<span>{sizes[0]}</span>" if sizes else ""
    support, *others = {cell.support for cell in cells}
    mark = support_html(support) if support and not others else ""
    return f'<div class="layer"><b title="{escape(layer)}">{escape(layer)}</b> {size} {mark}</div>'


def _row_title(row: Row) -> str:
    return f'<div class="target"><b>{escape(row.title)}</b>{_subtitle(row)}</div>'


def _subtitle(row: Row) -> str:
    words = escape(row.subtitle)
    return f'<span dir="auto" title="{words}">{words}</span>'


def _figure(cell: Cell, settings: MapSettings, is_titled: bool = False, is_marked: bool = False) -> str:
    heading = f'<b dir="auto">{escape(cell.row.title)}</b>{_subtitle(cell.row)}' if is_titled else ""
    heading += support_html(cell.support) if is_marked and cell.support else ""
    found = cell.finding.name if cell.finding else "no map" if cell.values is None else ""
    title = METHODS[settings.method].title
    words = "; ".join(filter(None, (f"{title} at {cell.layer}, {cell.row.name}", cell.extremes, found)))
    if cell.is_drawable and cell.values is not None:
        source = data_url(_painted(cell.values, cell, settings))
        picture = f'<img alt="{escape(words)}" src="{source}">'
    else:
        picture = f'<span role="img" aria-label="{escape(words)}">{"no map" if cell.values is None else ""}</span>'
    caption = f"<span>{cell.extremes}</span>{_badge(cell)}"
    return (
        f'<figure class="map">{heading}<div class="picture">{picture}</div><figcaption>{caption}</figcaption></figure>'
    )


def _badge(cell: Cell) -> str:
    """Write the finding; its reason is shown while mouse or keyboard is on the word, and is always read out with it."""
    if cell.finding is None:
        return ""
    name, kind = escape(cell.finding.name), cell.finding.name.replace(" ", "-")
    words = escape(f"{cell.finding.reason} {cell.finding.advice}")
    return f'<span class="finding {kind}" tabindex="0">{name}<span class="reason"> {words}</span></span>'


def _painted(values: np.ndarray, cell: Cell, settings: MapSettings) -> Image.Image:
    colours = colours_for(cell.row.sign, settings.colours)
    return paint(values, sign=cell.row.sign, cells=settings.cells, colours=colours, largest=cell.largest)
