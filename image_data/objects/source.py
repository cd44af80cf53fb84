"""How the items of a data set are read: with its transform or without, as numbers of which scale, from which files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.decode import decode_image
from sightline.image_data.objects.labels import label_of
from sightline.image_data.objects.leaves import Leaves, leaves_of, transform_of, without_transform
from sightline.image_data.objects.pictures import Reader, as_array, channels_last, scale_of
from sightline.image_data.preprocessing import NOTHING_SAID, Preprocessing
from sightline.image_data.resize import CROP
from sightline.image_data.splits import DataError
from sightline.image_data.transforms import preprocessing_of, read_transform
from sightline.image_data.trial import deviation, expected

MOST_SIDE = 1024  # pixels, of an image that a run can have
_LOOKED_AT = 16  # items, for what all of them are like
_BLOCKS = 8  # of each side, by which two pictures are compared: finer, half a pixel would count
_MOST_DIFFERENCE = 2.5  # of 255, of two pictures' blocks on average
# What items call image and label that are dicts, the first that is there.
_IMAGES = ("pixel_values", "image", "img", "images", "picture", "jpg", "png", "x")
_LABELS = ("label", "labels", "fine_label", "target", "targets", "class", "cls", "y")

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ItemSource:
    """A data set, and how an item of it becomes pixels and a label."""

    leaves: Leaves
    reader: Reader
    side: int
    """Of all images, pixels."""
    paths: tuple[str, ...] | None
    """The file of each image, where the data set has them and its images are as in their files."""
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.leaves)

    def all(self) -> Iterator[tuple[NDArray[np.uint8], int | str]]:
        """Yield the pixels, uint8 S×S×3, and the label of every item."""
        for position in range(len(self)):
            image, label = pair(self.leaves, position)
            yield self._pixels(position, image), located(position, label_of, label)

    def pixels(self, position: int) -> NDArray[np.uint8]:
        """Return the pixels of an item, uint8 S×S×3."""
        return self._pixels(position, pair(self.leaves, position)[0])

    def _pixels(self, position: int, image: Any) -> NDArray[np.uint8]:
        pixels = located(position, self.reader.pixels, image)
        if pixels.shape[:2] != (self.side, self.side):
            raise _several_sizes(position, pixels, f"item 0 {self.side}×{self.side}")
        return pixels


def source_of(data: Any, transform: object, given: Preprocessing, default: Preprocessing) -> ItemSource:
    """Find out how to read a data set. transform, given, default: as in `split_of`. Raises DataError."""
    leaves, notes = leaves_of(data)
    leaves, said, is_normalised = _taken_off(leaves, transform, given)
    some = np.unique(np.linspace(0, len(leaves) - 1, _LOOKED_AT).astype(int)).tolist()
    sample = [pair(leaves, position)[0] for position in some]
    _refuse_chance(leaves, some, sample)
    scale = scale_of(sample)
    if scale is None:
        size = np.asarray(located(0, Reader(NOTHING_SAID).picture, sample[0])).shape[:2]
        rule = None if size == (default.size, default.size) else default.resize  # else they are as the model takes them
        said = said.over(Preprocessing(size=default.size, resize=rule))
    reader = Reader(said, "normalised" if scale and is_normalised else scale)
    if said.size is not None and not 1 <= said.size <= MOST_SIDE:
        raise DataError(f"A size of {said.size} pixels is out of range; it may be 1 to {MOST_SIDE}.")
    first = located(0, reader.pixels, sample[0])
    if first.shape[0] != first.shape[1]:
        raise _several_sizes(0, first, "images must be square")
    if first.shape[0] > MOST_SIDE:
        raise _several_sizes(0, first, f"a side may have {MOST_SIDE:,}")
    if _is_between(reader, sample):
        notes += ("The images are no whole numbers of 0–255 when mean and std are taken off; kept are the nearest.",)
    source = ItemSource(leaves, reader, first.shape[0], None, notes)
    return replace(source, paths=_paths(source, some))


def pair(leaves: Leaves, position: int) -> tuple[Any, Any]:
    """Return image and label of an item. Raises DataError where the data set fails, or it is no pair."""
    try:
        item = leaves.item(position)
    except (Exception, SystemExit) as error:  # of somebody's own class
        words = str(error).strip().splitlines() or [""]
        raise DataError(
            f"Item {position} of the data set could not be read ({type(error).__name__}: {words[0][:200]})."
        ) from error
    if isinstance(item, Mapping):
        keys = [next((key for key in names if key in item), None) for names in (_IMAGES, _LABELS)]
        if None not in keys:
            return item[keys[0]], item[keys[1]]
        found = f"a dict of {', '.join(map(str, item))}"
        raise DataError(f"Item {position} is {found}: call its image {_IMAGES[1]!r} and its label {_LABELS[0]!r}.")
    if isinstance(item, (tuple, list)) and len(item) >= 2:
        return item[0], item[1]
    raise DataError(f"Item {position} is a {type(item).__name__}, not a pair of an image and its label.")


def located(position: int, read: Callable[[Any], Answer], value: Any) -> Answer:
    """Return read(value); where it raises, the DataError begins with the number of the item."""
    try:
        return read(value)
    except DataError as error:
        raise DataError(f"Item {position}: {error}.") from error
    except Exception as error:  # an array or an image may be of any kind
        raise DataError(f"Item {position} could not be read as an image ({type(error).__name__}: {error}).") from error


def _several_sizes(position: int, pixels: NDArray[np.uint8], but: str) -> DataError:
    height, width = pixels.shape[:2]
    return DataError(
        f"Item {position} is {width}×{height} pixels, and {but}: give the transform that makes them "
        "so, or the size to which all are brought, and how (resize)."
    )


# With the transform or without


def _taken_off(leaves: Leaves, transform: object, given: Preprocessing) -> tuple[Leaves, Preprocessing, bool]:
    """Return the leaves, without their transform where it could be read, what happens to their images before a model,
    and whether mean and std have been taken from them already.
    """
    plain = Leaves([without_transform(each) if transform_of(each) else each for each in leaves.data], leaves.index)
    if transform is not None:
        return plain, given.over(preprocessing_of(transform)), False
    transforms = [transform_of(each) for each in leaves.data]
    if not any(transforms):
        return leaves, given, False
    found = [read_transform(each) for each in transforms]
    said, doubt = found[0]
    if any(other != found[0] for other in found):
        raise DataError("The data sets that were put together have different transforms; give one with transform=.")
    if not doubt and _is_all(leaves, plain, said):
        return plain, given.over(said), False
    return leaves, Preprocessing(said.mean, said.std).over(given), said.mean is not None


def _is_all(leaves: Leaves, plain: Leaves, said: Preprocessing) -> bool:
    """Tell whether the images of a data set are those that it has without its transform, by what was read in that."""
    for position in np.unique(np.linspace(0, len(leaves) - 1, 4).astype(int)).tolist():
        try:
            theirs = channels_last(pair(leaves, position)[0]).transpose(2, 0, 1)
            image = Reader(Preprocessing()).picture(pair(plain, position)[0])
        except DataError:
            return False
        ours = expected(image, said)
        theirs = np.broadcast_to(theirs, (3, *theirs.shape[1:])) if len(theirs) == 1 else theirs
        if theirs.shape != ours.shape or deviation(_blocks(theirs), _blocks(ours)) > _MOST_DIFFERENCE:
            return False
    return True


def _blocks(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean values of blocks of an image of C×H×W: C×8×8, or itself where it is smaller."""
    channels, height, width = image.shape
    rows, columns = (np.arange(0, side, max(1, side // _BLOCKS)) for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(image.astype(np.float64), rows, axis=1), columns, axis=2)
    counts = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    return sums / counts


def _refuse_chance(leaves: Leaves, some: list[int], sample: list[Any]) -> None:
    for position, image in zip(some, sample, strict=True):
        first, again = as_array(image), as_array(pair(leaves, position)[0])
        if not np.array_equal(first, again, equal_nan=first.dtype.kind == again.dtype.kind == "f"):
            raise DataError(
                f"Item {position} is another image each time: the data set draws at random, as for training. "
                "Give the one that test images come from."
            )


def _is_between(reader: Reader, sample: list[Any]) -> bool:
    """Tell whether pixels lie far between whole numbers, as where images were resized after they became fractions."""
    if reader.scale is None:
        return False
    values = [reader.unrounded(channels_last(image)) for image in sample if as_array(image).dtype.kind == "f"]
    return any(np.abs(each - np.rint(each)).max(initial=0) > 0.05 for each in values)


# Files


def _paths(source: ItemSource, some: list[int]) -> tuple[str, ...] | None:
    """Return the files that a data set names, where its images are what they are when they are read from there."""
    files = []
    for leaf, row in source.leaves.index.tolist():
        samples = getattr(source.leaves.data[leaf], "samples", None)
        file = samples[row][0] if isinstance(samples, list) and isinstance(samples[row], (tuple, list)) else None
        if not isinstance(file, (str, os.PathLike)):
            return None
        files.append(os.path.abspath(os.fspath(file)))
    for position in some:
        try:
            files[position].encode()  # no table of predictions holds a name that is not UTF-8
            image = decode_image(files[position], source.side, source.reader.preprocessing.resize or CROP)
        except (DataError, UnicodeEncodeError):
            return None
        if deviation(_blocks(image.transpose(2, 0, 1)), _blocks(source.pixels(position).transpose(2, 0, 1))) > 1:
            return None
    return tuple(files)
