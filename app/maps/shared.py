"""What is shown of a set of test images from stored maps: each of them; mean image and map, what was attended."""

from collections.abc import Sequence

import numpy as np

from sightline.app.runs import loaders
from sightline.app.runs.kept import computed_once, kept, read_once
from sightline.report.drawing.means import TARGET, Means, averaged, cells_of_map, colours_of_split, map_urls, means
from sightline.report.drawing.resolve import stored_methods
from sightline.run_store.commands import command
from sightline.run_store.files import Stamp
from sightline.run_store.maps import maps_stamp, read_maps
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

USUAL = "gradcam"


def means_of(run: Run, rows: np.ndarray, method: str, layer: str) -> Means:
    """Return what test images (int n, at least one) share, by their stored maps of that kind. Raises RunError."""
    stamp = stamp_of(run, method, layer)
    cells = _cells(run, method, layer, stamp)
    return _means(run, averaged(loaders.images(run), rows, cells).tobytes(), method, layer, stamp)


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
    return map_urls(run, images, method, layer)


@kept("maps", read_once(64))
def _cells(run: Run, method: str, layer: str, stamp: Stamp) -> int:
    return cells_of_map(run, method, layer)


def stamp_of(run: Run, method: str, layer: str) -> Stamp:
    """Return the key under which what is made of these maps may be kept; where they have no name, an empty one."""
    try:
        return maps_stamp(run, method, layer, TARGET)
    except RunError:
        return ()


@kept("images", computed_once(max_entries=16))
def _usual_colours(run: Run) -> np.ndarray:
    return colours_of_split(loaders.images(run))


@kept("maps", computed_once(max_entries=128))
def _means(run: Run, rows: bytes, method: str, layer: str, stamp: Stamp) -> Means:
    return means(run, loaders.images(run), np.frombuffer(rows, np.int64), method, layer, _usual_colours(run))
