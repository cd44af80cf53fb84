"""The pair of maps: what of a test image resembles a training image, and the other way round, each over its image."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from sightline.report.address.selection import Selection
from sightline.report.drawing.map_settings import colours_for
from sightline.report.drawing.paint import extremes, paint, strongest
from sightline.report.drawing.pictures import data_url
from sightline.run_store.thumbnails import THUMBNAIL_SIZE


@dataclass(frozen=True)
class Half:
    """One of the two maps, float32 h×w, over its image, uint8 H×W×3; plain texts."""

    title: str
    subtitle: str
    pixels: np.ndarray
    values: np.ndarray


def pair_html(halves: Sequence[Half], selection: Selection) -> str:
    """Lay out the maps side by side, on one scale, signed or positive as the address says."""
    largest = max(strongest(half.values, selection.sign) for half in halves)
    is_hard = all(max(half.pixels.shape) <= THUMBNAIL_SIZE for half in halves)
    classes = f"map-pair {selection.cells}{' hard' if is_hard else ''}"
    figures = "".join(_figure(half, selection, largest) for half in halves)
    return f'<div class="{classes}" style="--opacity:{selection.opacity / 100:g}">{figures}</div>'


def _figure(half: Half, selection: Selection, largest: float) -> str:
    said = extremes(half.values, selection.sign)
    words = escape("; ".join(filter(None, (f"{half.title}: {half.subtitle}", said))))
    subtitle = escape(half.subtitle)
    picture = f'<span role="img" aria-label="{words}">no map</span>'
    if np.isfinite(half.values).all():
        colours = colours_for(selection.sign, selection.colours)
        drawn = paint(half.values, sign=selection.sign, cells=selection.cells, colours=colours, largest=largest)
        picture = f'<img alt="{words}" src="{data_url(drawn)}">'
    return (
        f'<figure class="map" style="--input:url({data_url(half.pixels)})">'
        f'<b dir="auto">{escape(half.title)}</b><span title="{subtitle}">{subtitle}</span>'
        f'<div class="picture">{picture}</div><figcaption><span>{said}</span></figcaption></figure>'
    )
