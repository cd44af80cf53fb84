"""Attribution maps as pictures: NumPy in, pictures and words out, no Streamlit."""

import numpy as np
from PIL import Image

_SMOOTH_SIDE = 160  # pixels a smooth map has at least: the browser stretches it a little further


def strongest(values: np.ndarray, sign: str) -> float:
    """Return the value with the strongest colour: of a signed map the largest magnitude. 0: there is nothing to see."""
    if not np.isfinite(values).all():
        return 0.0
    return float(np.abs(values).max() if sign == "signed" else max(values.max(), 0))


def paint(
    values: np.ndarray, *, sign: str, cells: str, colours: str, largest: float, size: tuple[int, int] | None = None
) -> Image.Image:
    """Paint the map, with a palette of 256 colours.

    values: float h×w, signed, finite, at the layer's own resolution. sign "positive" cuts at zero and colours
    0 … `largest`; "signed" colours −`largest` … `largest`; with `largest` 0 all is one colour. cells "true" keeps the
    layer's cells as squares, "smooth" interpolates bicubically. size: width and height in pixels; by default what a
    browser needs to enlarge it: the cells alone, or a smooth picture.
    """
    from matplotlib import colormaps

    height, width = values.shape
    if size is None:
        size = (width, height) if cells == "true" else (max(width, _SMOOTH_SIDE), max(height, _SMOOTH_SIDE))
    resample = Image.Resampling.NEAREST if cells == "true" else Image.Resampling.BICUBIC
    enlarged = np.asarray(Image.fromarray(values.astype(np.float32)).resize(size, resample))
    scaled = enlarged / largest if largest > 0 else np.zeros_like(enlarged)
    shares = scaled / 2 + 0.5 if sign == "signed" else scaled
    drawn = Image.fromarray(np.clip(shares * 256, 0, 255).astype(np.uint8))
    drawn.putpalette(np.rint(255 * colormaps[colours](np.arange(256))[:, :3]).astype(np.uint8).tobytes())
    return drawn


def overlay(
    image: np.ndarray,
    values: np.ndarray,
    *,
    sign: str,
    cells: str,
    colours: str,
    opacity: float,
    largest: float | None = None,
) -> np.ndarray:
    """Paint the map over its image: uint8 height×width×3, as the image.

    `paint` explains the rest. opacity: of the map, 0–1. largest: by default the map's own.
    """
    largest = strongest(values, sign) if largest is None else largest
    size = (image.shape[1], image.shape[0])
    drawn = paint(values, sign=sign, cells=cells, colours=colours, largest=largest, size=size)
    return np.rint((1 - opacity) * image + opacity * np.asarray(drawn.convert("RGB"))).astype(np.uint8)


def extremes(values: np.ndarray, sign: str) -> str:
    """Write the raw maximum, of a signed map also the minimum, in logits (a cell); empty where they are no numbers."""
    if not np.isfinite(values).all():
        return ""
    high = in_digits(values.max())
    return f"{in_digits(values.min())} to {high}" if sign == "signed" else f"max {high}"


def in_digits(value: float) -> str:
    """Write a value of a map with three digits."""
    return f"{value:.3g}".replace("-", "−")
