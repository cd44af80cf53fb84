"""List the images of a folder; only files whose names say nothing are opened."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.folder.passed_over import OUTSIDE, PassedOver, summarise
from sightline.image_data.formats import ImageFormat, format_of_content, format_of_name, may_be_image, readable_names
from sightline.image_data.splits import SPLITS, DataError

LAYOUT = "train/<class>/ and test/<class>/ with images in them"  # for messages; test/ alone will do to evaluate


@dataclass(frozen=True, eq=False)
class FolderListing:
    """The image files of DIR/train/<class>/ and DIR/test/<class>/, sorted by class and name."""

    folder: Path  # as the user gave it, for messages
    root: str  # absolute
    class_names: tuple[str, ...]  # in NFC, in the order of the names that the disk has
    files: dict[str, list[str]]  # split, of those that were asked for → paths relative to root, with "/"
    labels: dict[str, NDArray[np.int64]]  # split → label of each file
    state: str  # SHA-256 of path, size and times of every file: another one as soon as a file changes
    passed_over: PassedOver

    def absolute(self, split: str) -> list[str]:
        """Return the absolute path of every file of a split."""
        return [f"{self.root}/{file}" for file in self.files[split]]

    def refuse_empty_classes(self, counts: Mapping[str, Sequence[int]], also: str = "") -> None:
        """Raise the DataError that names the classes without a readable image, and what was found instead.

        counts: split → images of each class. Training needs some of every class in each split; to evaluate, one image
        is enough. also: a sentence on images that could not be read.
        """
        is_training = "train" in counts
        if not is_training and any(map(any, counts.values())):
            return
        empty = [
            f"{split}/{name}"
            for split, found in counts.items()
            for name, count in zip(self.class_names, found, strict=True)
            if not count
        ]
        if not empty:
            return
        needs = "every class needs at least one in each split" if is_training else "at least one is needed"
        remove = ", or remove the class from both splits" if is_training else ""
        others = ", ".join(f"{count:,} {kind}" for kind, count in self.passed_over.others.most_common(5))
        sentences = (
            f"No readable image in {summarise(empty)} of {self.folder}; {needs}.",
            also,
            self.passed_over.sentences(),
            others and f"Files that are no images: {others}.",
            f"Add images ({readable_names()}){remove}.",
        )
        raise DataError(" ".join(filter(None, sentences)))


def list_folder(folder: Path, splits: Sequence[str] = SPLITS) -> FolderListing:
    """List the images of these splits of a folder; hidden files and those that are no images are passed over.

    Raises:
        DataError: the folder or a split is missing, the classes of the splits differ, a class is empty (to evaluate:
            all are), or a name is not valid UTF-8.
    """
    root = os.path.abspath(folder)
    if not os.path.isdir(root):
        raise DataError(f"There is no folder {folder}; give one that holds {LAYOUT}.")
    _refuse_foreign_name(root)
    try:
        passed_over = PassedOver()
        classes = _list_classes(folder, root, splits, passed_over)
        found = {
            split: [_list_class(root, f"{split}/{classes[split][name]}", passed_over) for name in classes[split]]
            for split in splits
        }
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} could not be listed ({error.strerror}); make it readable."
        ) from error
    _refuse_foreign_name(*passed_over.folders, *(path for paths in passed_over.images.values() for path in paths))
    counts = {split: [len(each.files) for each in found[split]] for split in splits}
    class_names = tuple(classes[splits[0]])
    listing = FolderListing(
        folder,
        root,
        class_names,
        files={split: [file for each in found[split] for file in each.files] for split in splits},
        labels={split: np.repeat(np.arange(len(class_names)), counts[split]) for split in splits},
        state=sha256("".join(each.state for split in splits for each in found[split]).encode()).hexdigest(),
        passed_over=passed_over,
    )
    listing.refuse_empty_classes(counts)
    return listing


def training_classes(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes in DIR/train, as `FolderListing.class_names`; none where they cannot be had."""
    try:
        return tuple(_class_folders(folder, os.path.abspath(folder), "train", PassedOver()))
    except (DataError, OSError):
        return ()


def _refuse_foreign_name(*paths: str) -> None:
    """Raise the DataError for a name that is not valid UTF-8: neither a predictions table nor a page could hold it."""
    try:
        for path in paths:
            path.encode()
    except UnicodeEncodeError:
        raise DataError(f"{ascii(path)} is not a valid name, because it is not UTF-8; rename it.") from None


def _list_classes(folder: Path, root: str, splits: Sequence[str], passed_over: PassedOver) -> dict[str, dict[str, str]]:
    """Return split → class name in NFC → the name of its folder; the same classes, in one order, in all `splits`."""
    classes = {split: _class_folders(folder, root, split, passed_over) for split in splits}
    first = classes[splits[0]]
    for split in splits[1:]:
        if classes[split].keys() != first.keys():
            raise DataError(
                f"The classes of {' and '.join(splits)} differ in {folder}: {_differences(classes)}. "
                "Both splits need the same class folders."
            )
        classes[split] = {name: classes[split][name] for name in first}
    return classes


def _differences(classes: Mapping[str, Mapping[str, str]]) -> str:
    (one, of_one), (other, of_other) = classes.items()
    only = ((one, of_one.keys() - of_other.keys()), (other, of_other.keys() - of_one.keys()))
    return "; ".join(f"only {split} has {summarise(sorted(names))}" for split, names in only if names)


def _class_folders(folder: Path, root: str, split: str, passed_over: PassedOver) -> dict[str, str]:
    """Return class name in NFC → the name of its folder, in the order of the latter, which torchvision's codes follow.

    A name that was typed on another system may consist of other characters, and is the same class.
    """
    if not os.path.isdir(f"{root}/{split}"):
        raise DataError(f"{folder} has no folder {split}{_instead(root)}; it must hold {LAYOUT}.")
    folders: dict[str, str] = {}
    with os.scandir(f"{root}/{split}") as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name[0] == ".":
                continue
            if not entry.is_dir():
                if format_of_name(entry.name):
                    passed_over.add_image(OUTSIDE, f"{split}/{entry.name}")
                continue
            _refuse_foreign_name(f"{split}/{entry.name}")
            name = unicodedata.normalize("NFC", entry.name)
            if name in folders:
                raise DataError(
                    f"{folder}/{split} has two folders of the class {name}, whose names are written with other "
                    f"characters ({ascii(folders[name])}, {ascii(entry.name)}); put their images into one."
                )
            folders[name] = entry.name
    if not folders:
        outside = passed_over.images.get(OUTSIDE, [])
        but = f", but {_images(len(outside))}" if outside else ""
        raise DataError(f"{folder}/{split} has no class folders{but}; {folder} must hold {LAYOUT}.")
    return folders


def _instead(root: str) -> str:
    """Say what a folder holds that lacks a split."""
    names = [name for name in sorted(os.listdir(root)) if name[0] != "."]
    folders = [
        ascii(name)[1:-1] if not name.isprintable() else name for name in names if os.path.isdir(f"{root}/{name}")
    ]
    images = sum(format_of_name(name) is not None for name in names)
    found = [summarise(folders)] * bool(folders) + [_images(images)] * bool(images)
    return f", but {' and '.join(found)}" if found else ""


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


@dataclass(frozen=True)
class _ClassListing:
    files: list[str]
    state: str


def _list_class(root: str, relative: str, passed_over: PassedOver) -> _ClassListing:
    found: list[tuple[str, int, int, int]] = []
    with os.scandir(f"{root}/{relative}") as entries:
        for entry in entries:
            name = entry.name
            if name[0] == ".":
                continue
            if entry.is_dir():
                passed_over.folders.append(f"{relative}/{name}")
                continue
            format = format_of_name(name) or _format_inside(entry)
            if format is None:
                passed_over.others[os.path.splitext(name)[1].lower() or "without an ending"] += 1
            elif not format.is_read:
                passed_over.add_image(format.name, f"{relative}/{name}")
            else:
                try:
                    status = entry.stat()
                except OSError:  # a link to nowhere: listed, so that it is named among the broken images
                    found.append((name, -1, 0, 0))
                    continue
                if not stat.S_ISREG(status.st_mode):  # a pipe would never end
                    passed_over.others["no file"] += 1
                    continue
                # The change time too: an archive unpacked over another may leave size and time as they were.
                found.append((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    found.sort()
    files = [f"{relative}/{name}" for name, *_ in found]
    _refuse_foreign_name(*files)
    return _ClassListing(files, sha256(repr((relative, found)).encode()).hexdigest())


def _format_inside(entry: os.DirEntry[str]) -> ImageFormat | None:
    """Return the format of a file whose name says nothing; None for what is no image, no file, or may not be read."""
    try:
        if may_be_image(entry.name) and entry.is_file():
            with open(entry, "rb") as file:
                return format_of_content(file)
    except OSError:
        pass
    return None
