"""Pictures as the files of a report: images and maps, as small as they look the same."""

import io

import numpy as np
from PIL import Image

from sightline.report.drawing.cells import Cell
from sightline.report.drawing.map_settings import MapSettings, colours_for
from sightline.report.drawing.paint import paint
from sightline.report.drawing.pictures import file_url

LOSSLESS_SIDE = 64  # pixels: larger images are WebP, at a quality where nobody sees a difference
_QUALITY = 90
_MAP_SIDES = 64, 224  # pixels of a smooth map, at least and at most: the browser enlarges it smoothly


def image_uri(pixels: np.ndarray) -> str:
    """Write an image, uint8 S×S×3, as an address that holds it: a PNG up to LOSSLESS_SIDE, else WebP, with losses."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if len(pixels) <= LOSSLESS_SIDE:
        return file_url(_encoded(picture, "PNG", optimize=True))
    return file_url(_encoded(picture, "WEBP", quality=_QUALITY, method=4), "image/webp")


def map_uri(cell: Cell, settings: MapSettings) -> str:
    """Paint a map in its 256 colours, as an address that holds it; "" of one that cannot be drawn."""
    if not cell.is_drawable or cell.values is None:
        return ""
    sign, cells = cell.row.sign, settings.cells
    side = int(np.clip(max(cell.values.shape), *_MAP_SIDES))
    size = None if cells == "true" else (side, side)
    colours = colours_for(sign, settings.colours)
    painted = paint(cell.values, sign=sign, cells=cells, colours=colours, largest=cell.largest, size=size)
    return file_url(_encoded(painted, "PNG", optimize=True))


def _encoded(picture: Image.Image, kind: str, **options: int | bool) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()
