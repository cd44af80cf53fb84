"""What some images share: what they look like on average, and what their maps call hot. Torch-free."""

from dataclasses import dataclass

import numpy as np

from sightline.run_store.patterns import Attended

_PIXELS_AT_ONCE = 2**20


@dataclass(frozen=True)
class Shared:
    """The mean of some images, uint8 H×W×3, and of their maps, float32 h×w, and what they attend to.

    Each map counts with its positive part, which sums to 1; so does their mean.
    """

    image: np.ndarray
    map: np.ndarray
    attended: Attended


def find_shared(images: np.ndarray, maps: np.ndarray) -> Shared:
    """Return what images (uint8 n×H×W×3) and their signed maps (float n×h×w) have in common.

    A map that is nowhere positive, or not finite, points nowhere, and counts evenly. Raises ValueError for no images.

    >>> images, maps = np.zeros((1, 4, 4, 3), np.uint8), np.array([[[2.0, -1], [0, 0]]])
    >>> images[0, :2, :2] = (240, 40, 80)
    >>> find_shared(images, maps).map
    array([[1., 0.],
           [0., 0.]], dtype=float32)
    """
    if not len(images):
        raise ValueError("No images share anything.")
    heat = normalised_heat(maps)
    step = max(1, _PIXELS_AT_ONCE // images[0, :, :, 0].size)
    parts = [slice(start, start + step) for start in range(0, len(images), step)]
    colours, sizes, places = zip(*(_attended(images[part], heat[part]) for part in parts), strict=True)
    centres = np.concatenate(places)
    red, green, blue = np.concatenate(colours).mean(axis=0).clip(0, 255).tolist()
    left, top = centres.mean(axis=0).tolist()
    spread = float(np.sqrt(((centres - (left, top)) ** 2).sum(axis=1).mean()))
    attended = Attended((red, green, blue), float(np.concatenate(sizes).mean()), (left, top), spread)
    image = sum(images[part].sum(axis=0, dtype=np.int64) for part in parts) / len(images)
    return Shared(np.rint(image).astype(np.uint8), heat.mean(axis=0), attended)


def normalised_heat(maps: np.ndarray) -> np.ndarray:
    """Return the positive part of maps, float n×h×w, each divided by its sum: float32, even where nothing is positive.

    >>> normalised_heat(np.array([[[3.0, 1], [-8, 0]], [[-1, -1], [-1, -1]]])).tolist()
    [[[0.75, 0.25], [0.0, 0.0]], [[0.25, 0.25], [0.25, 0.25]]]
    """
    heat = np.asarray(maps, np.float64).clip(min=0)
    largest = heat.max(axis=(1, 2), keepdims=True)
    is_hot = np.isfinite(heat).all(axis=(1, 2), keepdims=True) & (largest > 0)
    heat = np.where(is_hot, heat, 1) / np.where(is_hot, largest, 1)  # first to 1: a sum may be beyond all numbers
    return (heat / heat.sum(axis=(1, 2), keepdims=True)).astype(np.float32)


def _attended(images: np.ndarray, heat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each image the mean colour under its heat, n×3, the size of the hot part, n, and its centre, n×2."""
    height, width = images.shape[1:3]
    large = enlarge(heat, (height, width))
    large /= large.sum(axis=(1, 2), keepdims=True)
    flat = large.reshape(len(large), 1, -1)
    colours = (flat @ images.reshape(len(images), -1, 3).astype(np.float32))[:, 0]
    sizes = (flat >= flat.max(axis=2, keepdims=True) / 2).mean(axis=(1, 2))
    across, down = ((np.arange(side) + 0.5) / side for side in (width, height))
    return colours, sizes, np.stack([large.sum(axis=1) @ across, large.sum(axis=2) @ down], axis=1)


def enlarge(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring maps, float32 n×h×w, to the height and width of an image, bilinearly; cells beyond that are averaged."""
    height, width = (_weights(*sides) for sides in zip(maps.shape[1:], size, strict=True))
    return height @ maps @ width.T


def _weights(cells: int, pixels: int) -> np.ndarray:
    """Return how much each cell of a line counts in each pixel, float32 pixels×cells, as Pillow's bilinear filter."""
    places = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    reach = max(1.0, cells / pixels)
    weights = (1 - np.abs(places[:, None] - np.arange(cells)) / reach).clip(min=0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
