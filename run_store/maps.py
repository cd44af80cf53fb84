"""Precomputed attribution maps of a run: maps/<method>/<layer>/<target>.npy, one map a test image.

A map is kept as float16 N×h×w divided by its scale, a float32 a map in <target>.scale.npy: its largest finite
magnitude, 0 for a map of zeros. So a map of any magnitude keeps eleven bits, and NaN and infinity stay what they are.
"""

import os
import re
import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from sightline.run_store import files
from sightline.run_store.arrays import StoredArray, stored_array
from sightline.run_store.commands import command
from sightline.run_store.files import FileError
from sightline.run_store.record import MOST_LAYERS, MOST_SIDE, RunError
from sightline.run_store.run import Run

PRECOMPUTED_TARGETS = ("predicted", "label")  # columns of the predictions: the class whose logit is explained

_NAME = re.compile(r"[\w+-][\w.+-]*")  # no separators and no leading dot: it stays inside its folder
_COPIED = 4096  # maps in memory while they are copied


def read_map(run: Run, method: str, layer: str, target: str, image: int) -> np.ndarray | None:
    """Return the signed float32 map h×w of one test image (row of the predictions), or None where none was precomputed.

    They are of the last weights: after an epoch, a run has none. Raises RunError where the files are damaged or do not
    belong to the images of the run.
    """
    maps = read_maps(run, method, layer, target, [image])
    return None if maps is None else maps[0]


def read_maps(run: Run, method: str, layer: str, target: str, rows: Sequence[int] | np.ndarray) -> np.ndarray | None:
    """Return the signed float32 maps n×h×w of some test images, as `read_map` does of one."""
    if run.epoch is not None:
        return None
    names = _names(run.path, method, layer, target)
    again = command("precompute", "--run", run.path, "--layers", layer, "--targets", target, "--method", method)
    try:
        with run.reading(names[0], f"Write the precomputed maps of {layer} again with: {again}"):
            maps, scales = _stored(run, names)
            scale = scales[rows]
            if not ((scale >= 0) & (scale < np.inf)).all():  # also NaN
                raise FileError("has maps without a scale")
            return maps[rows].astype(np.float32) * scale[:, None, None]
    except RunError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def maps_stamp(run: Run, method: str, layer: str, target: str) -> files.Stamp:
    """Return the key under which what is made of these maps may be kept. Raises RunError."""
    return tuple(run.file_stamp(name) for name in _names(run.path, method, layer, target))


def stored_kinds(run: Run) -> dict[str, tuple[str, ...]]:
    """Return method → layers of which the maps of the predicted class lie in the run: the record's order, then by name.

    After an epoch it has none, see `read_map`. Raises RunError where the record cannot be read.
    """
    own = {layer: place for place, layer in enumerate(run.record.layers)}
    found = {}
    for method in _folders(run.path / files.MAPS) if run.epoch is None else ():
        layers = [
            layer
            for layer in _folders(run.path / files.MAPS / method)
            if os.path.isfile(run.path / files.MAPS / method / layer / "predicted.npy")
        ]
        if layers:
            found[method] = tuple(sorted(layers, key=lambda layer: (own.get(layer, len(own)), layer)))
    return found


def _folders(path: Path) -> list[str]:
    """Return the names of the folders in a folder, at most MOST_LAYERS; none where it cannot be read, or is a link."""
    try:
        with os.scandir(path) as entries:
            names = [each.name for each in islice(entries, MOST_LAYERS) if each.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [] if path.is_symlink() else sorted(filter(_NAME.fullmatch, names))


def are_written(run: Run, method: str, layer: str, target: str) -> bool:
    """Tell whether these maps are there, whole, for all images of the run."""
    names = _names(run.path, method, layer, target)
    try:
        with run.reading(names[0], ""):
            scales = _stored(run, names)[1][:]
    except RunError:  # missing or damaged, see `read_map`
        return False
    return bool(((scales >= 0) & (scales < np.inf)).all())


def _stored(run: Run, names: list[str]) -> tuple[StoredArray, StoredArray]:
    """Look at maps and scales; raises FileError, or what NumPy does, where they are not of the run's images."""
    maps, scales = (stored_array(run.path, name) for name in names)
    images = len(run.images())
    if (maps.dtype, maps.ndim, len(maps)) != (np.float16, 3, images) or max(maps.shape[1:]) > MOST_SIDE:
        raise FileError("does not hold maps of the run's images")
    if (scales.dtype, scales.shape) != (np.float32, (images,)):
        raise FileError("has no scales beside it")
    return maps, scales


def remove_maps(path: Path) -> None:
    """Remove all maps of the run at `path`: at once for a reader, since the folder is renamed first."""
    folder, outdated = path / files.MAPS, path / f".{files.MAPS}.outdated"
    shutil.rmtree(outdated, ignore_errors=True)  # of a process that ended while it removed them
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        os.replace(folder, outdated)
        shutil.rmtree(outdated)


class MapsWriter:
    """The maps of one method, layer and target while they are written; the caller holds the lock of the run.

    They lie in hidden files until `finish`. A row is done when its scale is a number: the scales are set after the
    maps they belong to are on the disk, so that whatever ends the process, the next writer goes on from there.
    """

    def __init__(self, run: Run, method: str, layer: str, target: str, size: tuple[int, int]):
        """Go on with what an earlier writer left, or begin. `size` is the h×w of the maps, in cells.

        Raises RunError for a name that can be no folder and for a link out of the run, OSError where the disk has no
        room for all maps.
        """
        self.layer = layer
        self._files = [run.path / name for name in _names(run.path, method, layer, target)]
        self._hidden = [file.with_name(f".{file.name}.partial") for file in self._files]
        _refuse_links(run, self._hidden)
        images = len(run.images())
        try:
            self._maps, self._scales = _go_on(self._hidden, (images, *size))
        except Exception:  # none, or not of these images
            self._files[0].parent.mkdir(parents=True, exist_ok=True)
            # The scales first: old ones beside new maps would say that these are done.
            self._scales = _create(self._hidden[1], np.float32, (images,), fill=np.nan)
            self._maps = _create(self._hidden[0], np.float16, (images, *size), fill=0)

    @property
    def todo(self) -> np.ndarray:
        """The images whose map is still missing, bool N."""
        return np.isnan(self._scales)

    def write(self, rows: np.ndarray, maps: np.ndarray) -> None:
        """Write the float32 maps n×h×w of the images `rows` (int n)."""
        largest = np.abs(np.where(np.isfinite(maps), maps, 0)).max(axis=(1, 2))
        is_finite = np.isfinite(maps).all(axis=(1, 2))
        scales = np.where((largest == 0) & ~is_finite, 1, largest).astype(np.float32)  # infinity × 0 would be NaN
        self._store(rows, maps / np.where(scales == 0, 1, scales)[:, None, None], scales)

    def copy(self, run: Run, method: str, target: str, rows: np.ndarray) -> None:
        """Take the maps of `rows` over from a target of the same layer that `are_written`; none of another size."""
        maps, scales = _stored(run, _names(run.path, method, self.layer, target))
        if maps.shape == self._maps.shape:
            for part in np.array_split(rows, len(rows) // _COPIED + 1):
                self._store(part, maps[part], scales[part])

    def _store(self, rows: np.ndarray, maps: np.ndarray, scales: np.ndarray) -> None:
        self._maps[rows] = maps
        self._maps.flush()
        self._scales[rows] = scales

    def finish(self) -> None:
        """Let readers see the maps, all of which must be there."""
        if self.todo.any():
            raise ValueError(f"{int(self.todo.sum())} maps of {self.layer} are missing")
        self._scales.flush()
        for hidden, file in reversed(list(zip(self._hidden, self._files, strict=True))):
            os.replace(hidden, file)  # the maps last: readers look for both


def _go_on(pair: list[Path], maps: tuple[int, ...]) -> tuple[np.memmap, np.memmap]:
    """Open what an earlier writer left; raises whatever NumPy does where it is not of so many maps of this size."""
    shapes = ((np.float16, maps), (np.float32, maps[:1]))
    for file, layout in zip(pair, shapes, strict=True):
        found = np.lib.format.open_memmap(file, "r")  # first: writing would fill up a file that is too short
        if (found.dtype, found.shape) != layout:
            raise ValueError("not these maps")
    opened, scales = (np.lib.format.open_memmap(file, "r+") for file in pair)
    return opened, scales


def _refuse_links(run: Run, hidden: list[Path]) -> None:
    """Raise RunError where what is written would land outside the run, which may come from a stranger."""
    for file in hidden:
        if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(run.path)):
            raise RunError(f"Run {run.name}: {files.MAPS} holds a link that leads out of the run; remove {files.MAPS}.")


def _create(file: Path, dtype: type, shape: tuple[int, ...], fill: float) -> np.memmap:
    """Make a filled file, with room for all of it: who finds the disk full in mapped memory is killed."""
    new = file.with_name(f"{file.name}.new")  # no one may go on with a file that is not filled yet
    new.unlink(missing_ok=True)  # a stranger may have put a link of this name there
    try:
        array = np.lib.format.open_memmap(new, "w+", dtype, shape)
        if hasattr(os, "posix_fallocate"):  # not on macOS
            with open(new, "r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, new.stat().st_size)
        array[:] = fill
        array.flush()
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)
    return array


def _names(path: Path, method: str, layer: str, target: str) -> list[str]:
    """Return the file of the maps and that of their scales.

    Raises RunError: the names may come from a foreign run.json.
    """
    for name in (method, layer, target):
        if not _NAME.fullmatch(name) or len(name.encode()) > files.MOST_NAME:
            raise RunError(
                f"Run {path.name}: {name!r} can be no folder of maps; "
                "a name is made of letters, digits and the signs _ . + - and does not begin with a dot."
            )
    folder = f"{files.MAPS}/{method}/{layer}"
    return [f"{folder}/{target}.npy", f"{folder}/{target}.scale.npy"]
