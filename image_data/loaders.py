"""Load each kind of data set: the functions that the rows of the table of sources name.

What a kind needs is imported when it is asked for. All raise DataError with a sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.image_data.planted_shapes import VARIANTS
from sightline.image_data.preprocessing import Preprocessing
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.splits import DataError, ImageData, ImageSplit, Progress

if TYPE_CHECKING:
    from sightline.image_data.folder.listing import FolderListing


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
    default: Preprocessing
    """Size and rule where neither the user nor the data set says them."""
    data_dir: Path
    """The folder for downloads and decoded images."""
    strict: bool
    """True: an image that is broken, or of no format that is read, is an error; else it is left out with a warning."""
    progress: Progress | None

    @property
    def image_size(self) -> int:
        """Side of the images, pixels, where they may be of any. Raises DataError where there is none."""
        side = self.given.size or self.default.size
        if side is None:
            raise DataError(f"The images of {self.argument} may be of any size: give image_size, the side in pixels.")
        return side

    @property
    def resize(self) -> Resize:
        """How images of any size become squares, where the data set does not say it."""
        return self.given.resize or self.default.resize or CROP


Loaded = tuple[dict[str, ImageSplit], tuple[str, ...]]  # the splits by name, and sentences to warn the user with


def load_planted_shapes(request: Request) -> Loaded:
    """Generate planted shapes."""
    from sightline.image_data.planted_shapes import planted_shapes

    return _both_splits(planted_shapes(request.argument or VARIANTS[0]), request)


def load_cifar(request: Request) -> Loaded:
    """Load CIFAR-10."""
    from sightline.image_data.cifar10 import load_cifar10

    return _both_splits(load_cifar10(request.data_dir), request)


def _both_splits(data: ImageData, request: Request) -> Loaded:
    splits = {"train": data.train, "test": data.test}
    if request.split not in (None, *splits):
        raise DataError(f"There is no split {request.split!r}; --split may be {' or '.join(splits)}.")
    return splits | {"test": splits[request.split or "test"]}, data.warnings


def load_folder(request: Request) -> Loaded:
    """Load a folder of images."""
    from sightline.image_data.folder.listing import list_folder

    return _load_files(request, list_folder(path_of(request.argument), request.splits, request.split))


def _load_files(request: Request, listing: FolderListing) -> Loaded:
    from sightline.image_data.folder.load import load_files

    return load_files(
        listing,
        request.image_size,
        request.data_dir / "cache",
        resize=request.resize,
        strict=request.strict,
        progress=request.progress,
    )


def load_table(request: Request) -> Loaded:
    """Load the images that a table names, with their masks."""
    from sightline.image_data.table import list_table, read_table, with_masks

    table = read_table(path_of(request.argument))
    loaded, notes = _load_files(request, list_table(table, request.splits, request.split))
    return {role: with_masks(split, table, request.resize) for role, split in loaded.items()}, notes


def load_arrays(request: Request) -> Loaded:
    """Load arrays."""
    from sightline.image_data.arrays import array_splits

    return _load_objects(request, array_splits(path_of(request.argument), request.splits, request.split))


def load_hub_folder(request: Request) -> Loaded:
    """Load a data set of Hugging Face in a folder."""
    from sightline.image_data.hub_folder import hub_splits

    folder, cache = path_of(request.argument), request.data_dir / "huggingface"
    return _load_objects(request, hub_splits(folder, cache, request.splits, request.split))


def load_own_code(request: Request) -> Loaded:
    """Load the data set that a Python file makes, which is run."""
    from sightline.image_data.own_code import own_data
    from sightline.image_data.split_names import choose

    file, _, name = request.argument.rpartition(":")
    data = own_data(path_of(file), name)
    chosen = choose(request.argument, [each for each in data if each], request.splits, request.split)
    return _load_objects(request, {role: data[each] for role, each in chosen.items()})


def _load_objects(request: Request, data: Mapping[str, Any]) -> Loaded:
    from sightline.image_data.objects.splits_together import splits_of

    return splits_of(data, request.given, request.default, request.progress)


def path_of(argument: str) -> Path:
    """Return the path that an argument is. Raises DataError where its `~` stands for no folder."""
    try:
        return Path(argument).expanduser()
    except RuntimeError as error:
        raise DataError(f"Nobody has the home folder in {argument!r}; write the whole path.") from error


def classes_of_folder(argument: str) -> tuple[str, ...]:
    """Return the classes in the training folder, none where there is none."""
    from sightline.image_data.folder.listing import training_classes

    return training_classes(path_of(argument))


def classes_of_table(argument: str) -> tuple[str, ...]:
    """Return the classes of all rows of a table. Raises DataError."""
    from sightline.image_data.table import read_table

    return read_table(path_of(argument)).class_names


def classes_of_arrays(argument: str) -> tuple[str, ...]:
    """Return the classes of all labels of a file. Raises DataError."""
    from sightline.image_data.arrays import class_names_of_arrays

    return class_names_of_arrays(path_of(argument))
