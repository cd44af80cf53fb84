"""What some images share: what they look like on average, and what their maps call hot. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightline.run_store.patterns import Attended

_PIXELS_AT_ONCE = 2**20
_LEVELS = 6  # of red, green and blue each: colours are told apart in boxes of that many a side


@dataclass(frozen=True)
class Shared:
    """The mean of some images, uint8 H×W×3, and of their maps, float32 h×w, and what they attend to.

    Each map counts with its positive part, which sums to 1; so does their mean.
    """

    image: np.ndarray
    map: np.ndarray
    attended: Attended


def find_shared(images: np.ndarray, maps: np.ndarray, usual: np.ndarray | None = None) -> Shared:
    """Return what images (uint8 n×H×W×3) and their signed maps (float n×h×w) have in common.

    usual: the `usual_colours` from which one stands out; by default those of these images. A map that is nowhere
    positive, or not finite, points nowhere, and counts evenly. Raises ValueError for no images.

    >>> images, maps = np.zeros((1, 4, 4, 3), np.uint8), np.array([[[2.0, -1], [0, 0]]])
    >>> images[0, :2, :2] = (240, 40, 80)
    >>> find_shared(images, maps).map
    array([[1., 0.],
           [0., 0.]], dtype=float32)
    """
    if not len(images):
        raise ValueError("No images share anything.")
    heat = normalised_heat(maps)
    parts = _parts(images)
    found = [_attended(images[part], heat[part]) for part in parts]
    heat_of, *sums = np.sum([colours for colours, _, _ in found], axis=0)
    colour, excess = _standing_out(heat_of, sums, usual_colours(images) if usual is None else usual)
    size = float(np.concatenate([sizes for _, sizes, _ in found]).mean())
    centres = np.concatenate([places for _, _, places in found])
    left, top = centres.mean(axis=0).tolist()
    spread = float(np.sqrt(((centres - (left, top)) ** 2).sum(axis=1).mean()))
    attended = Attended(colour, excess, size, (left, top), spread)
    image = sum(images[part].sum(axis=0, dtype=np.int64) for part in parts) / len(images)
    return Shared(np.rint(image).astype(np.uint8), heat.mean(axis=0), attended)


def usual_colours(images: np.ndarray) -> np.ndarray:
    """Return how many of the pixels of images, uint8 n×H×W×3, lie in each box of colours: shares, float B."""
    counts = np.zeros(_LEVELS**3, np.int64)
    for part in _parts(images):
        counts += np.bincount(_boxes(images[part].reshape(-1, 3)), minlength=len(counts))
    return counts / counts.sum()


def _parts(images: np.ndarray) -> list[slice]:
    """Return the slices of images that are looked at together, since what is made of a pixel takes far more room."""
    step = max(1, _PIXELS_AT_ONCE // images[0, :, :, 0].size)
    return [slice(start, start + step) for start in range(0, len(images), step)]


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
    """Return the colours under the heat, see `_colours`, and of each image the size of its hot part, and its centre."""
    height, width = images.shape[1:3]
    large = enlarge(heat, (height, width))
    large /= large.sum(axis=(1, 2), keepdims=True)
    sizes = (large >= large.max(axis=(1, 2), keepdims=True) / 2).mean(axis=(1, 2))
    across, down = ((np.arange(side) + 0.5) / side for side in (width, height))
    centres = np.stack([large.sum(axis=1) @ across, large.sum(axis=2) @ down], axis=1)
    return _colours(images.reshape(-1, 3), large.ravel()), sizes, centres


def _boxes(pixels: np.ndarray) -> np.ndarray:
    """Return in which box of colours each pixel lies, uint8 P×3 → int P."""
    red, green, blue = (pixels.T.astype(np.uint16) * _LEVELS) >> 8
    return (red * _LEVELS + green) * _LEVELS + blue


def _colours(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return the heat of each box of colours, and the sums of red, green and blue under it: float 4×B.

    pixels: uint8 P×3. heat: float P.
    """
    boxes = _boxes(pixels)
    return np.stack([np.bincount(boxes, values, _LEVELS**3) for values in (heat, *(pixels.T * heat))])


def _standing_out(
    heat: np.ndarray, sums: Sequence[np.ndarray], usual: np.ndarray
) -> tuple[tuple[float, float, float], float]:
    """Return the mean colour of the box whose share of the heat is farthest above its usual share, and how far.

    The mean of all that is hot would be grey: a map of few cells reaches beyond what it marks.
    """
    excess = heat / heat.sum() - usual
    box = int(np.where(heat > 0, excess, -1).argmax())
    red, green, blue = (min(float(total[box] / heat[box]), 255.0) for total in sums)
    return (red, green, blue), float(excess[box].clip(0, 1))


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
