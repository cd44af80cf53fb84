"""What is shown of a pattern: mean image and mean map, its most confident mistakes, and their maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightline.app.elements.thumbnails import data_url
from sightline.app.maps.paint import paint, strongest
from sightline.app.maps.settings import colours_for
from sightline.app.runs import loaders
from sightline.explain.why.shared import find_shared
from sightline.run_store.files import Stamp
from sightline.run_store.maps import maps_stamp, read_maps
from sightline.run_store.patterns import Patterns
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.thumbnails import thumbnail

MOST_AVERAGED = 500  # images of a pattern, evenly spaced: the mean of more looks the same
_SIDES = 32, 64  # pixels of a map, at least and at most: the browser enlarges it smoothly
_TARGET = "predicted"


@dataclass(frozen=True)
class Means:
    """Mean image and mean map as data URLs, and of how many images. map: "" where no maps are stored."""

    image: str
    map: str
    images: int


def means(run: Run, found: Patterns, number: int) -> Means:
    """Return the mean pictures of a pattern. Raises RunError."""
    return _means(run, number, found.method, found.layer, _stamp(run, found))


@loaders.kept("columns", loaders.read_once(64))
def mistakes(run: Run, number: int) -> np.ndarray:
    """Return the mistakes of a pattern (int64), the most confident first. Raises RunError."""
    found, predictions = loaders.patterns(run), loaders.predictions(run)
    is_in = np.zeros(len(predictions), bool)
    is_in[found.rows(number) if found else []] = True
    return predictions.in_order(is_in & predictions.wrong, "most confident first")


def map_urls(run: Run, found: Patterns, images: Sequence[int]) -> tuple[str, ...]:
    """Return the map of each image as a data URL, "" of one that is not finite; none where no maps are stored."""
    return _map_urls(run, tuple(images), found.method, found.layer, _stamp(run, found))


def problem(run: Run, found: Patterns) -> str:
    """Say why there are no maps to show, else nothing."""
    try:
        maps = read_maps(run, found.method, found.layer, _TARGET, np.array([0]))
    except RunError as error:
        return str(error)
    return "" if maps is not None else "The maps are gone: finding the patterns again writes them."


def _stamp(run: Run, found: Patterns) -> Stamp:
    try:
        return maps_stamp(run, found.method, found.layer, _TARGET)
    except RunError:  # a name that is none, see `problem`
        return ()


@loaders.kept("columns", loaders.read_once(64))
def _means(run: Run, number: int, method: str, layer: str, stamp: Stamp) -> Means:
    found = loaders.patterns(run)
    rows = found.rows(number) if found else np.zeros(0, int)
    rows = rows[:: len(rows) // MOST_AVERAGED + 1]
    images = loaders.images(run)[rows]
    maps = _read(run, method, layer, rows)
    if maps is None:
        mean = np.rint(images.mean(axis=0)).astype(np.uint8)
        return Means(data_url(thumbnail(mean)), "", len(rows))
    shared = find_shared(images, maps)
    return Means(data_url(thumbnail(shared.image)), _painted(shared.map), len(rows))


@loaders.kept("columns", loaders.read_once(64))
def _map_urls(run: Run, images: tuple[int, ...], method: str, layer: str, stamp: Stamp) -> tuple[str, ...]:
    maps = _read(run, method, layer, np.array(images, int))
    return () if maps is None else tuple(map(_painted, maps))


def _read(run: Run, method: str, layer: str, rows: np.ndarray) -> np.ndarray | None:
    try:
        return read_maps(run, method, layer, _TARGET, rows)
    except RunError:
        return None


def _painted(values: np.ndarray) -> str:
    if not np.isfinite(values).all():
        return ""
    sign = "positive"
    colours, largest, side = colours_for(sign, None), strongest(values, sign), int(np.clip(max(values.shape), *_SIDES))
    return data_url(paint(values, sign=sign, cells="smooth", colours=colours, largest=largest, size=(side, side)))
