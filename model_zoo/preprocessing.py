"""Say how a model made elsewhere was shown its images, in the fields of a `ModelSpec`."""

from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 512, 256  # pixels, of the images that a processor is tried on: crop and squash differ on them
EQUAL = 0.02  # up to here two shares are the same
# What Pillow calls by number, and timm by name; and what is nearest to it.
_RESAMPLING = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
_NEAREST = {"lanczos": "bicubic", "box": "bilinear", "hamming": "bilinear", "nearest": "bilinear"}


def shown(
    mean: tuple[float, ...], std: tuple[float, ...], rule: str, share: float, interpolation: object
) -> dict[str, Any]:
    """Return the fields of a ModelSpec, with a note on each thing that Sightline does otherwise.

    rule: crop, squash, or another that is not known here. share: of the shorter side, or of both if they are squashed.
    """
    notes = []
    if rule not in ("crop", "squash"):
        notes.append(f"Its images were brought to size in a way that is not known here ({rule}); they are cropped.")
        rule, share = "crop", 1.0
    if isinstance(interpolation, int) and 0 <= interpolation < len(_RESAMPLING):
        interpolation = _RESAMPLING[interpolation]
    if interpolation not in ("bilinear", "bicubic"):
        nearest = _NEAREST.get(str(interpolation), "bicubic")
        notes.append(f"Its images were resized with {interpolation} interpolation; here they are with {nearest}.")
        interpolation = nearest
    return {
        "mean": _thrice(mean),
        "std": _thrice(std),
        "resize_rule": rule,
        "crop_share": share,
        "interpolation": interpolation,
        "notes": tuple(notes),
    }


def _thrice(values: tuple[float, ...]) -> tuple[float, ...]:
    """Return a value for each of red, green and blue, also of a network for grey images."""
    return tuple(map(float, values * 3 if len(values) == 1 else values))


def try_processor(processor: Any) -> tuple[int, bool, dict[str, Any]]:
    """Find what an image processor of transformers does by giving it images: its settings differ from one to the next.

    Returns the side of what it makes, in pixels; whether it swaps red and blue; and the fields of `shown`, mean and std
    in the order red, green, blue. Raises many kinds of Exception for one that takes no image, or makes no squares.
    """
    mode = _mode(processor)
    black, white, red = (_middle(_process(processor, _uniform(colour), mode)) for colour in ("black", "white", "red"))
    swaps = len(black) == 3 and bool(abs(red - black)[0] < abs(red - black)[2])
    std = 1 / (white - black)
    mean = 0.0 - black * std
    x, y = np.meshgrid(np.linspace(0, 254, WIDTH), np.linspace(0, 254, HEIGHT))
    random = np.random.default_rng(0)
    dithered = [Image.fromarray((ramp + random.random(x.shape)).astype(np.uint8)) for ramp in (x, y)]
    ramps = [_process(processor, ramp, mode)[0] * std[0] + mean[0] for ramp in dithered]
    side = len(ramps[0])
    if side != ramps[0].shape[1]:
        raise ValueError(f"it makes images of {ramps[0].shape[1]}×{side} pixels, which are not square")
    rule, share = _rule(_seen(ramps[0].mean(0), WIDTH), _seen(ramps[1].mean(1), HEIGHT))
    if not getattr(processor, "do_resize", True):
        rule = "cut out, not resized"
    share = min(1.0, side / round(side / share))  # of whole pixels
    order = slice(None, None, -1 if swaps else 1)
    mean, std = mean.round(7)[order], std.round(7)[order]
    return side, swaps, shown(tuple(mean), tuple(std), rule, share, getattr(processor, "resample", None))


def _mode(processor: Any) -> str:
    """Return the kind of image, of Pillow's, that it takes: grey where it takes no colours."""
    try:
        _process(processor, _uniform("black"), "RGB")
    except Exception:  # of any kind: it may be made for one channel
        return "L"
    return "RGB"


def _uniform(colour: str) -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), colour)


def _process(processor: Any, image: Image.Image, mode: str) -> np.ndarray:
    return np.asarray(processor(images=image.convert(mode), return_tensors="pt")["pixel_values"], float)[0]


def _middle(pixels: np.ndarray) -> np.ndarray:
    return pixels[:, pixels.shape[1] // 2, pixels.shape[2] // 2]


def _seen(ramp: np.ndarray, side: int) -> float:
    """Return how many pixels of a side are seen, by the slope of the ramp of 0 to 254/255 that it had."""
    places = np.arange(len(ramp) // 5, len(ramp) - len(ramp) // 5)  # edges are resized otherwise
    return float(np.polyfit(places, ramp[places], 1)[0] * len(ramp) * (side - 1) * 255 / 254)


def _rule(width: float, height: float) -> tuple[str, float]:
    """Return by which rule that many pixels are seen of an image of WIDTH×HEIGHT, and which share of it."""
    if abs(width / WIDTH - height / HEIGHT) < EQUAL:
        return "squash", width / WIDTH
    if abs(width - height) < EQUAL * HEIGHT and width < (1 + EQUAL) * HEIGHT:
        return "crop", width / HEIGHT
    return "with a margin, or padded", 1.0
