"""How much of a map lies on the object, a tag or a decoy, where masks say where these are. No Streamlit here."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from PIL import Image

from sightline.image_data.splits import DECOY, OBJECT, TAG
from sightline.report.drawing.cells import Cells

BITS = {"object": OBJECT, "tag": TAG, "decoy": DECOY}  # of a mask


def with_shares(cells: Cells, mask: np.ndarray) -> Cells:
    """Return the cells with what lies in the image and how much of each map is on it: NaN of one that is not there.

    mask: uint8 H×W, of BITS.
    """
    places = {name: mask & bit != 0 for name, bit in BITS.items()}
    there = {name: place for name, place in places.items() if place.any()}
    unknown = tuple((name, math.nan) for name in there)
    return [
        [replace(cell, shares=unknown if cell.values is None else shares_on(cell.values, there)) for cell in row]
        for row in cells
    ]


def shares_on(values: np.ndarray, places: Mapping[str, np.ndarray]) -> tuple[tuple[str, float], ...]:
    """Return what share of a map's positive values lies inside each place, 0–1; nothing of a map without any.

    values: float h×w, signed, enlarged bicubically as it is drawn. places: bool H×W. The same is measured on
    many images as `object_share` in Trust.
    """
    if not np.isfinite(values).all():
        return ()
    size = next((place.shape for place in places.values()), (1, 1))
    enlarged = Image.fromarray(values.astype(np.float32)).resize(size[::-1], Image.Resampling.BICUBIC)
    positive = np.asarray(enlarged, float).clip(min=0)
    total = positive.sum()
    return tuple((name, float((positive * place).sum() / total)) for name, place in places.items()) if total else ()
