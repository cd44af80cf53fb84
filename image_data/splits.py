"""The form that every data set takes: two splits of uint8 images with labels, class names and a fingerprint."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.images import Images, Rows, in_chunks
from sightline.image_data.preprocessing import Preprocessing

SPLITS = ("train", "test")
OBJECT, TAG, DECOY = 1, 2, 4  # the bits of a mask

Progress = Callable[[int, int], object]  # called with how many images are done, and how many there are


class DataError(Exception):
    """A sentence for the user: what was wrong, what is allowed, what to do."""


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """The training or the test split; compared by `fingerprint`, never by its arrays.

    Raises:
        DataError: a shape, type, length or label contradicts what is said here.
    """

    images: Images
    """uint8 N×H×W×3, 0–255: an array, a read-only memory map, or what is read only when its rows are asked for."""
    labels: NDArray[np.int64]
    """int64 N, 0 ≤ label < len(class_names)."""
    class_names: tuple[str, ...]
    """Foreign text, of folders in Unicode's NFC; no two alike."""
    fingerprint: str
    """SHA-256 (64 hex digits) of class names, shapes, labels and pixels: see `content_fingerprint`."""
    masks: NDArray[np.uint8] | None = None
    """uint8 N×H×W: bit 1 object, bit 2 tag, bit 4 decoy; where the data set has them."""
    paths: tuple[str, ...] | None = None
    """Absolute file of every image, where there is one."""
    preprocessing: Preprocessing = Preprocessing()
    """What the data set itself says about how its images come before a model."""

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or len(images.shape) != 4 or images.shape[-1] != 3:
            raise DataError(f"Images must be uint8 of shape N×H×W×3, not {_describe(images)}.")
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise DataError(f"Labels must be int64 of shape ({len(images)},), not {_describe(labels)}.")
        if len(set(self.class_names)) != len(self.class_names):
            raise DataError("Class names must differ from each other; rename the classes that are alike.")
        if len(labels) and not 0 <= labels.min() <= labels.max() < len(self.class_names):
            raise DataError(
                f"Labels must lie between 0 and {len(self.class_names) - 1}, one for each class name, "
                f"but they run from {labels.min()} to {labels.max()}."
            )
        if self.masks is not None and (self.masks.dtype != np.uint8 or self.masks.shape != images.shape[:3]):
            raise DataError(f"Masks must be uint8 of shape {images.shape[:3]}, not {_describe(self.masks)}.")
        if self.paths is not None and len(self.paths) != len(images):
            raise DataError(f"Every image needs its path: {len(images)} images, {len(self.paths)} paths.")

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set: two splits with the same classes and image size.

    Raises:
        DataError: the splits differ in their classes or in the size of their images.
    """

    name: str
    """As on the command line: "planted-shapes:honest", "cifar10", "folder:DIR"."""
    train: ImageSplit
    test: ImageSplit
    warnings: tuple[str, ...] = ()
    """Sentences for the user, such as which images could not be read and were left out."""

    def __post_init__(self) -> None:
        if self.train.class_names != self.test.class_names:
            raise DataError("The training and the test split must have the same classes in the same order.")
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            raise DataError(
                f"Training images are {self.train.images.shape[1:]} and test images "
                f"{self.test.images.shape[1:]}; both splits need one size."
            )


def hold_out(data: ImageData, count: int) -> ImageData:
    """Judge on `count` images of the training split, which then lacks them, instead of on the test split.

    They are drawn at random, and always the same, so that settings can be compared without a look at the test split.
    No image is copied: both splits look theirs up in the training split.

    Raises:
        DataError: `count` leaves nothing to train on, or is less than 1.

    >>> from sightline.image_data.planted_shapes import planted_shapes
    >>> data = hold_out(planted_shapes("honest", train_count=20, test_count=10), 4)
    >>> len(data.train), len(data.test)
    (16, 4)
    """
    if not 1 <= count < len(data.train):
        raise DataError(
            f"{count} images cannot be held out of a training split of {len(data.train)}; "
            f"choose from 1 to {len(data.train) - 1}."
        )
    order = np.random.default_rng(0).permutation(len(data.train))
    return replace(data, train=_subset(data.train, np.sort(order[count:])), test=_subset(data.train, order[:count]))


def leave_out(data: ImageData, indices: NDArray[np.int64], labels: Sequence[str] | None = None) -> ImageData:
    """Return the data set without these images of its training split, numbered from 0, in any order.

    labels: the class name that each of them should have, "" where nobody knows: a list of another data set names other
    ones. Where a class loses all of its images, a warning says so. No image is copied.

    Raises:
        DataError: an image is not in the split or has another label, or fewer than 2 are left.

    >>> from sightline.image_data.planted_shapes import planted_shapes
    >>> data = planted_shapes("honest", train_count=20, test_count=10)
    >>> less = leave_out(data, np.array([0, 2]))
    >>> less.train.labels.tolist() == data.train.labels[[1, *range(3, 20)]].tolist(), len(less.test)
    (True, 10)
    """
    train, names = data.train, data.train.class_names
    refuse_misfit(train, indices, labels)
    kept = np.setdiff1d(np.arange(len(train)), indices)
    lost = [names[code] for code in np.setdiff1d(train.labels, train.labels[kept])]
    more = "" if len(lost) <= 5 else f" and {len(lost) - 5:,} more"
    warnings = (f"No training image is left of the class {', '.join(lost[:5])}{more}.",) if lost else ()
    return replace(data, train=_subset(train, kept), warnings=(*data.warnings, *warnings))


def refuse_misfit(train: ImageSplit, indices: NDArray[np.int64], labels: Sequence[str] | None = None) -> None:
    """Raise DataError where these images cannot be left out of a training split, as `leave_out` says."""
    names = train.class_names
    outside = indices[(indices < 0) | (indices >= len(train))]
    if len(outside):
        raise DataError(
            f"Image {outside[0]} is not in the training split, whose {len(train):,} images are numbered "
            f"from 0 to {len(train) - 1}."
        )
    for index, label in zip(indices, labels or (), strict=labels is not None):
        if label and unicodedata.normalize("NFC", label) != (known := names[train.labels[index]]):
            raise DataError(
                f"Image {index} of the training split is of the class {known!r}, and {label!r} in the list."
            )
    left = len(train) - len(np.unique(indices))
    if left < 2:
        raise DataError(f"Of {len(train):,} training images {left} would be left, and at least 2 are needed.")


def _subset(split: ImageSplit, index: NDArray[np.int64]) -> ImageSplit:
    images, labels = Rows(split.images, index), split.labels[index]
    return ImageSplit(
        images,
        labels,
        split.class_names,
        content_fingerprint(images, labels, split.class_names),
        None if split.masks is None else split.masks[index],
        None if split.paths is None else tuple(split.paths[i] for i in index),
    )


def content_fingerprint(images: Images, labels: NDArray[np.int64], class_names: Sequence[str]) -> str:
    """Return the SHA-256 hex digest of what a split contains, however and wherever it is stored.

    Takes the class names in order, the shape of `images` (uint8 N×H×W×3), the labels as little-endian int64
    and the pixels in C order. Masks and paths do not count.

    >>> images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.array([0, 1])
    >>> fingerprint = content_fingerprint(images, labels, ("cat", "dog"))
    >>> len(fingerprint), fingerprint == content_fingerprint(images, labels, ("cat", "owl"))
    (64, False)
    """
    digest = fingerprint_before_pixels(images.shape, labels, class_names)
    for chunk in in_chunks(images):
        digest.update(chunk.data)
    return digest.hexdigest()


def fingerprint_before_pixels(
    shape: tuple[int, ...], labels: NDArray[np.int64], class_names: Sequence[str]
) -> hashlib._Hash:
    """Return the hash that becomes the content's fingerprint once it has been given the pixels, in order."""
    header = json.dumps({"class_names": list(class_names), "shape": list(shape)})
    digest = hashlib.sha256(header.encode("ascii"))
    digest.update(np.ascontiguousarray(labels, dtype="<i8").data)
    return digest


def _describe(array: Images) -> str:
    return f"{array.dtype} of shape {array.shape}"
