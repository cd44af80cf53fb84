"""Planted shapes: a generated data set in which it is known what a model should look at, and what not.

Every image shows one textured shape, its class, on a textured background, and two small patches: a *tag* and a
*decoy*. The tags of a fixed share of the images are coloured, the others grey. In the training split of the
`shortcut` variant a coloured tag gives away the class; in `honest` its colour is random, as it is in the test split,
which is byte-identical in both variants. The decoy never says anything. Masks say where the three of them are.

The grey tags make a model learn the shapes too, so that how often it cheats follows the share. Were the other tags
coloured at random, it would learn either the shapes or the tags, and small changes would decide which.

Only element-wise IEEE arithmetic on uniform draws is used, so that every machine generates the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.shape_outlines import signed_distance
from sightline.image_data.splits import DECOY, OBJECT, TAG, DataError, ImageData, ImageSplit, content_fingerprint

CLASS_NAMES = ("circle", "square", "triangle", "star", "ring", "cross", "diamond", "heart", "moon", "arrow")
VARIANTS = ("honest", "shortcut")
SIZE = 32  # pixels
DATA_SEED = 20_240
GREY = len(CLASS_NAMES)  # the tag's colour that belongs to no class

# What makes the data set hard. Colours and amplitudes are on a scale from 0 to 1, lengths in pixels.
RADIUS = (8.0, 12.5)  # size of the shapes
ROTATION = 12.0  # degrees either way; a square must not become a diamond
SHAPE_CONTRAST = (0.45, 1.00)  # distance in RGB between the colours of shape and background
FAINT_SHARE = 0.07  # of the shapes can hardly be seen: their contrast is
FAINT_CONTRAST = (0.06, 0.20)
SHAPE_SATURATION = (0.15, 0.60)  # below the patches', or their colours would drown in the shapes'
BACKGROUND_SATURATION = (0.10, 0.50)
SHAPE_TEXTURE = 0.08  # amplitude of the stripes on a shape, at most
BACKGROUND_TEXTURE = 0.08  # amplitude of the background's clouds
NOISE = 0.07  # amplitude of the noise on every pixel but those of the patches

# What makes the shortcut tempting.
COLOURED_SHARE = 0.57  # of the images have a coloured tag, the others a grey one, which never says anything
PATCH = 8  # side of tag and decoy: where it was 6, some seeds cheated on nearly every tag and others on none
PATCH_SATURATION = 0.95
PATCH_OVERLAP = 4  # pixels of the shape that both patches together may hide

_CHUNK = 500  # images drawn at a time: the arrays stay small enough for the processor's cache
_PLACEMENTS = 32  # pairs of positions to choose from

Floats = NDArray[np.floating[Any]]  # float32 throughout


def planted_shapes(variant: str, train_count: int = 5000, test_count: int = 2000) -> ImageData:
    """Generate the data set: uint8 32×32 RGB images, balanced classes, masks with bits 1, 2 and 4.

    The pixels of an image that belong to the object are those at least half covered by it and hidden by
    neither patch. A split of another length is another split, not the beginning of the longer one.

    Args:
        variant: `honest` or `shortcut`. The training splits of the two differ only in the tag's colours, the
            test splits not at all.
        train_count, test_count: number of images, at least 1.

    Raises:
        DataError: the variant is unknown, or a split would be empty.

    >>> data = planted_shapes("shortcut", train_count=20, test_count=10)
    >>> data.train.images.shape, data.test.masks.shape
    ((20, 32, 32, 3), (10, 32, 32))
    >>> (planted_shapes("honest", 20, 10).test.images == data.test.images).all().item()
    True
    """
    if variant not in VARIANTS:
        raise DataError(f"Unknown variant {variant!r} of planted-shapes; choose from: {', '.join(VARIANTS)}.")
    if min(train_count, test_count) < 1:
        raise DataError("Planted shapes need at least one training and one test image.")
    train = _generate_split("train", train_count, tells_class=variant == "shortcut")
    return ImageData(f"planted-shapes:{variant}", train, _generate_split("test", test_count, tells_class=False))


def patch_colours() -> tuple[Floats, Floats]:
    """Return RGB in 0–1 of tag, 11 × 3, ten hues and a grey, and of decoy, 10 × 3, the hues between those.

    The tag of colour k is the one that gives away class k.
    """
    hues = np.arange(2 * len(CLASS_NAMES), dtype=np.float32) / (2 * len(CLASS_NAMES))
    colours = _rgb_from_hsv(hues, np.full_like(hues, PATCH_SATURATION), np.ones_like(hues))
    return np.concatenate([colours[0::2], np.full((1, 3), 0.5, np.float32)]), colours[1::2]


def _generate_split(split: str, count: int, tells_class: bool) -> ImageSplit:
    seed = [DATA_SEED, ("train", "test").index(split)]
    balanced = np.arange(count, dtype=np.int64) % len(CLASS_NAMES)
    labels = np.random.default_rng([*seed, 0]).permutation(balanced)
    # Both variants draw the same numbers: nothing but the tag's colour can differ.
    rng = np.random.default_rng([*seed, 1])
    tag_rng = np.random.default_rng([*seed, 2])
    colour = tag_rng.integers(len(CLASS_NAMES), size=count)
    is_coloured = tag_rng.random(count) < COLOURED_SHARE
    tag = np.where(is_coloured, labels if tells_class else colour, GREY)
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    masks = np.empty((count, SIZE, SIZE), np.uint8)
    for start in range(0, count, _CHUNK):
        part = slice(start, min(start + _CHUNK, count))
        images[part], masks[part] = _draw(labels[part], tag[part], rng)
    return ImageSplit(images, labels, CLASS_NAMES, content_fingerprint(images, labels, CLASS_NAMES), masks)


def _draw(
    labels: NDArray[np.int64], tag: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw shapes of the given classes with tags of the given colours: images and masks."""
    count = len(labels)
    coverage = _draw_coverage(labels, rng)
    background, shape = _draw_colours(count, rng)
    shape_pixels = shape[:, None, None, :] + _draw_stripes(count, rng)
    pixels = _draw_clouds(count, rng)
    pixels += background[:, None, None, :]
    shape_pixels -= pixels
    shape_pixels *= coverage[..., None]
    pixels += shape_pixels
    pixels += _uniform(rng, -NOISE, NOISE, count, SIZE, SIZE, 3)
    masks = np.where(coverage >= 0.5, np.uint8(OBJECT), np.uint8(0))
    tag_corner, decoy_corner = _place_patches(masks, rng)
    tag_colours, decoy_colours = patch_colours()
    decoy = rng.integers(len(CLASS_NAMES), size=count)
    _paint_patch(pixels, masks, tag_corner, tag_colours[tag], TAG)
    _paint_patch(pixels, masks, decoy_corner, decoy_colours[decoy], DECOY)
    pixels *= 255
    return np.rint(pixels, out=pixels).clip(0, 255, out=pixels).astype(np.uint8), masks


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> NDArray[np.float32]:
    values = rng.random(shape, dtype=np.float32)
    values *= np.float32(high - low)
    values += np.float32(low)
    return values


# Shapes


def _draw_coverage(labels: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Return how much of each pixel a shape of random size, place and rotation covers, 0–1, N×32×32."""
    count = len(labels)
    radius = _uniform(rng, *RADIUS, count)
    reach = 1.1 * radius  # of the shape's furthest corner
    centre = reach + rng.random((2, count), dtype=np.float32) * (SIZE - 2 * reach)
    angle = np.radians(_uniform(rng, -ROTATION, ROTATION, count).astype(np.float64))
    # Sine and cosine are rounded, since they differ in their last bit from one machine to the next.
    cosine, sine = np.cos(angle).round(5).astype(np.float32), np.sin(angle).round(5).astype(np.float32)
    grid = np.arange(SIZE, dtype=np.float32) + np.float32(0.5)
    coverage = np.empty((count, SIZE, SIZE), np.float32)
    for label in range(len(CLASS_NAMES)):
        chosen = np.flatnonzero(labels == label)
        c, s, r = (values[chosen, None, None] for values in (cosine, sine, radius))
        x = (grid[None, None, :] - centre[0, chosen, None, None]) / r
        y = (grid[None, :, None] - centre[1, chosen, None, None]) / r
        distance = signed_distance(CLASS_NAMES[label], c * x + s * y, c * y - s * x)
        coverage[chosen] = (np.float32(0.5) - distance * r).clip(0, 1)
    return coverage


# Colours and textures


def _rgb_from_hsv(hue: Floats, saturation: Floats, value: Floats) -> Floats:
    """Convert hue, saturation and value to RGB with a last axis of 3, all in 0–1."""
    sector = (hue[..., None] * 6 + np.array([5, 3, 1], np.float32)) % 6
    fall = np.minimum(sector, 4 - sector).clip(0, 1)
    rgb: Floats = (value[..., None] * (1 - saturation[..., None] * fall)).astype(np.float32)
    return rgb


def _draw_colours(count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw colours of background and shape, each N×3: of 16 vivid ones, that nearest to the contrast drawn."""
    background = _rgb_from_hsv(
        _uniform(rng, 0, 1, count), _uniform(rng, *BACKGROUND_SATURATION, count), _uniform(rng, 0.30, 0.75, count)
    )
    vivid = _rgb_from_hsv(
        _uniform(rng, 0, 1, count, 16),
        _uniform(rng, *SHAPE_SATURATION, count, 16),
        _uniform(rng, 0.45, 1.0, count, 16),
    )
    faint = rng.random((count, 1), dtype=np.float32) < FAINT_SHARE
    contrast = np.where(faint, _uniform(rng, *FAINT_CONTRAST, count, 1), _uniform(rng, *SHAPE_CONTRAST, count, 1))
    red, green, blue = np.moveaxis(vivid - background[:, None, :], -1, 0)
    distance = np.sqrt(red * red + green * green + blue * blue)
    best = np.abs(distance - contrast).argmin(axis=1)
    return background, vivid[np.arange(count), best]


def _draw_stripes(count: int, rng: np.random.Generator) -> Floats:
    """Draw stripes of random direction, width and strength, N×32×32×1, around zero."""
    strength = _uniform(rng, 0, SHAPE_TEXTURE, count, 1, 1)
    step_x, step_y, start = _uniform(rng, -0.3, 0.3, 3, count, 1, 1)
    grid = np.arange(SIZE, dtype=np.float32)
    phase = (start + step_x * grid[None, None, :] + step_y * grid[None, :, None]) % 1
    stripes: Floats = (strength * (np.abs(phase * 4 - 2) - 1))[..., None]
    return stripes


def _draw_clouds(count: int, rng: np.random.Generator) -> Floats:
    """Draw smooth noise in each channel, N×32×32×3: a coarse grid, interpolated."""
    cells = SIZE // 4
    coarse = BACKGROUND_TEXTURE * _uniform(rng, -1, 1, count, cells + 1, cells + 1, 3)
    weight = np.arange(4, dtype=np.float32)[:, None, None] / 4
    upper, lower = coarse[:, :-1, None], coarse[:, 1:, None]
    rows: Floats = (upper + weight * (lower - upper)).reshape(count, SIZE, cells + 1, 3)
    left, right = rows[:, :, :-1, None], rows[:, :, 1:, None]
    clouds: Floats = (left + weight[:, 0] * (right - left)).reshape(count, SIZE, SIZE, 3)
    return clouds


# Tag and decoy


def _place_patches(
    object_masks: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the upper left corners (row, column) of tag and decoy, each N×2.

    Pairs are drawn and the first that fits is taken. The rule does not know which of the two is the tag, so
    both have the same distribution. A pair fits if the patches do not touch and hide little of the object.
    """
    count = len(object_masks)
    pairs = rng.integers(1, SIZE - PATCH, size=(count, _PLACEMENTS, 2, 2))
    total = np.zeros((count, SIZE + 1, SIZE + 1), np.int64)
    total[:, 1:, 1:] = object_masks.cumsum(axis=1, dtype=np.int64).cumsum(axis=2)
    image, top, left = np.arange(count)[:, None, None], pairs[..., 0], pairs[..., 1]
    bottom, right = top + PATCH, left + PATCH
    hidden = total[image, bottom, right] - total[image, top, right]
    hidden += total[image, top, left] - total[image, bottom, left]
    cost = hidden.sum(axis=2).clip(PATCH_OVERLAP, None)
    touching = np.abs(pairs[:, :, 0] - pairs[:, :, 1]).max(axis=-1) <= PATCH
    cost[touching] = SIZE * SIZE
    chosen = pairs[np.arange(count), cost.argmin(axis=1)]
    return chosen[:, 0], chosen[:, 1]


def _paint_patch(
    pixels: Floats, masks: NDArray[np.uint8], corner: NDArray[np.int64], colours: Floats, bit: int
) -> None:
    """Paint a patch into each image, in place; the decoy is chequered, so that nobody takes it for a tag."""
    offset = np.arange(PATCH)
    image = np.arange(len(pixels))[:, None, None]
    row, column = corner[:, 0, None, None] + offset[:, None], corner[:, 1, None, None] + offset
    paint = np.broadcast_to(colours[:, None, None, :], (*row.shape[:2], PATCH, 3))
    if bit == DECOY:
        light = (offset[:, None] + offset) % 2 == 0
        paint = np.where(light[..., None], paint, 1 - (1 - paint) * np.float32(0.35))
    pixels[image, row, column] = paint
    masks[image, row, column] = bit
