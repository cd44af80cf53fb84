"""Make a split of any data set of (image, label)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.class_names import with_classes
from sightline.image_data.images import Images
from sightline.image_data.objects.labels import codes, names_of
from sightline.image_data.objects.pictures import UNCHANGED
from sightline.image_data.objects.source import ItemSource, source_of
from sightline.image_data.preprocessing import NOTHING_SAID, Channels, Preprocessing
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.splits import DataError, ImageSplit, Progress, content_fingerprint

IN_MEMORY_BYTES = 2**30  # of pixels; more are read from the data set each time they are needed


def split_of(
    data: Any,
    class_names: Sequence[str] | None = None,
    *,
    transform: object = None,
    mean: Channels | None = None,
    std: Channels | None = None,
    size: int | None = None,
    resize: Resize | None = None,
    default: Preprocessing = NOTHING_SAID,
    progress: Progress | None = None,
) -> tuple[ImageSplit, tuple[str, ...]]:
    """Turn any data set into a split, and sentences for the user; `ImageSplit.preprocessing` says what was found.

    What has a length and gives (image, label) is a data set: of torch, torchvision, Hugging Face or MedMNIST, subsets
    and loaders of such, a list of pairs, two arrays, an own class. An image may be one of PIL, an array or a tensor of
    pixels 0–255 or 0–1, or a tensor that was normalised, of which mean and std are then taken off again.

    A transform of the data set is not applied, but read, where it does nothing but resize, cut and normalise: then
    the images are brought to its size by its rule. Any other is applied.

    Args:
        class_names: in the order of the model's outputs; the codes of the data set's own classes become theirs.
        transform: what a test image goes through before the model, in the place of the data set's own.
        mean, std, size, resize: what no transform says, or in the place of what it says.
        default: size and rule for pixels 0–255 of which neither says them; by default they stay as large as they are.
        progress: called while images are read.

    Raises:
        DataError: it is no data set; an item cannot be read, is no pair, or other than those before; a label or the
            names are wrong; the images are of several sizes and none is asked for; it draws at random.

    >>> split, notes = split_of([(np.zeros((8, 8), np.uint8), 1), (np.ones((8, 8), np.uint8), 0)], ["cat", "dog"])
    >>> split.images.shape, split.labels.tolist(), split.class_names
    ((2, 8, 8, 3), [1, 0], ('cat', 'dog'))
    """
    source = source_of(data, transform, Preprocessing(mean, std, size, resize), default)
    images, labels = _read(source, progress)
    names = _names(source, class_names)
    labelled, names = codes(labels, names)
    shown = source.reader.preprocessing
    rule = CROP if shown.size is None else shown.resize or CROP  # by which all of a square is kept
    said = replace(shown, size=images.shape[1], resize=rule)
    if said.mean is None and source.reader.scale in UNCHANGED:
        said = said.over(UNCHANGED[source.reader.scale])
    fingerprint = content_fingerprint(images, labelled, names)
    split = ImageSplit(images, labelled, names, fingerprint, paths=source.paths, preprocessing=said)
    if class_names is None or names == tuple(class_names):
        return split, source.notes
    if len(class_names) == len(names) and not {*class_names} & {*names}:
        note = f"The classes are named by their codes: {names[0]} is {class_names[0]}, and so on."
        names = tuple(class_names)
        split = replace(split, class_names=names, fingerprint=content_fingerprint(images, labelled, names))
        return split, (*source.notes, note)
    return with_classes(split, class_names, "The list of classes"), source.notes


def _names(source: ItemSource, class_names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names that go with the codes of the labels; none where neither the data nor the user has them."""
    found = {names for names in map(names_of, source.leaves.data) if names}
    if len(found) > 1:
        raise DataError("The data sets that were put together have different classes; give them the same.")
    names = found.pop() if found else ()
    repeated = sorted({name for name in names if names.count(name) > 1})
    if class_names is not None and (repeated or not names):  # ImageNet has two cranes
        return tuple(class_names)
    if repeated:
        raise DataError(f"The data set has several classes called {repeated[0]}; give names that differ with classes=.")
    return names


def _read(source: ItemSource, progress: Progress | None) -> tuple[Images, list[int | str]]:
    """Return all images, in memory where they fit, and their labels."""
    side = source.side
    shape = (len(source), side, side, 3)
    kept = np.empty(shape, np.uint8) if np.prod(shape, dtype=np.int64) <= IN_MEMORY_BYTES else None
    labels = []
    for position, (pixels, label) in enumerate(source.all()):
        if kept is not None:
            kept[position] = pixels
        labels.append(label)
        if progress:
            progress(position + 1, len(source))
    return (_ItemImages(source) if kept is None else kept), labels


class _ItemImages:
    """Images that are read from their data set when they are asked for, as `Images` are."""

    def __init__(self, source: ItemSource) -> None:
        self._source = source
        self.shape, self.dtype = (len(source), source.side, source.side, 3), np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]:
        positions = np.arange(len(self))[rows]
        if positions.ndim == 0:
            return self._source.pixels(int(positions))
        found = [self._source.pixels(position) for position in positions.tolist()]
        return np.stack(found) if found else np.empty((0, *self.shape[1:]), np.uint8)
