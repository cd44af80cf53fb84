"""The table of data sets, a row each: nothing else knows how they are named.

A new source is a file that loads it, and its row here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sightline.image_data import loaders
from sightline.image_data.loaders import Loaded, Request, path_of
from sightline.image_data.planted_shapes import VARIANTS
from sightline.image_data.preprocessing import Channels, Preprocessing
from sightline.image_data.resize import Resize
from sightline.image_data.splits import SPLITS, DataError, ImageData, ImageSplit, Progress

IMAGE_SIZES = (8, 1024)  # pixels: the smallest and the largest side that may be asked for


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
    runs_code: bool = False
    """Whether a program of the user's is run for it, so that its name must come from the user."""


OWN_CODE = "FILE.py"  # stands for the file of a data set that is called FILE.py:NAME
SOURCES = {
    "planted-shapes": Source(loaders.load_planted_shapes, "generated, with masks", arguments=("", *VARIANTS), side=32),
    "cifar10": Source(loaders.load_cifar, "downloaded where there is no copy", side=32),
    "folder": Source(
        loaders.load_folder,
        "images in DIR/train/<class>/ and DIR/test/<class>/",
        ("DIR",),
        training_classes=loaders.classes_of_folder,
    ),
    "csv": Source(
        loaders.load_table,
        "a table of paths and labels, and perhaps splits",
        ("FILE",),
        training_classes=loaders.classes_of_table,
    ),
    "npz": Source(
        loaders.load_arrays, "arrays of images and labels", ("FILE",), training_classes=loaders.classes_of_arrays
    ),
    "hf": Source(loaders.load_hub_folder, "a data set of Hugging Face in a folder", ("DIR",)),
    OWN_CODE: Source(
        loaders.load_own_code, "a data set of (image, label) in your own Python file", ("NAME",), runs_code=True
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
    run_code: bool = False,
    progress: Progress | None = None,
) -> ImageData:
    """Load a data set by its name on the command line.

    Args:
        dataset: a name of `SOURCES`: `planted-shapes` (the honest variant), `planted-shapes:honest`,
            `planted-shapes:shortcut`, `cifar10`, `folder:DIR`, `csv:FILE`, `npz:FILE`, `hf:DIR` or `FILE.py:NAME`.
        image_size: side in pixels, 8–1024, that images of any size are brought to. Planted shapes and CIFAR-10 are
            32 pixels wide, always.
        default_size: likewise, where neither image_size nor the data set says it.
        resize: the rule by which they are brought to it; None: the data set's own, or else `CROP`.
        data_dir: where CIFAR-10 lies or is downloaded to, and where decoded images are cached; by default
            the environment variable SIGHTLINE_DATA, else `.data`.
        strict: refuse images that would be left out, instead of doing so with a warning.
        run_code: whether the name was given by the user, so that the program in FILE.py:NAME may be run. One that a
            run says may be a stranger's.
        progress: called while images are decoded.

    Raises:
        DataError: the name is unknown, or the data cannot be had; the sentence says what to do.

    >>> data = load_image_data("planted-shapes:shortcut")
    >>> data.train.images.shape, data.test.images.shape, data.test.class_names[:3]
    ((5000, 32, 32, 3), (2000, 32, 32, 3), ('circle', 'square', 'triangle'))
    """
    given, default = Preprocessing(size=image_size, resize=resize), Preprocessing(size=default_size)
    loaded, warnings = _load(dataset, SPLITS, None, given, default, data_dir, strict, run_code, progress)
    return ImageData(dataset, loaded["train"], loaded["test"], warnings)


def load_test_split(
    dataset: str,
    *,
    image_size: int | None = None,
    default_size: int | None = None,
    split: str | None = None,
    resize: Resize | None = None,
    default_resize: Resize | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    data_dir: Path | None = None,
    strict: bool = False,
    run_code: bool = False,
    progress: Progress | None = None,
) -> tuple[ImageSplit, tuple[str, ...]]:
    """Return the test split alone, and sentences to warn the user with.

    Classes may lack images, as long as there is one image. Other arguments and errors are those of `load_image_data`.

    Args:
        split: what the data set calls the split to take, such as "val" or "train"; None: one that is called test, val,
            valid or validation, the first that there is, or all images where there are no splits.
        default_resize: the rule where neither `resize` nor the data set says one; None: `CROP`.
        mean, std: those with which the images were normalised, for red, green and blue, where the data set gives them
            so and does not say.
    """
    given = Preprocessing(_channels(mean), _channels(std), image_size, resize)
    default = Preprocessing(size=default_size, resize=default_resize)
    loaded, warnings = _load(dataset, ("test",), split, given, default, data_dir, strict, run_code, progress)
    return loaded["test"], warnings


def _channels(values: Sequence[float] | None) -> Channels | None:
    if not values:
        return None
    red, green, blue = values
    return red, green, blue


def _load(
    dataset: str,
    splits: tuple[str, ...],
    split: str | None,
    given: Preprocessing,
    default: Preprocessing,
    data_dir: Path | None,
    strict: bool,
    run_code: bool,
    progress: Progress | None,
) -> Loaded:
    source, argument = _find(dataset)
    if source.runs_code and not run_code:
        raise DataError(
            f"{dataset} is a program, which is run only where you name it yourself: in a command with --dataset, in "
            "Python with run_code=True."
        )
    _check_side(dataset, source, given.size, default.size)
    folder = data_dir or Path(os.environ.get("SIGHTLINE_DATA") or ".data")
    return source.load(Request(argument, splits, split, given, default, folder, strict, progress))


def training_classes(dataset: str) -> tuple[str, ...]:
    """Return the names of the classes of the training split, which is not loaded; none where there is none to be had.

    Raises DataError for an unknown data set.
    """
    source, argument = _find(dataset)
    return source.training_classes(argument)


def dataset_help() -> str:
    """Return what may be given as --dataset, with what each of it is."""
    return "; ".join(f"{', '.join(_names(prefix))}: {source.about}" for prefix, source in SOURCES.items())


def dataset_path(dataset: str) -> Path | None:
    """Return the file or folder that the name of a data set points to, in which all of it lies; None: to none.

    Raises DataError for an unknown one, or where its `~` stands for no folder.
    """
    source, argument = _find(dataset)
    if not any(map(str.isupper, source.arguments)):
        return None
    return path_of(argument.rpartition(":")[0] if source.runs_code else argument)


def runs_code(dataset: str) -> bool:
    """Tell whether a program is run to load a data set. Raises DataError for an unknown one."""
    return _find(dataset)[0].runs_code


def _find(dataset: str) -> tuple[Source, str]:
    """Return the source that `dataset` names, and the argument in it. Raises DataError for an unknown one."""
    prefix, _, argument = dataset.partition(":")
    source = SOURCES.get(prefix)
    if source and (dataset in _names(prefix) or argument and any(map(str.isupper, source.arguments))):
        return (source, dataset) if source.runs_code else (source, argument)
    file, _, name = dataset.rpartition(":")
    if file.endswith(".py") and name and prefix not in SOURCES:
        return SOURCES[OWN_CODE], dataset
    kinds = {".csv": "csv", ".tsv": "csv", ".npz": "npz"}
    kind = "folder" if os.path.isdir(dataset) else kinds.get(os.path.splitext(dataset)[1].lower())
    meant = f" For what lies there, write {kind}:{dataset}." if kind and os.path.exists(dataset) else ""
    raise DataError(f"Unknown data set {dataset!r}; choose from: {', '.join(_names(*SOURCES))}.{meant}")


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
