"""Try a transform on images, and compare what it makes of them with what was read in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightline.image_data.preprocessing import Preprocessing
from sightline.image_data.resize import CROP
from sightline.image_data.square import square

_LEVELS = 0.3  # of 255, on average: resizing tensors, or in another order, differs by less on a smooth image


def is_processor(transform: object) -> bool:
    """Tell whether a transform is an image processor of transformers."""
    return hasattr(transform, "do_normalize") and hasattr(transform, "image_mean")


def difference(transform: Any, found: Preprocessing, unknown: str) -> str:
    """Try a transform on smooth images, wide and square; return the end of a sentence where it does something else."""
    doubt = ""
    for sides in ((480, 240), (300, 300)):
        probe = _probe(*sides)
        try:
            seen = transformed(transform, probe)
        except Exception:  # it may want tensors, or what only its data set gives
            return f"has a step {unknown}, which cannot be tried" if unknown or is_processor(transform) else ""
        if seen.ndim == 3 and seen.shape[1] != seen.shape[2] and sides[0] != sides[1]:
            continue  # images that are not square stay so: it must be for square ones
        doubt = doubt or _disagreement(seen, expected(probe, found))
    return doubt


def _disagreement(seen: NDArray[np.float32], ours: NDArray[np.float32]) -> str:
    if seen.shape != ours.shape:
        return f"makes {'×'.join(map(str, seen.shape))} values of an image, not {'×'.join(map(str, ours.shape))}"
    half_a_pixel = 32 / ours.shape[-1]  # levels
    return "" if deviation(seen, ours) <= _LEVELS + half_a_pixel else "does more than to resize, cut and normalise"


def deviation(seen: NDArray[Any], ours: NDArray[Any]) -> float:
    """Return by how many levels of 255 two images differ on average, the range of `ours` being all of them."""
    return float(np.abs(seen - ours).mean() / (np.ptp(ours) / 255 or 1 / 255))


def _probe(width: int, height: int) -> Image.Image:
    """Return an image that is brighter to the right in red, downwards in green, and along the diagonal in blue."""
    across = np.broadcast_to(np.linspace(0, 255, width), (height, width))
    down = np.broadcast_to(np.linspace(0, 255, height)[:, None], (height, width))
    return Image.fromarray(np.stack([across, down, (across + down) / 2], axis=2).astype(np.uint8))


def transformed(transform: Callable[..., Any], image: Image.Image) -> NDArray[np.float32]:
    """Return what a transform, or a processor of transformers, makes of an image: float32 3×H×W as a rule."""
    if is_processor(transform):
        return np.asarray(transform(image, return_tensors="np")["pixel_values"][0], dtype=np.float32)
    seen = transform(image)
    values = np.asarray(seen, dtype=np.float32)
    return np.moveaxis(values, -1, 0) if isinstance(seen, Image.Image) and values.ndim == 3 else values


def expected(image: Image.Image, found: Preprocessing) -> NDArray[np.float32]:
    """Return what a model sees of an image, float32 3×S×S, by what was found."""
    pixels = np.asarray(square(image, found.size, found.resize or CROP) if found.size else image, dtype=np.float32)
    if found.mean is not None and found.std is not None:
        mean, std = np.array([found.mean, found.std], dtype=np.float32)
        pixels = (pixels / np.float32(255) - mean) / std
    return np.moveaxis(pixels, -1, 0)
