"""List the images of a folder, without opening any of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.decode import EXTENSIONS
from sightline.image_data.splits import SPLITS, DataError

LAYOUT = "train/<class>/ and test/<class>/ with images in them"  # for messages; test/ alone will do to evaluate


@dataclass(frozen=True, eq=False)
class FolderListing:
    """The image files of DIR/train/<class>/ and DIR/test/<class>/, sorted by class and name."""

    folder: Path  # as the user gave it, for messages
    root: str  # absolute
    class_names: tuple[str, ...]
    files: dict[str, list[str]]  # split, of those that were asked for → paths relative to root, with "/"
    labels: dict[str, NDArray[np.int64]]  # split → label of each file
    state: str  # SHA-256 of path, size and times of every file: another one as soon as a file changes
    nested: tuple[str, ...] = ()  # folders inside class folders, which are passed over

    def absolute(self, split: str) -> list[str]:
        """Return the absolute path of every file of a split."""
        return [f"{self.root}/{file}" for file in self.files[split]]


def list_folder(folder: Path, splits: Sequence[str] = SPLITS) -> FolderListing:
    """List the images of these splits of a folder; hidden files and those without an image's extension are passed over.

    Raises:
        DataError: the folder or a split is missing, the classes of the splits differ, a class is empty, or a
            name is not valid UTF-8.
    """
    root = os.path.abspath(folder)
    if not os.path.isdir(root):
        raise DataError(f"There is no folder {folder}; give one that holds {LAYOUT}.")
    _refuse_foreign_name(root)
    try:
        class_names = _list_classes(folder, root, splits)
        found = {split: [_list_class(root, f"{split}/{name}") for name in class_names] for split in splits}
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} could not be listed ({error.strerror}); make it readable."
        ) from error
    counts = {split: [len(each.files) for each in found[split]] for split in splits}
    for split in splits:
        refuse_empty_classes(folder, split, class_names, counts[split])
    everything = [each for split in splits for each in found[split]]
    return FolderListing(
        folder,
        root,
        class_names,
        files={split: [file for each in found[split] for file in each.files] for split in splits},
        labels={split: np.repeat(np.arange(len(class_names)), counts[split]) for split in splits},
        state=sha256("".join(each.state for each in everything).encode()).hexdigest(),
        nested=tuple(folder for each in everything for folder in each.nested),
    )


def refuse_empty_classes(folder: Path, split: str, class_names: tuple[str, ...], counts: list[int]) -> None:
    """Raise the DataError that names the classes without a readable image."""
    empty = [f"{split}/{name}" for name, count in zip(class_names, counts, strict=True) if not count]
    if empty:
        raise DataError(
            f"No readable image in {summarise(empty)} of {folder}; every class needs at least one in each "
            f"split. Add images ({', '.join(EXTENSIONS)}), or remove the class from both splits."
        )


def summarise(names: list[str], limit: int = 5) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _refuse_foreign_name(path: str) -> None:
    """Raise the DataError for a name that is not valid UTF-8: neither a predictions table nor a page could hold it."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise DataError(f"{ascii(path)} is not a valid name, because it is not UTF-8; rename it.") from None


def _list_classes(folder: Path, root: str, splits: Sequence[str]) -> tuple[str, ...]:
    """Return the class names, sorted; the same in all `splits`."""
    classes: dict[str, set[str]] = {}
    for split in splits:
        if not os.path.isdir(f"{root}/{split}"):
            raise DataError(f"{folder} has no folder {split}; it must hold {LAYOUT}.")
        with os.scandir(f"{root}/{split}") as entries:
            classes[split] = {entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."}
        for name in classes[split]:
            _refuse_foreign_name(f"{split}/{name}")
        if not classes[split]:
            raise DataError(f"{folder}/{split} has no class folders; {folder} must hold {LAYOUT}.")
    if len(splits) > 1 and classes["train"] != classes["test"]:
        only = [
            f"only {split} has {summarise(sorted(classes[split] - classes[other]))}"
            for split, other in (SPLITS, SPLITS[::-1])
            if classes[split] - classes[other]
        ]
        raise DataError(
            f"The classes of train and test differ in {folder}: {'; '.join(only)}. "
            "Both splits need the same class folders."
        )
    return tuple(sorted(classes[splits[0]]))


@dataclass(frozen=True)
class _ClassListing:
    files: list[str]
    state: str
    nested: list[str]


def _list_class(root: str, relative: str) -> _ClassListing:
    found: list[tuple[str, int, int, int]] = []
    nested: list[str] = []
    with os.scandir(f"{root}/{relative}") as entries:
        for entry in entries:
            name = entry.name
            if name[0] == ".":
                continue
            if entry.is_dir():
                nested.append(f"{relative}/{name}")
            elif name.lower().endswith(EXTENSIONS):
                try:
                    status = entry.stat()
                except OSError:  # a link to nowhere: listed, so that it is named among the broken images
                    found.append((name, -1, 0, 0))
                    continue
                # The change time too: an archive unpacked over another may leave size and time as they were.
                found.append((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    found.sort()
    files = [f"{relative}/{name}" for name, *_ in found]
    for path in (*files, *nested):
        _refuse_foreign_name(path)
    return _ClassListing(files, sha256(repr((relative, found)).encode()).hexdigest(), nested)
