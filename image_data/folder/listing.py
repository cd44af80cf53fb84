"""List the images of a folder, by split and class; only files whose names say nothing are opened."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.folder.passed_over import OUTSIDE, PassedOver, summarise
from sightline.image_data.folder.scan import LAYOUT, ClassListing, list_class, refuse_foreign_name
from sightline.image_data.formats import format_of_name, readable_names
from sightline.image_data.split_names import NAMES, match, refuse_the_same
from sightline.image_data.splits import SPLITS, DataError


@dataclass(frozen=True, eq=False)
class FolderListing:
    """The image files of some splits, sorted by class and name: DIR/train/<class>/* and DIR/test/<class>/*."""

    folder: Path  # as the user gave it, for messages; a table of files is one too
    root: str  # absolute
    class_names: tuple[str, ...]  # in NFC, in the order of the names that the disk has
    files: dict[str, list[str]]  # split, of those that were asked for → paths relative to root, with "/"
    places: dict[str, str]  # split → what it is called there: its folder, "" where there is none
    labels: dict[str, NDArray[np.int64]]  # split → label of each file
    state: str  # SHA-256 of path, size and times of every file: another one as soon as a file changes
    passed_over: PassedOver
    notes: tuple[str, ...] = ()  # sentences on how the folder was read

    def absolute(self, split: str) -> list[str]:
        """Return the absolute path of every file of a split."""
        return [os.path.join(self.root, file) for file in self.files[split]]

    def refuse_empty_classes(self, counts: Mapping[str, Sequence[int]], also: str = "") -> None:
        """Raise the DataError that names the classes without a readable image, and what was found instead.

        counts: split → images of each class. Training needs some of every class in each split; to evaluate, one image
        is enough. also: a sentence on images that could not be read.
        """
        is_training = "train" in counts
        if not is_training and any(map(any, counts.values())):
            return
        empty = [
            _joined(self.places[split], name)
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


def list_folder(folder: Path, splits: Sequence[str] = SPLITS, split: str | None = None) -> FolderListing:
    """List the images of these splits of a folder; hidden files and those that are no images are passed over.

    A class has the images in its folder or, where none is, those in the folders inside, however deep.

    Args:
        folder: holds a folder for each split, by one of the names in `split_names.NAMES`; to evaluate, without "train",
            it may hold the class folders themselves.
        split: the name of the folder to take for "test".

    Raises:
        DataError: the folder or a split is missing, the classes of the splits differ, a class is empty (to evaluate:
            all are), or a name is not valid UTF-8.
    """
    root = os.path.abspath(folder)
    if not os.path.isdir(root):
        raise DataError(f"There is no folder {folder}; give one that holds {LAYOUT}.")
    refuse_foreign_name(root)
    passed_over = PassedOver()
    try:
        places = find_splits(folder, root, splits, split)
        classes = _list_classes(folder, root, places, passed_over)
        found = {
            name: [list_class(root, _joined(place, each), passed_over) for each in classes[name].values()]
            for name, place in places.items()
        }
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} could not be listed ({error.strerror}); make it readable."
        ) from error
    refuse_foreign_name(*passed_over.folders, *(path for paths in passed_over.images.values() for path in paths))
    counts = {name: [len(each.files) for each in found[name]] for name in splits}
    class_names = tuple(classes[splits[0]])
    listing = FolderListing(
        folder,
        root,
        class_names,
        files={name: [file for each in found[name] for file in each.files] for name in splits},
        places=places,
        labels={name: np.repeat(np.arange(len(class_names)), counts[name]) for name in splits},
        state=sha256("".join(each.state for name in splits for each in found[name]).encode()).hexdigest(),
        passed_over=passed_over,
        notes=_notes(folder, places, [each for name in splits for each in found[name]]),
    )
    listing.refuse_empty_classes(counts)
    return listing


def find_splits(folder: Path, root: str, splits: Sequence[str], split: str | None = None) -> dict[str, str]:
    """Return split → the name of its folder, "" where the class folders lie in `root` itself.

    Raises DataError for a split that is not there; OSError.
    """
    there = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and entry.name[0] != ".")
    places = {role: match(there, role, split) for role in splits}
    for role, place in places.items():
        if place is None and ("train" in splits or split or match(there, "train")):
            wanted = split if split and role == "test" else NAMES[role][0]
            hint = "" if "train" in splits or split else "; --split train judges on the images that it was trained on"
            raise DataError(f"{folder} has no folder {wanted}{_instead(root)}; it must hold {LAYOUT}{hint}.")
    found = {role: place or "" for role, place in places.items()}
    refuse_the_same(str(folder), found)
    return found


def _notes(folder: Path, places: Mapping[str, str], classes: Sequence[ClassListing]) -> tuple[str, ...]:
    notes = []
    for name, place in places.items():
        if not place:
            notes.append(f"{folder} has no folder of a split, so that all images in it are the {name} split.")
        elif place.lower() != name:
            notes.append(f"The {name} split is {folder}/{place}.")
    deep = [each.relative for each in classes if each.is_deep]
    if deep:
        notes.append(
            f"Images lie in folders inside the folder of their class ({summarise(deep)}); "
            "they are of this class, as in torchvision's ImageFolder."
        )
    return tuple(notes)


def training_classes(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes in DIR/train, as `FolderListing.class_names`; none where they cannot be had."""
    root = os.path.abspath(folder)
    try:
        place = find_splits(folder, root, ("train",))["train"]
        return tuple(_class_folders(folder, root, place, PassedOver()))
    except (DataError, OSError):
        return ()


def _joined(place: str, name: str) -> str:
    return f"{place}/{name}" if place else name


def _list_classes(
    folder: Path, root: str, places: Mapping[str, str], passed_over: PassedOver
) -> dict[str, dict[str, str]]:
    """Return split → class name in NFC → the name of its folder; the same classes, in one order, in all splits."""
    classes = {split: _class_folders(folder, root, place, passed_over) for split, place in places.items()}
    first, *others = classes
    for split in others:
        if classes[split].keys() != classes[first].keys():
            by_place = {places[split]: names for split, names in classes.items()}
            raise DataError(
                f"The classes of {' and '.join(by_place)} differ in {folder}: {_differences(by_place)}. "
                "Both splits need the same class folders."
            )
        classes[split] = {name: classes[split][name] for name in classes[first]}
    return classes


def _differences(classes: Mapping[str, Mapping[str, str]]) -> str:
    (one, of_one), (other, of_other) = classes.items()
    only = ((one, of_one.keys() - of_other.keys()), (other, of_other.keys() - of_one.keys()))
    return "; ".join(f"only {split} has {summarise(sorted(names))}" for split, names in only if names)


def _class_folders(folder: Path, root: str, place: str, passed_over: PassedOver) -> dict[str, str]:
    """Return class name in NFC → the name of its folder, in the order of the latter, which torchvision's codes follow.

    A name that was typed on another system may consist of other characters, and is the same class.
    """
    folders: dict[str, str] = {}
    shown = folder / place
    with os.scandir(os.path.join(root, place)) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name[0] == ".":
                continue
            if not entry.is_dir():
                if format_of_name(entry.name):
                    passed_over.add_image(OUTSIDE, _joined(place, entry.name))
                continue
            refuse_foreign_name(_joined(place, entry.name))
            name = unicodedata.normalize("NFC", entry.name)
            if name in folders:
                raise DataError(
                    f"{shown} has two folders of the class {name}, whose names are written with other "
                    f"characters ({ascii(folders[name])}, {ascii(entry.name)}); put their images into one."
                )
            folders[name] = entry.name
    if not folders:
        outside = passed_over.images.get(OUTSIDE, [])
        but = f", but {_images(len(outside))}" if outside else ""
        raise DataError(f"{shown} has no class folders{but}; {folder} must hold {LAYOUT}.")
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
