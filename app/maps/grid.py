"""A grid of maps as one element of HTML: a row a class, a column a layer; and all classes side by side.

The input is sent once and lies under every map; each map is a picture of its own in 256 colours, and its opacity is
a matter of style. So a page of maps weighs little. A map is a button, which `large` opens; of each row the Tab key
reaches the first one, and the arrow keys the others. On a phone a row is a carousel below its head.
"""

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from sightline.app.elements.run_label import dot_html
from sightline.report.drawing.cells import Cell, Cells, Row, described
from sightline.report.drawing.map_settings import MapSettings, colours_for
from sightline.report.drawing.paint import in_digits, paint
from sightline.report.drawing.pictures import data_url
from sightline.report.words.support import support_html
from sightline.report.words.text import percent
from sightline.run_store.thumbnails import THUMBNAIL_SIZE

MOST_ABREAST = 4  # maps of two runs at a single layer


def grid_html(
    cells: Cells,
    pixels: np.ndarray,
    settings: MapSettings,
    heads: Sequence[str] | None = None,
    *,
    pending: bool = False,
) -> str:
    """Lay out rows of maps over their input.

    cells: at least one row, of as many cells as there are `heads`, by default the layers; or of one, whose row says why
    there are none. pixels: the input, uint8 H×W×3. The rows of a single column stand side by side: one column would
    leave most of a wide page empty. Whether its maps are supported stands beside the title of a column; where that
    differs, as between two runs, below each. pending: what is missing is being computed.
    """
    heads = settings.layers if heads is None else heads
    columns = [[row[place] for row in cells if not row[0].row.reason] for place in range(len(heads))]
    marked = [len({cell.support for cell in column if cell.support}) > 1 for column in columns]
    head = [_layer_title(layer, column, settings.scale) for layer, column in zip(heads, columns, strict=True)]
    kind = "map-grid pending" if pending else "map-grid"
    if len(heads) == 1:
        figures = [
            _reason(row[0].row) if row[0].row.reason else _figure(row[0], settings, is_titled=True, is_marked=marked[0])
            for row in cells
        ]
        abreast = min(len(figures), MOST_ABREAST) if cells[0][0].row.whose else len(figures)
        content = f'<div class="row">{head[0]}<div class="maps">{_reachable(figures)}</div></div>'
        return _frame(f"{kind} single", f"--columns:{abreast};", pixels, settings, content)
    rows = [f'<div class="row heads"><div></div>{"".join(head)}</div>']
    for row in cells:
        if row[0].row.reason:
            rows.append(f'<div class="row">{_row_title(row, settings.scale)}{_reason(row[0].row)}</div>')
            continue
        figures = [
            _figure(cell, settings, is_marked=is_marked, column=layer)
            for cell, is_marked, layer in zip(row, marked, heads, strict=True)
        ]
        maps = f'<div class="maps">{_reachable(figures)}</div>'
        rows.append(f'<div class="row">{_row_title(row, settings.scale)}{maps}</div>')
    return _frame(kind, f"--columns:{len(heads)};", pixels, settings, "".join(rows))


def classes_html(cells: Cells, pixels: np.ndarray, settings: MapSettings) -> str:
    """Lay out the maps of many classes at one layer: every row has one cell."""
    figures = _reachable([_figure(cell, settings, is_titled=True) for (cell,) in cells])
    return _frame("map-classes", "", pixels, settings, f'<div class="maps">{figures}</div>')


def _frame(kind: str, style: str, pixels: np.ndarray, settings: MapSettings, content: str) -> str:
    classes = f"{kind} {settings.cells}{' hard' if max(pixels.shape) <= THUMBNAIL_SIZE else ''}"
    style += f"--opacity:{settings.opacity / 100:g};--input:url({data_url(pixels)})"
    return f'<div class="{classes}" style="{style}">{content}</div>'


def _reachable(figures: Sequence[str]) -> str:
    """Join the maps of a row, the first of which the Tab key reaches."""
    return "".join(figures).replace('tabindex="-1"', 'tabindex="0"', 1)


def _layer_title(layer: str, cells: Sequence[Cell], scale: str) -> str:
    sizes = [_size(cell) for cell in cells if cell.values is not None and cell.layer == layer]
    size = f"<span>{sizes[0]}</span>" if sizes else ""
    supports = {cell.support for cell in cells if cell.support}
    mark = support_html(supports.pop()) if len(supports) == 1 else ""
    shared = _scale(cells) if scale == "layer" else ""
    return f'<div class="layer"><b title="{escape(layer)}">{escape(layer)}</b> {size} {mark}{shared}</div>'


def _size(cell: Cell) -> str:
    return "" if cell.values is None else f"{cell.values.shape[0]}×{cell.values.shape[1]}"


def _scale(cells: Sequence[Cell]) -> str:
    """Say what the strongest colour stands for, where maps share it."""
    largest = max((cell.largest for cell in cells), default=0)
    return f'<span class="scale">up to {in_digits(largest)}</span>' if largest else ""


def _row_title(row: Sequence[Cell], scale: str) -> str:
    return f'<div class="target">{_title(row[0].row)}{_scale(row) if scale == "row" else ""}</div>'


def _title(row: Row) -> str:
    words = escape(row.subtitle)
    heading = f'<b dir="auto">{escape(row.title)}</b>' if row.title else ""
    run = row.whose and f'<span class="whose" dir="auto">{dot_html(row.whose.colour)}{escape(row.whose.title)}</span>'
    return f'{heading}{run or ""}<span dir="auto" title="{words}">{words}</span>'


def _reason(row: Row) -> str:
    return f'<p class="why">{escape(row.reason)}</p>'


def _figure(
    cell: Cell, settings: MapSettings, *, is_titled: bool = False, is_marked: bool = False, column: str | None = None
) -> str:
    """Draw a map. column: at the head of it stands this layer; of a phone each map says its own, anyway."""
    heading = _title(cell.row) if is_titled else ""
    if column is not None and cell.layer:
        own = "at own" if cell.layer != column else "at"
        heading = f'<span class="{own}">{escape(cell.layer)} {_size(cell)}</span>'
    words = escape(described(cell, settings.method))
    if cell.is_drawable and cell.values is not None:
        source = data_url(_painted(cell.values, cell, settings))
        picture = f'<button type="button" class="picture" tabindex="-1"><img alt="{words}" src="{source}"></button>'
    else:
        said = cell.missing if cell.values is None else ""
        picture = f'<div class="picture"><span role="img" aria-label="{words}">{said}</span></div>'
    mark = support_html(cell.support) if is_marked and cell.support else ""
    caption = f"<span>{cell.extremes}</span>{mark}{_badge(cell)}{_shares(cell)}"
    return f'<figure class="map">{heading}{picture}<figcaption>{caption}</figcaption></figure>'


def _shares(cell: Cell) -> str:
    """Draw how much of the map is on the object, a tag and a decoy: a bar of parts, and the figures below it.

    Of a map that is not there (yet) nothing is seen, but the place is kept.
    """
    if not cell.shares:
        return ""
    kind = "shares unknown" if cell.values is None else "shares"
    parts = "".join(f'<i class="{name}" style="width:{100 * share:.1f}%"></i>' for name, share in cell.shares if share)
    figures = "".join(
        f'<span><i class="{name}"></i>{name} <b>{percent(share, 0)}</b></span>' for name, share in cell.shares
    )
    words = "How much of what the map calls positive lies there"
    return f'<div class="{kind}" title="{words}"><div class="parts" aria-hidden="true">{parts}</div>{figures}</div>'


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
