"""What is shown of a set of test images from stored maps: each of them; mean image and map, what was attended."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from sightline.app.elements.thumbnails import data_url
from sightline.app.runs import loaders
from sightline.app.runs.kept import computed_once, kept, read_once
from sightline.explain.why.shared import find_shared, usual_colours
from sightline.report.drawing.map_settings import colours_for
from sightline.report.drawing.paint import paint, strongest
from sightline.report.drawing.resolve import stored_methods
from sightline.run_store.commands import command
from sightline.run_store.files import Stamp
from sightline.run_store.maps import maps_stamp, read_maps
from sightline.run_store.patterns import Attended
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.thumbnails import thumbnail

MOST_AVERAGED = 500  # images of a set, evenly spaced: the mean of more looks the same
MOST_PIXELS = 2**25  # of them, or of their maps: of images of more than 256 pixels a side fewer are averaged
TARGET = "predicted"
USUAL = "gradcam"
_SIDES = 32, 64  # pixels of a map, at least and at most: the browser enlarges it smoothly


@dataclass(frozen=True)
class Means:
    """Mean image and mean map as data URLs, of how many images, and what was attended in them.

    map: "" and attended: None where no maps are stored, or not to be read, as problem says.
    """

    image: str
    map: str
    images: int
    attended: Attended | None = None
    problem: str = ""


def means_of(run: Run, rows: np.ndarray, method: str, layer: str) -> Means:
    """Return what test images (int n, at least one) share, by their stored maps of that kind. Raises RunError."""
    stamp = stamp_of(run, method, layer)
    cells = _cells(run, method, layer, stamp)
    return _means(run, _few(run, rows, cells).tobytes(), method, layer, stamp)


def shown_kind(run: Run) -> tuple[str, str]:
    """Return the method and layer of the maps that are shown of sets: stored ones, at the deepest layer, if any."""
    stored = stored_methods(run)
    method = USUAL if USUAL in stored or not stored else next(iter(stored))
    return method, (stored.get(method) or run.record.layers or ("",))[-1]


def without_maps(run: Run, problem: str = "") -> str:
    """Say in plain text why no maps of a set are shown, and how there would be some. problem: with those stored."""
    if run.epoch is not None:
        return "Maps are stored of the last epoch only."
    how = f"“Find patterns” in Patterns stores them, and so does: {command('precompute', '--run', run.path)}"
    return problem or f"No maps are stored. {how if run.has_network else ''}".strip()


def urls_of(run: Run, images: Sequence[int], method: str, layer: str) -> tuple[str, ...]:
    """Return the stored map of each image as a data URL, "" of one that is not finite; none where none are stored."""
    return _urls(run, tuple(images), method, layer, stamp_of(run, method, layer))


def maps_problem(run: Run, method: str, layer: str) -> str:
    """Say why stored maps cannot be read; nothing where they can, or where there are none."""
    try:
        read_maps(run, method, layer, TARGET, [0])
    except RunError as error:
        return str(error)
    return ""


@kept("maps", read_once(64))
def _urls(run: Run, images: tuple[int, ...], method: str, layer: str, stamp: Stamp) -> tuple[str, ...]:
    try:
        maps = read_maps(run, method, layer, TARGET, np.array(images, int))
    except RunError:
        return ()
    return () if maps is None else tuple(map(painted, maps))


def _few(run: Run, rows: np.ndarray, cells: int = 0) -> np.ndarray:
    """Return as many of the rows as are averaged, int64, whatever their order. cells: of a map of each."""
    _, height, width, _ = loaders.images(run).shape
    most = min(MOST_AVERAGED, max(1, MOST_PIXELS // max(height * width, cells)))
    return np.sort(rows)[:: -(-len(rows) // most)].astype(np.int64)


@kept("maps", read_once(64))
def _cells(run: Run, method: str, layer: str, stamp: Stamp) -> int:
    """Return how many cells a stored map has; 0 where there are none."""
    with suppress(RunError):
        one = read_maps(run, method, layer, TARGET, [0])
        return 0 if one is None else one.size
    return 0


def stamp_of(run: Run, method: str, layer: str) -> Stamp:
    """Return the key under which what is made of these maps may be kept; where they have no name, an empty one."""
    try:
        return maps_stamp(run, method, layer, TARGET)
    except RunError:
        return ()


@kept("images", computed_once(max_entries=16))
def _usual_colours(run: Run) -> np.ndarray:
    images = loaders.images(run)
    return usual_colours(images[_few(run, np.arange(len(images)))])


@kept("maps", computed_once(max_entries=128))
def _means(run: Run, rows: bytes, method: str, layer: str, stamp: Stamp) -> Means:
    numbers = np.frombuffer(rows, np.int64)
    images = loaders.images(run)[numbers]
    try:
        maps, problem = read_maps(run, method, layer, TARGET, numbers), ""
    except RunError as error:
        maps, problem = None, str(error)
    if maps is None:
        mean = np.rint(images.mean(axis=0)).astype(np.uint8)
        return Means(data_url(thumbnail(mean)), "", len(numbers), None, problem)
    found = find_shared(images, maps, _usual_colours(run))
    return Means(data_url(thumbnail(found.image)), painted(found.map), len(numbers), found.attended)


def painted(values: np.ndarray) -> str:
    """Return a map as a data URL, "" where it is not finite."""
    if not np.isfinite(values).all():
        return ""
    sign = "positive"
    colours, largest, side = colours_for(sign, None), strongest(values, sign), int(np.clip(max(values.shape), *_SIDES))
    return data_url(paint(values, sign=sign, cells="smooth", colours=colours, largest=largest, size=(side, side)))
