"""List the images that a table names, a row each: paths and labels, and perhaps splits and masks."""

from __future__ import annotations

import csv
import os
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightline.image_data.decode import failure_reason, to_rgb, upright_size
from sightline.image_data.folder.listing import FolderListing
from sightline.image_data.folder.passed_over import PassedOver, summarise
from sightline.image_data.folder.scan import refuse_foreign_name
from sightline.image_data.formats import pillow_formats
from sightline.image_data.masks import has_the_shape, mask_of
from sightline.image_data.objects.labels import numbered
from sightline.image_data.resize import Resize
from sightline.image_data.split_names import choose
from sightline.image_data.splits import DataError, ImageSplit

# What columns are called, in any case, the first that is there.
_PATHS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "img", "img_path")
_LABELS = ("label", "class", "class_name", "label_name", "category", "target", "y", "diagnosis")
_SPLITS = ("split", "set", "subset", "fold", "partition")
_MASKS = ("mask", "mask_path", "mask_file", "segmentation")
_INDICES = ("1", "L", "P")  # modes of images whose values are a mask's as they are


@dataclass(frozen=True)
class Table:
    """The rows of a file, every path absolute and of a file inside the folder of the table."""

    file: Path
    paths: list[str]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    splits: list[str] | None
    masks: list[str] | None


def read_table(file: Path) -> Table:
    """Read a table in CSV or TSV: a row for each image, with its path and its label, the name or code of its class.

    Columns are known by their names, or else path and label are the first two. Paths are relative to the folder of the
    table, or absolute; all must lie in it, wherever links lead.

    Raises:
        DataError: it is no table, a row lacks a value, or paths are missing or lead out of the folder.
    """
    rows = _rows(file)
    columns, first = _columns(file, rows)
    numbered = [(number, row) for number, row in enumerate(rows[first:], first + 1) if any(row)]
    if not numbered:
        raise DataError(f"{file} has no rows; give one for each image, with its path and its label.")
    values = {name: _column(file, numbered, name, column) for name, column in columns.items()}
    labels, class_names = _codes(values["label"])
    root = os.path.abspath(file.parent)
    refuse_foreign_name(root)
    paths = {name: _inside(file, root, values[name]) for name in ("path", "mask") if name in values}
    return Table(file, paths["path"], labels, class_names, values.get("split"), paths.get("mask"))


def list_table(table: Table, splits: Sequence[str], split: str | None = None) -> FolderListing:
    """Return the images of these splits of a table, in its order. Raises DataError for a split that is not there."""
    there = list(dict.fromkeys(table.splits or []))
    chosen = choose(str(table.file), there, splits, split)
    split_of_row = np.array(table.splits or [""] * len(table.paths), dtype=object)
    rows = {role: np.flatnonzero(split_of_row == name) for role, name in chosen.items()}
    root = os.path.abspath(table.file.parent)
    files = {role: [table.paths[row].removeprefix(f"{root}/") for row in which] for role, which in rows.items()}
    labels = {role: table.labels[which] for role, which in rows.items()}
    content = [
        (files[role], labels[role].tolist(), [_state(table.paths[row]) for row in rows[role]]) for role in splits
    ]
    state = sha256(repr((table.class_names, content)).encode("utf-8", "surrogatepass")).hexdigest()
    notes = (f"The {role} split is {name} of {table.file}." for role, name in chosen.items() if name.lower() != role)
    listing = FolderListing(
        folder=table.file,
        root=root,
        class_names=table.class_names,
        files=files,
        places=chosen,
        labels=labels,
        state=state,
        passed_over=PassedOver(),
        notes=tuple(notes) if there else (),
    )
    classes = len(table.class_names)
    listing.refuse_empty_classes({role: np.bincount(of, minlength=classes).tolist() for role, of in labels.items()})
    return listing


def with_masks(split: ImageSplit, table: Table, resize: Resize) -> ImageSplit:
    """Return a split with the masks that the table names for its images, cut and resized as these are.

    Raises DataError for a mask that cannot be read, or has other proportions than its image.
    """
    if table.masks is None or split.paths is None:
        return split
    mask_of_image = dict(zip(table.paths, table.masks, strict=True))
    side = split.images.shape[1]
    masks = np.empty((len(split), side, side), np.uint8)
    for row, path in enumerate(split.paths):
        masks[row] = _mask(mask_of_image[path], path, side, resize)
    return replace(split, masks=masks)


def _mask(file: str, image_file: str, side: int, resize: Resize) -> NDArray[np.uint8]:
    try:
        with Image.open(file, formats=pillow_formats()) as opened:
            values = np.asarray(opened if opened.mode in _INDICES else to_rgb(opened))
        size, of_image = (values.shape[1], values.shape[0]), upright_size(image_file)
        if not has_the_shape(size, of_image):
            raise DataError(f"it has {size[0]}×{size[1]} pixels, and its image {of_image[0]}×{of_image[1]}")
        return mask_of(values, side, resize)
    except Exception as error:  # a broken file can make a decoder raise anything
        raise DataError(f"The mask {file} cannot be used: {failure_reason(error)}.") from error


def _rows(file: Path) -> list[list[str]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not text in UTF-8; save it as CSV in UTF-8.") from error
    except OSError as error:
        raise DataError(f"The table {file} could not be read ({error.strerror}).") from error
    first = text.partition("\n")[0]
    delimiter = "\t" if file.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    try:
        found = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
        return [[value.strip() for value in row] for row in found]
    except csv.Error as error:
        raise DataError(f"{file} is no table in CSV ({error}).") from error


def _columns(file: Path, rows: list[list[str]]) -> tuple[dict[str, int], int]:
    """Return the columns by what they hold, and the first row that is no header."""
    header = [name.lower() for name in rows[0]] if rows else []
    kinds = {"path": _PATHS, "label": _LABELS, "split": _SPLITS, "mask": _MASKS}
    found = {kind: header.index(name) for kind, names in kinds.items() for name in reversed(names) if name in header}
    if {"path", "label"} <= found.keys():
        return found, 1
    if len(header) != 2:
        raise DataError(
            f"{file} has the columns {', '.join(rows[0]) if rows else 'none'}; call that of the images 'path' and that "
            "of their classes 'label' ('split' and 'mask' may follow)."
        )
    return {"path": 0, "label": 1}, int(not os.path.isfile(os.path.join(file.parent, rows[0][0])))


def _column(file: Path, rows: list[tuple[int, list[str]]], name: str, column: int) -> list[str]:
    for number, row in rows:
        if len(row) <= column or not row[column]:
            raise DataError(f"Row {number} of {file} has no {name}; every row needs one.")
    return [row[column] for _, row in rows]


def _codes(labels: list[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return codes, and names sorted as folders would be; of labels that are all whole numbers these are the codes."""
    if all(label.isdecimal() and label.isascii() and len(label) < 6 for label in labels):
        codes = np.array([int(label) for label in labels], dtype=np.int64)
        return codes, numbered(codes)
    names = [unicodedata.normalize("NFC", label) for label in labels]
    class_names, found = np.unique(np.array(names, dtype=object), return_inverse=True)
    return found.astype(np.int64), tuple(class_names.tolist())


def _inside(file: Path, root: str, paths: list[str]) -> list[str]:
    """Return absolute paths. Raises the DataError that names those which are missing, or lead out of `root`."""
    real = os.path.realpath(root)
    folders: dict[str, bool] = {}  # folder → whether it lies inside, wherever links lead
    missing, outside, found = [], [], []
    for path in paths:
        absolute = os.path.normpath(os.path.join(root, path.replace("\\", "/")))
        found.append(absolute)
        folder = os.path.dirname(absolute)
        if folder not in folders:
            folders[folder] = _is_below(os.path.realpath(folder), real)
        if not folders[folder] or (os.path.islink(absolute) and not _is_below(os.path.realpath(absolute), real)):
            outside.append(path)
        elif not os.path.isfile(absolute):
            missing.append(path)
    if outside:
        raise DataError(
            f"{len(outside):,} of {len(paths):,} paths in {file} lead out of its folder: {summarise(outside)}. "
            "Put the table into a folder that holds all of its images."
        )
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(paths):,} paths in {file} are not there: {summarise(missing)}. "
            "Paths are relative to the folder of the table."
        )
    return found


def _is_below(path: str, folder: str) -> bool:
    return os.path.commonpath((path, folder)) == folder


def _state(path: str) -> tuple[int, int, int]:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # it was a file just now
        raise DataError(f"{path} is no file any more; do not change the images while they are read.")
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
