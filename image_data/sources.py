"""The table of data sets, a row each: nothing else knows how they are named.

A new source is a file that loads it, and its row here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.image_data.planted_shapes import VARIANTS
from sightline.image_data.preprocessing import Channels, Preprocessing
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.splits import SPLITS, DataError, ImageData, ImageSplit, Progress

if TYPE_CHECKING:
    from sightline.image_data.folder.listing import FolderListing

IMAGE_SIZES = (8, 1024)  # pixels: the smallest and the largest side that may be asked for


@dataclass(frozen=True)
class Request:
    """An order for a loader: which splits of which data, and how."""

    argument: str
    """The text after the colon of the name, such as the folder; empty where there is no colon."""
    splits: tuple[str, ...]
    """The names of those needed, of "train" and "test"; the others need not exist."""
    split: str | None
    """What the source calls the split to take for "test"; None: that is to be found."""
    given: Preprocessing
    """What the user says of size and rule, and of mean and std, which are needed where images were normalised."""
    default_size: int | None
    """The side of the images, pixels, where nobody says it."""
    data_dir: Path
    """The folder for downloads and decoded images."""
    strict: bool
    """True: an image that is broken, or of no format that is read, is an error; else it is left out with a warning."""
    progress: Progress | None

    @property
    def image_size(self) -> int:
        """Side of the images, pixels, where they may be of any. Raises DataError where there is none."""
        side = self.given.size or self.default_size
        if side is None:
            allowed = "{} to {}".format(*IMAGE_SIZES)
            raise DataError(
                f"The images of {self.argument} may be of any size: "
                f"give image_size, the side in pixels to bring them to, from {allowed}."
            )
        return side


Loaded = tuple[dict[str, ImageSplit], tuple[str, ...]]  # the splits by name, and sentences to warn the user with


@dataclass(frozen=True)
class Source:
    """A kind of data set, called `prefix` or `prefix:argument` on the command line."""

    load: Callable[[Request], Loaded]
    """Raises DataError, with a sentence, where the data cannot be had."""
    about: str
    """A few words on it, for the help of --dataset."""
    arguments: tuple[str, ...] = ("",)
    """The arguments there are, "" for none; one in capitals, such as DIR, stands for any text."""
    training_classes: Callable[[str], tuple[str, ...]] = lambda argument: ()
    """The names of the classes of its training split, which is not loaded for that; none where they are not known."""
    side: int | None = None
    """Side of its images, pixels; None: they may be of any size and are brought to the one that is asked for."""


def _planted_shapes(request: Request) -> Loaded:
    from sightline.image_data.planted_shapes import planted_shapes

    return _both_splits(planted_shapes(request.argument or VARIANTS[0]), request)


def _cifar10(request: Request) -> Loaded:
    from sightline.image_data.cifar10 import load_cifar10

    return _both_splits(load_cifar10(request.data_dir), request)


def _both_splits(data: ImageData, request: Request) -> Loaded:
    splits = {"train": data.train, "test": data.test}
    if request.split not in (None, *splits):
        raise DataError(f"There is no split {request.split!r}; --split may be {' or '.join(splits)}.")
    return splits | {"test": splits[request.split or "test"]}, data.warnings


def _folder(request: Request) -> Loaded:
    from sightline.image_data.folder.listing import list_folder

    return _load_files(request, list_folder(Path(request.argument).expanduser(), request.splits, request.split))


def _load_files(request: Request, listing: FolderListing) -> Loaded:
    from sightline.image_data.folder.load import load_files

    return load_files(
        listing,
        request.image_size,
        request.data_dir / "cache",
        resize=request.given.resize or CROP,
        strict=request.strict,
        progress=request.progress,
    )


def _training_classes(argument: str) -> tuple[str, ...]:
    from sightline.image_data.folder.listing import training_classes

    return training_classes(Path(argument).expanduser())


SOURCES = {
    "planted-shapes": Source(_planted_shapes, "generated, with masks", arguments=("", *VARIANTS), side=32),
    "cifar10": Source(_cifar10, "downloaded where there is no copy", side=32),
    "folder": Source(
        _folder, "images in DIR/train/<class>/ and DIR/test/<class>/", ("DIR",), training_classes=_training_classes
    ),
}


def load_image_data(
    dataset: str,
    *,
    image_size: int | None = None,
    default_size: int | None = None,
    resize: Resize | None = None,
    data_dir: Path | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> ImageData:
    """Load a data set by its name on the command line.

    Args:
        dataset: a name of `SOURCES`: `planted-shapes` (the honest variant), `planted-shapes:honest`,
            `planted-shapes:shortcut`, `cifar10` or `folder:DIR`.
        image_size: side in pixels, 8–1024, that images of any size are brought to. Planted shapes and CIFAR-10 are
            32 pixels wide, always.
        default_size: likewise, where neither image_size nor the data set says it.
        resize: the rule by which they are brought to it; None: the data set's own, or else `CROP`.
        data_dir: where CIFAR-10 lies or is downloaded to, and where decoded images are cached; by default
            the environment variable SIGHTLINE_DATA, else `.data`.
        strict: refuse images that would be left out, instead of doing so with a warning.
        progress: called while images are decoded.

    Raises:
        DataError: the name is unknown, or the data cannot be had; the sentence says what to do.

    >>> data = load_image_data("planted-shapes:shortcut")
    >>> data.train.images.shape, data.test.images.shape, data.test.class_names[:3]
    ((5000, 32, 32, 3), (2000, 32, 32, 3), ('circle', 'square', 'triangle'))
    """
    given = Preprocessing(size=image_size, resize=resize)
    loaded, warnings = _load(dataset, SPLITS, None, given, default_size, data_dir, strict, progress)
    return ImageData(dataset, loaded["train"], loaded["test"], warnings)


def load_test_split(
    dataset: str,
    *,
    image_size: int | None = None,
    default_size: int | None = None,
    split: str | None = None,
    resize: Resize | None = None,
    mean: Channels | None = None,
    std: Channels | None = None,
    data_dir: Path | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> tuple[ImageSplit, tuple[str, ...]]:
    """Return the test split alone, and sentences to warn the user with.

    Classes may lack images, as long as there is one image. Other arguments and errors are those of `load_image_data`.

    Args:
        split: what the data set calls the split to take, such as "val" or "train"; None: one that is called test, val,
            valid or validation, the first that there is, or all images where there are no splits.
        mean, std: those with which the images were normalised, where the data set gives them so and does not say.
    """
    given = Preprocessing(mean, std, image_size, resize)
    loaded, warnings = _load(dataset, ("test",), split, given, default_size, data_dir, strict, progress)
    return loaded["test"], warnings


def _load(
    dataset: str,
    splits: tuple[str, ...],
    split: str | None,
    given: Preprocessing,
    default_size: int | None,
    data_dir: Path | None,
    strict: bool,
    progress: Progress | None,
) -> Loaded:
    source, argument = _find(dataset)
    _check_side(dataset, source, given.size, default_size)
    folder = data_dir or Path(os.environ.get("SIGHTLINE_DATA") or ".data")
    return source.load(Request(argument, splits, split, given, default_size, folder, strict, progress))


def training_classes(dataset: str) -> tuple[str, ...]:
    """Return the names of the classes of the training split, which is not loaded; none where there is none to be had.

    Raises DataError for an unknown data set.
    """
    source, argument = _find(dataset)
    return source.training_classes(argument)


def dataset_help() -> str:
    """Return what may be given as --dataset, with what each of it is."""
    return "; ".join(f"{', '.join(_names(prefix))}: {source.about}" for prefix, source in SOURCES.items())


def dataset_folder(dataset: str) -> Path | None:
    """Return the folder that the name of a data set points to; None where it points to none.

    Raises DataError for an unknown one, or where its `~` stands for no folder.
    """
    source, argument = _find(dataset)
    if not any(map(str.isupper, source.arguments)):
        return None
    try:
        return Path(argument).expanduser()
    except RuntimeError as error:
        raise DataError(f"Nobody has the home folder in {dataset!r}; write the whole path.") from error


def _find(dataset: str) -> tuple[Source, str]:
    """Return the source that `dataset` names, and the argument in it. Raises DataError for an unknown one."""
    prefix, _, argument = dataset.partition(":")
    source = SOURCES.get(prefix)
    if source and (dataset in _names(prefix) or argument and any(map(str.isupper, source.arguments))):
        return source, argument
    raise DataError(f"Unknown data set {dataset!r}; choose from: {', '.join(_names(*SOURCES))}.")


def _names(*prefixes: str) -> list[str]:
    """Return what may be written for the sources of these prefixes."""
    return [f"{prefix}:{word}" if word else prefix for prefix in prefixes for word in SOURCES[prefix].arguments]


def _check_side(dataset: str, source: Source, image_size: int | None, default_size: int | None) -> None:
    """Raise DataError for a side that the images cannot have."""
    if source.side is None:
        side = default_size if image_size is None else image_size
        smallest, largest = IMAGE_SIZES
        if side is not None and not smallest <= side <= largest:
            raise DataError(f"The image size must lie between {smallest} and {largest}, not {side}.")
    elif image_size not in (None, source.side):
        others = ", ".join(_names(*(prefix for prefix, other in SOURCES.items() if other.side is None)))
        raise DataError(
            f"The images of {dataset} are {source.side}×{source.side} and cannot be loaded at {image_size} pixels; "
            f"leave the image size out, or use {others}."
        )
