"""Masks that say where on an image the object, a tag or a decoy is, cut and resized as the image is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightline.image_data.resize import CROP, Resize
from sightline.image_data.splits import DECOY, OBJECT, TAG, DataError
from sightline.image_data.square import square

_BITS = OBJECT | TAG | DECOY


def mask_of(values: NDArray[Any], size: int, resize: Resize = CROP) -> NDArray[np.uint8]:
    """Return a mask as uint8 S×S: bit 1 object, 2 tag, 4 decoy.

    values: H×W, H×W×1 or H×W×C, of which the brightest channel counts. With none above 7 they are these bits; else
    there may be two, 0 and another one, which is object.
    Raises DataError, without whose mask it is.

    >>> mask_of(np.array([[0, 255], [255, 0]], np.uint8), 2).tolist(), mask_of(np.array([[0, 1], [2, 7]]), 2).tolist()
    ([[0, 1], [1, 0]], [[0, 1], [2, 7]])
    """
    values = np.asarray(values)
    if values.ndim == 3:
        values = values.max(axis=2)
    if values.ndim != 2 or values.dtype.kind not in "buif":
        raise DataError(f"its mask is {'×'.join(map(str, values.shape))} of {values.dtype}; a mask is H×W")
    found = np.unique(values)
    if set(found.tolist()) <= set(range(_BITS + 1)):
        bits = values.astype(np.uint8)
    elif found.size <= 2 and np.isfinite(found).all() and 0 in (found.size - 1, found[0]):
        bits = (values != 0).astype(np.uint8) * np.uint8(OBJECT)
    else:
        some = ", ".join(f"{value:g}" for value in found[:5])
        raise DataError(
            f"its mask has the values {some}{' and more' if found.size > 5 else ''}: a mask has 0 and one other value, "
            f"or the bits {OBJECT} for the object, {TAG} for a tag and {DECOY} for a decoy"
        )
    return np.asarray(square(Image.fromarray(bits), size, resize, is_mask=True))


def has_the_shape(mask: tuple[int, int], image: tuple[int, int]) -> bool:
    """Tell whether a mask, width and height, has the proportions of its image: it may be smaller."""
    return abs(mask[0] * image[1] - mask[1] * image[0]) <= 0.02 * mask[0] * image[1]
