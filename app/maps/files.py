"""What the Layers view lets people take away: the grid as one picture, and the numbers behind it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sightline.explain.attribution.methods import METHODS
from sightline.report.drawing.cells import Cell, Cells, Row, Whose
from sightline.report.drawing.map_settings import SCALE_WORDS, MapSettings, colours_for
from sightline.report.drawing.paint import overlay
from sightline.report.drawing.pictures import png
from sightline.report.drawing.sides import Side
from sightline.report.drawing.subject import Subject
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


def grid_png(cells: Cells, sides: Sequence[Side]) -> bytes:
    """Draw the grid as shown, on white, with titles, raw extremes and findings. cells: of these sides, at least one."""
    side = sides[0]
    settings = side.settings
    rows, columns = len(cells), len(settings.layers)
    width = 2 * _MARGIN + _LABEL + columns * (_SIDE + _GAP) - _GAP
    height = 2 * _MARGIN + _TITLE + _HEAD + rows * (_SIDE + _FOOT)
    sheet = Image.new("RGB", (max(width, 640), height), "white")
    draw = ImageDraw.Draw(sheet)
    _draw_title(sheet, draw, sides)
    drawn = next((row for row in cells if not row[0].row.reason), [])
    for place, (layer, cell) in enumerate(zip(settings.layers, drawn, strict=False)):
        size = "" if cell.values is None else f" {cell.values.shape[0]}×{cell.values.shape[1]}"
        said = f" · {cell.support.name}" if cell.support and len(sides) == 1 else ""
        _write(draw, (_left(place), _MARGIN + _TITLE), layer + size + said, _Style(17, bold=True), _SIDE)
    for number, row in enumerate(cells):
        top = _MARGIN + _TITLE + _HEAD + number * (_SIDE + _FOOT)
        _draw_row_title(draw, row[0].row, top)
        if row[0].row.reason:
            _write(draw, (_left(0), top + _SIDE // 2), row[0].row.reason, _Style(15, _SOFT), sheet.width - _left(0))
            continue
        for place, cell in enumerate(row):
            _draw_cell(sheet, draw, cell, side.subject.pixels, settings, (_left(place), top))
    return png(sheet)


def maps_npz(cells: Cells, sides: Sequence[Side]) -> bytes:
    """Write every shown map as it was computed: `<layer>/<row>` → float32 h×w, signed, not cut and not scaled.

    A row is `predicted`, `true`, `runner-up`, `difference` or `class-<code>`. Beside them: `run`, `method`, `image`
    (its index in the test split; −1 for an upload), `title`, `classes` (names), `probabilities` and `predicted` (code).
    Of a second run all names begin with `beside/`.
    """
    arrays = {
        _prefix(cell.row.whose) + f"{cell.layer}/{cell.row.key}": cell.values.astype(np.float32)
        for row in cells
        for cell in row
        if cell.values is not None
    }
    for side in sides:
        facts = {
            "run": np.array(side.name),
            "method": np.array(side.settings.method),
            "image": np.array(-1 if side.subject.image is None else side.subject.image),
            "title": np.array(side.subject.title),
            "classes": np.array(side.subject.class_names),
            "probabilities": side.subject.probabilities,
            "predicted": np.array(side.subject.predicted),
        }
        if not side.reason:
            arrays |= {_prefix(side.whose) + key: value for key, value in facts.items()}
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _prefix(whose: Whose | None) -> str:
    return "beside/" if whose and whose.is_second else ""


def file_name(run_name: str, subject: Subject, method: str, ending: str) -> str:
    """Name a file after what is in it."""
    return safe_name(run_name, subject.title, method) + ending


def _left(place: int) -> int:
    return _MARGIN + _LABEL + place * (_SIDE + _GAP)


def _draw_title(sheet: Image.Image, draw: ImageDraw.ImageDraw, sides: Sequence[Side]) -> None:
    subject, settings, side = sides[0].subject, sides[0].settings, _TITLE - 20
    sheet.paste(Image.fromarray(subject.pixels).resize((side, side), Image.Resampling.NEAREST), (_MARGIN, _MARGIN))
    left, width = _MARGIN + side + _GAP, sheet.width - 2 * _MARGIN - side - _GAP
    names = " | ".join(one.name for one in sides)
    scale = SCALE_WORDS[settings.scale]
    words = f"{METHODS[settings.method].title} · {settings.sign} · {scale} · opacity {settings.opacity} %"
    _write(draw, (left, _MARGIN), f"{names} · {subject.title}", _Style(20, bold=True), width)
    _write(draw, (left, _MARGIN + 28), subject.outcome, _Style(16), width)
    _write(draw, (left, _MARGIN + 52), words, _Style(14, _SOFT), width)


def _draw_row_title(draw: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    middle = top + _SIDE // 2
    if row.whose:
        draw.ellipse((_MARGIN, middle - 42, _MARGIN + 10, middle - 32), fill=row.whose.colour)
        _write(draw, (_MARGIN + 16, middle - 46), row.whose.title, _Style(15), _LABEL - _GAP - 16)
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
