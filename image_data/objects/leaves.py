"""Take off what wraps a data set: loaders, subsets, concatenations, and its transform."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.splits import DataError

_TORCH = "torch.utils.data.dataset"
_WHOLE = {"SequentialSampler", "RandomSampler", "DistributedSampler"}  # samplers that leave nothing out
_DEFAULT_COLLATE = {"default_collate", "default_convert"}
_TRANSFORMS = ("transform", "transforms")  # as data sets call it
_READ_ONLY = ("processor", "image_processor")  # likewise, but called in ways of their own, so that it is not taken off
_WANTED = (
    "a data set has a length and gives an image and its label for each index: a Dataset of torch, torchvision or "
    "Hugging Face, a list of pairs, two arrays (images, labels), or a class with __len__ and __getitem__"
)


@dataclass(frozen=True)
class Leaves:
    """The data sets that wrap no other, and which row of which of them each image is."""

    data: list[Any]
    index: NDArray[np.int64]
    """N×2: the number of a leaf, and a row of it."""

    def __len__(self) -> int:
        return len(self.index)

    def item(self, position: int) -> Any:
        """Return an item as its data set gives it."""
        leaf, row = self.index[position].tolist()
        return self.data[leaf][row]


class Pairs:
    """Images and labels that lie in two arrays.

    >>> Pairs("ab", [0, 1])[1]
    ('b', 1)
    """

    def __init__(self, images: Any, labels: Any) -> None:
        self._images, self._labels = images, labels

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, row: int) -> tuple[Any, Any]:
        return self._images[row], self._labels[row]


def leaves_of(data: Any) -> tuple[Leaves, tuple[str, ...]]:
    """Return the leaves of a data set, and sentences for the user. Raises DataError for what is no data set."""
    notes: list[str] = []
    leaves = _leaves(data, notes)
    if not len(leaves):
        raise DataError("The data set has no images; give one with at least one.")
    return leaves, tuple(notes)


def _leaves(data: Any, notes: list[str]) -> Leaves:
    kind = (type(data).__module__, type(data).__name__)
    if hasattr(data, "dataset") and hasattr(data, "batch_sampler"):  # a loader, also Lightning's and accelerate's
        leaves, rows = _leaves(data.dataset, notes), _rows_of_loader(data, notes)
        return leaves if rows is None else Leaves(leaves.data, leaves.index[rows])
    if kind == (_TORCH, "Subset"):  # not what only derives from it: that may have a transform of its own
        leaves = _leaves(data.dataset, notes)
        return Leaves(leaves.data, leaves.index[np.asarray(data.indices, dtype=np.int64)])
    if kind == (_TORCH, "ConcatDataset"):
        parts = [_leaves(part, notes) for part in data.datasets]
        firsts = np.cumsum([0, *(len(part.data) for part in parts)])
        index = [part.index + (first, 0) for part, first in zip(parts, firsts, strict=False)]
        return Leaves([each for part in parts for each in part.data], np.concatenate(index))
    if isinstance(data, Mapping):
        raise DataError(f"Give one split of the data set, such as data[{next(iter(data), 'test')!r}], not all of them.")
    if isinstance(data, (tuple, list)) and len(data) == 2 and all(_is_array(each) for each in data):
        images, labels = data
        if len(images) != len(labels):
            raise DataError(f"There are {len(images):,} images and {len(labels):,} labels; give one label an image.")
        data = Pairs(images, labels)
    rows = np.arange(_length(data))
    return Leaves([data], np.stack([np.zeros_like(rows), rows], axis=1))


def _rows_of_loader(loader: Any, notes: list[str]) -> NDArray[np.int64] | None:
    """Return the rows that a loader shows, in the order of its data set; None for all of them."""
    sampler: Any = getattr(loader, "sampler", None)
    name = type(sampler).__name__
    if getattr(loader, "batch_size", None) is None or (
        name not in _WHOLE | {"SubsetRandomSampler"} or getattr(sampler, "replacement", False)
    ):
        raise DataError(
            f"It cannot be told which images the DataLoader shows ({name}, or batches of its own); give its data set."
        )
    collate = getattr(getattr(loader, "collate_fn", None), "__name__", "")
    if collate not in _DEFAULT_COLLATE:
        notes.append(
            "The collate_fn of the DataLoader is not used: images are read from its data set, and its transform, or "
            "what you give, says how they come before the model."
        )
    return np.sort(np.asarray(sampler.indices, dtype=np.int64)) if name == "SubsetRandomSampler" else None


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and len(value.shape) > 0


def _length(data: Any) -> int:
    if not hasattr(type(data), "__getitem__"):
        raise DataError(f"A {type(data).__name__} is no data set that can be read in any order; {_WANTED}.")
    try:
        return len(data)
    except (TypeError, NotImplementedError) as error:
        raise DataError(f"The data set, a {type(data).__name__}, has no length; {_WANTED}.") from error


# The transform of a leaf


def transform_of(data: Any) -> Any:
    """Return the transform that a data set has as an attribute; None where it has none."""
    if is_hugging_face(data):
        return data.format["format_kwargs"].get("transform")
    attributes = getattr(data, "__dict__", {})
    for name in _TRANSFORMS + _READ_ONLY:
        if callable(attributes.get(name)):
            return getattr(attributes[name], "transform", attributes[name])  # torchvision pairs it with the target's
    return None


def without_transform(data: Any) -> Any:
    """Return a copy of a data set, which shares all else, that leaves its images as they were before its transform."""
    if is_hugging_face(data):
        return data.with_format(None)
    data = copy.copy(data)
    for name in _TRANSFORMS:
        found: Any = getattr(data, name, None)
        if hasattr(found, "transform"):  # torchvision's pair
            found = copy.copy(found)
            found.transform = _as_it_is
            setattr(data, name, found)
        elif callable(found):
            setattr(data, name, _as_it_is)
    return data


def _as_it_is(image: Any) -> Any:
    return image


def is_hugging_face(data: Any) -> bool:
    """Tell whether a data set is one of Hugging Face's library."""
    return hasattr(data, "features") and hasattr(data, "with_format") and hasattr(data, "column_names")
