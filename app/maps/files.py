"""What the Layers view lets people take away: the grid as one picture, and the numbers behind it. No Streamlit."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sightline.app.elements.subject import Subject
from sightline.app.elements.thumbnails import png
from sightline.app.maps.cells import Cell, Cells, Row
from sightline.app.maps.paint import overlay
from sightline.app.maps.settings import MapSettings, colours_for
from sightline.explain.attribution.methods import METHODS
from sightline.run_store.files import safe_name

_SIDE = 256  # pixels of a map
_GAP = 16
_MARGIN = 32
_TITLE = 92  # height of the title, with the input beside it
_HEAD = 36  # height of the layers' names
_FOOT = 34  # height of the words under a map
_LABEL = 240  # width of the rows' names
_INK, _SOFT = (28, 31, 35), (98, 102, 108)
_FOUND = (156, 74, 16)


@dataclass(frozen=True)
class _Style:
    """How text is written; size in pixels."""

    size: int
    colour: tuple[int, int, int] = _INK
    bold: bool = False


def grid_png(cells: Cells, subject: Subject, settings: MapSettings, run_name: str) -> bytes:
    """Draw the grid as shown, on white, with titles, raw extremes and findings. cells: see `make_cells`."""
    rows, columns = len(cells), len(settings.layers)
    width = 2 * _MARGIN + _LABEL + columns * (_SIDE + _GAP) - _GAP
    height = 2 * _MARGIN + _TITLE + _HEAD + rows * (_SIDE + _FOOT)
    sheet = Image.new("RGB", (max(width, 640), height), "white")
    draw = ImageDraw.Draw(sheet)
    _draw_title(sheet, draw, subject, settings, run_name)
    for place, layer in enumerate(settings.layers):
        values, support = cells[0][place].values, cells[0][place].support
        size = "" if values is None else f" {values.shape[0]}×{values.shape[1]}"
        said = f" · {support.name}" if support else ""
        _write(draw, (_left(place), _MARGIN + _TITLE), layer + size + said, _Style(17, bold=True), _SIDE)
    for number, row in enumerate(cells):
        top = _MARGIN + _TITLE + _HEAD + number * (_SIDE + _FOOT)
        _draw_row_title(draw, row[0].row, top)
        for place, cell in enumerate(row):
            _draw_cell(sheet, draw, cell, subject.pixels, settings, (_left(place), top))
    return png(sheet)


def maps_npz(cells: Cells, subject: Subject, settings: MapSettings, run_name: str) -> bytes:
    """Write every shown map as it was computed: `<layer>/<row>` → float32 h×w, signed, not cut and not scaled.

    A row is `predicted`, `true`, `runner-up`, `difference` or `class-<code>`. Beside them: `run`, `method`, `image`
    (its index in the test split; −1 for an upload), `title`, `classes` (names), `probabilities` and `predicted` (code).
    """
    arrays = {
        f"{cell.layer}/{cell.row.key}": cell.values.astype(np.float32)
        for row in cells
        for cell in row
        if cell.values is not None
    }
    facts = {
        "run": np.array(run_name),
        "method": np.array(settings.method),
        "image": np.array(-1 if subject.image is None else subject.image),
        "title": np.array(subject.title),
        "classes": np.array(subject.class_names),
        "probabilities": subject.probabilities,
        "predicted": np.array(subject.predicted),
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **(arrays | facts))
    return stream.getvalue()


def file_name(run_name: str, subject: Subject, method: str, ending: str) -> str:
    """Name a file after what is in it."""
    return safe_name(run_name, subject.title, method) + ending


def _left(place: int) -> int:
    return _MARGIN + _LABEL + place * (_SIDE + _GAP)


def _draw_title(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, subject: Subject, settings: MapSettings, run_name: str
) -> None:
    side = _TITLE - 20
    sheet.paste(Image.fromarray(subject.pixels).resize((side, side), Image.Resampling.NEAREST), (_MARGIN, _MARGIN))
    left, width = _MARGIN + side + _GAP, sheet.width - 2 * _MARGIN - side - _GAP
    scale = {"own": "each map on its own scale", "row": "one scale a row"}[settings.scale]
    words = f"{METHODS[settings.method].title} · {settings.sign} · {scale} · opacity {settings.opacity} %"
    _write(draw, (left, _MARGIN), f"{run_name} · {subject.title}", _Style(20, bold=True), width)
    _write(draw, (left, _MARGIN + 28), subject.outcome, _Style(16), width)
    _write(draw, (left, _MARGIN + 52), words, _Style(14, _SOFT), width)


def _draw_row_title(draw: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    middle = top + _SIDE // 2
    _write(draw, (_MARGIN, middle - 24), row.title, _Style(18, bold=True), _LABEL - _GAP)
    _write(draw, (_MARGIN, middle + 2), row.subtitle, _Style(15, _SOFT), _LABEL - _GAP)


def _draw_cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    cell: Cell,
    pixels: np.ndarray,
    settings: MapSettings,
    corner: tuple[int, int],
) -> None:
    image = np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.NEAREST))
    if cell.is_drawable and cell.values is not None:
        image = overlay(
            image,
            cell.values,
            sign=cell.row.sign,
            cells=settings.cells,
            colours=colours_for(cell.row.sign, settings.colours),
            opacity=settings.opacity / 100,
            largest=cell.largest,
        )
    sheet.paste(Image.fromarray(image), corner)
    left, below = corner[0], corner[1] + _SIDE + 6
    name = cell.finding.name if cell.finding else ""
    style = _Style(14, _FOUND, bold=True)
    width = draw.textlength(name, _font(style))
    _write(draw, (int(left + _SIDE - width), below), name, style, _SIDE)
    _write(draw, (left, below), cell.extremes, _Style(14, _SOFT), int(_SIDE - width - 8))


def _write(draw: ImageDraw.ImageDraw, corner: tuple[int, int], text: str, style: _Style, width: int) -> None:
    """Write one line, cut where it would be wider than `width`."""
    font = _font(style)
    line = " ".join(text.split())
    if draw.textlength(line, font) > width:
        while line and draw.textlength(line + "…", font) > width:
            line = line[:-1]
        line += "…"
    draw.text(corner, line, fill=style.colour, font=font)


def _font(style: _Style) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans, which matplotlib brings along: it knows nearly every alphabet."""
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if style.bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", name), style.size)
