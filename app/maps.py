"""Attribution maps as pictures: NumPy in, NumPy out, no Streamlit."""

import numpy as np
from PIL import Image

SIGNS = ("positive", "signed")
CELLS = ("smooth", "true")
COLOURS = {"positive": ("inferno", "viridis", "cividis"), "signed": ("RdBu_r", "PuOr_r", "BrBG")}  # matplotlib's names


def colours_for(sign: str, wanted: str | None) -> str:
    """`wanted` where it fits the sign, else the first that does: a signed map needs a scale with a middle."""
    return wanted if wanted in COLOURS[sign] else COLOURS[sign][0]


def overlay(
    image: np.ndarray, values: np.ndarray, *, sign: str, cells: str, colours: str, opacity: float
) -> np.ndarray:
    """The map in colours over its image: uint8 side×side×3.

    image: uint8 side×side×3. values: float h×w, signed, at the layer's own resolution. sign "positive" cuts at zero
    and colours 0 … maximum; "signed" colours −m … m with m the largest magnitude. cells "true" keeps the layer's
    cells as squares, "smooth" interpolates bicubically. opacity: of the map, 0–1. A map of zeros has one colour.
    """
    from matplotlib import colormaps

    resample = Image.Resampling.NEAREST if cells == "true" else Image.Resampling.BICUBIC
    enlarged = np.asarray(Image.fromarray(values.astype(np.float32)).resize(image.shape[1::-1], resample))
    largest = float(np.abs(values).max() if sign == "signed" else values.max())
    scaled = enlarged / largest if largest > 0 else np.zeros_like(enlarged)
    colour = colormaps[colours](scaled / 2 + 0.5 if sign == "signed" else scaled)[..., :3] * 255
    return np.rint((1 - opacity) * image + opacity * colour).astype(np.uint8)


def note(values: np.ndarray, sign: str) -> str:
    """What the picture cannot tell: the raw maximum (logits per cell), or why there is nothing to see."""
    if not np.isfinite(values).all():
        return "not finite: the model returned NaN or infinity here"
    if values.size == 1:
        return f"one cell: no place can stand out · value {values.item():.3g}"
    if not values.any():
        return "blank: zero everywhere"
    if sign == "positive" and values.max() <= 0:
        return "blank: all evidence is negative, look at the signed map"
    low = f"min {values.min():.3g} · " if sign == "signed" else ""
    return f"{low}max {values.max():.3g}"
