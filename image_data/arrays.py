"""Images and labels in arrays of one .npz file, as MedMNIST and Keras have them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.masks import has_the_shape, mask_of
from sightline.image_data.objects.labels import codes, label_of
from sightline.image_data.objects.leaves import Pairs
from sightline.image_data.objects.pictures import channels_last
from sightline.image_data.objects.source import located
from sightline.image_data.resize import Resize
from sightline.image_data.split_names import choose
from sightline.image_data.splits import DataError

_KINDS = {
    "images": ("images", "image", "imgs", "x", "data", "pixels"),
    "labels": ("labels", "label", "y", "targets", "target"),
    "masks": ("masks", "mask"),
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}
_CLASSES = ("class_names", "classes", "label_names", "names")
_WANTED = "images (N×H×W or N×H×W×3) and labels (N), or train_images, train_labels, test_images, test_labels"


class ArraySplit(Pairs):
    """The images and labels of a split, the names of the classes, and masks, where it has them."""

    def __init__(self, images: Any, labels: Any, masks: Any | None, classes: Sequence[str]) -> None:
        super().__init__(images, labels)
        self.masks, self.classes = masks, list(classes)

    def mask(self, row: int, side: int, resize: Resize) -> NDArray[np.uint8]:
        """Return a mask, uint8 S×S, cut and resized as its image. Raises DataError."""
        assert self.masks is not None  # asked for of those that have some
        values = self.masks[row]
        height, width = channels_last(self[row][0]).shape[:2]
        if values.ndim < 2 or not has_the_shape((values.shape[1], values.shape[0]), (width, height)):
            shape = "×".join(map(str, values.shape))
            raise DataError(f"its mask is {shape} and its image {height}×{width}; make them alike")
        return mask_of(values, side, resize)


def array_splits(file: Path, roles: Sequence[str], split: str | None) -> dict[str, ArraySplit]:
    """Return the splits of a file by role, "train" or "test". Raises DataError with a sentence.

    Its arrays are called images, labels and masks (or x, y), with the name of a split before or after it, as in
    test_images or x_test. Nothing in the file is unpickled. split: as in `split_names.choose`.
    """
    with _opened(file) as archive:
        keys = _keys_by_split(archive)
        if not keys:
            raise DataError(f"{file} has {', '.join(list(archive)[:8]) or 'no arrays'}; it must have {_WANTED}.")
        chosen = choose(str(file), sorted(name for name in keys if name), roles, split)
        names = _class_names(file, archive, keys)
        arrays = {role: {kind: archive[key] for kind, key in keys[name].items()} for role, name in chosen.items()}
    for kinds in arrays.values():
        lengths = {kind: len(array) if array.ndim else 0 for kind, array in kinds.items()}
        if len(set(lengths.values())) > 1:
            said = " and ".join(f"{length:,} {kind}" for kind, length in lengths.items())
            raise DataError(f"{file} has {said}; there must be as many of each.")
    return {
        role: ArraySplit(kinds["images"], kinds["labels"], kinds.get("masks"), names) for role, kinds in arrays.items()
    }


def class_names_of_arrays(file: Path) -> tuple[str, ...]:
    """Return the names of the classes that a file has, in all of its splits. Raises DataError."""
    with _opened(file) as archive:
        return _class_names(file, archive, _keys_by_split(archive))


@contextmanager
def _opened(file: Path) -> Iterator[Mapping[str, NDArray[Any]]]:
    """Open a file, whose arrays are read when they are looked up. Raises DataError, also for what is read meanwhile."""
    try:
        archive = np.load(file, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{file} holds one array only; save images and labels with np.savez.")
        with archive:
            yield archive
    except OSError as error:
        raise DataError(f"{file} could not be read ({error.strerror or error}); give an .npz file.") from error
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        why = "it holds Python objects, which are not read; save plain arrays" if "pickle" in str(error) else str(error)
        raise DataError(f"{file} could not be read as an .npz file ({why}).") from error


def _keys_by_split(archive: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return split, "" where there are none → kind → what the array is called, of splits with images and labels."""
    found: dict[str, dict[str, str]] = {}
    for key in archive:
        first, _, last = key.lower().partition("_")
        for kind, split in ((key.lower(), ""), (last, first), (first, last)):
            if kind in _KIND_OF:
                found.setdefault(split, {}).setdefault(_KIND_OF[kind], key)
                break
    return {split: kinds for split, kinds in found.items() if {"images", "labels"} <= kinds.keys()}


def _class_names(
    file: Path, archive: Mapping[str, NDArray[Any]], keys: Mapping[str, Mapping[str, str]]
) -> tuple[str, ...]:
    """Return the names that a file has, or those that the labels of all splits give."""
    key = next((name for name in archive if name.lower() in _CLASSES), None)
    if key is not None:
        names = archive[key]
        if names.dtype.kind not in "US":
            raise DataError(f"{key} in {file} must be an array of text, the names of the classes.")
        return tuple(map(str, names.ravel().astype(str)))
    labels = [
        located(row, label_of, label) for kinds in keys.values() for row, label in enumerate(archive[kinds["labels"]])
    ]
    return codes(labels, ())[1] if labels else ()
