"""Lists of training images, such as without.csv: those that a training leaves out."""

import csv
import io
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sightline.image_data import DataError
from sightline.run_store import files
from sightline.run_store.edited import edited_rows, in_terminal
from sightline.run_store.files import FileError
from sightline.run_store.formulas import without_guard
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

INDEX, LABEL = "train_index", "label"  # columns; all others are for people

_NUMBER = re.compile(r"-?[0-9]{1,15}")


@dataclass(frozen=True)
class TrainingList:
    """Images of a training split, each once, in their order.

    indices: int64 M, from 0. labels: the class name of each, "" where nobody said; None: the list has no such column.
    content: the list as a run keeps it, CSV with the column `train_index` first and the others as they were.
    """

    indices: np.ndarray
    labels: tuple[str, ...] | None
    content: bytes


def read_list(file: Path) -> TrainingList:
    """Read a list that people may have edited: CSV with the column `train_index`, or a number a line.

    Raises DataError.
    """
    try:
        with closing(files.open_regular(str(file), files.MOST_BYTES[files.WITHOUT])) as stream:
            return _parse(stream)
    except FileError as error:
        raise DataError(f"{file} {error}.") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"The list {file} cannot be read ({reason}).") from error


def left_out(run: Run) -> TrainingList | None:
    """Return the images that the training of a run left out, by their number in the split after --held-out.

    None where it left out none. Raises RunError where the list is lost or damaged.
    """
    if not run.record.recipe.get("without"):
        return None
    with (
        run.reading(files.WITHOUT, "Put the list back, or name it: --without FILE."),
        closing(files.open_file(run.path, files.WITHOUT)) as stream,
    ):
        return _parse(stream)


def read_own_list(run: Run, name: str) -> TrainingList | None:
    """Read a list that lies in the run, perhaps edited; None where there is none. name: with "/". Raises RunError."""
    if not os.path.lexists(run.path / name):
        return None
    with (
        run.reading(name, "Mend or remove it."),
        closing(files.open_file(run.path, name)) as stream,
    ):
        return _parse(stream)


def write_own_list(run: Run, name: str, content: bytes) -> None:
    """Write a list into the run; the caller holds its lock. Raises RunError where that would lead out of the run."""
    file = run.path / name
    if file.parent.is_symlink():
        raise RunError(f"Run {run.name}: {files.LISTS} is a link, which may lead out of the run; remove it.")
    file.parent.mkdir(exist_ok=True)
    files.write_atomically(file, content)


def _parse(stream: BinaryIO) -> TrainingList:
    """Read a list. Raises FileError, in words that follow its name."""
    return _read(edited_rows(stream))


def _read(rows: Iterator[list[str]]) -> TrainingList:
    first = next(rows, [])
    if len(first) == 1 and _NUMBER.fullmatch(first[0]):
        first, rows = [INDEX], chain([first], rows)
    if INDEX not in first:
        has = in_terminal(", ".join(first)) or "nothing"
        raise FileError(f"has no column {INDEX} (its first line is {has}); give it one, or one number a line")
    place, labelled = first.index(INDEX), first.index(LABEL) if LABEL in first else None
    indices, labels, copy = [], [], io.StringIO()
    writer = csv.writer(copy, lineterminator="\n")
    writer.writerow([INDEX, *_others(first, place)])
    for row in rows:
        cell = row[place] if place < len(row) else ""
        if not _NUMBER.fullmatch(cell):
            raise FileError(f"holds {cell[:40]!r} where the number of a training image belongs")
        indices.append(int(cell))
        labels.append("" if labelled is None or labelled >= len(row) else without_guard(row[labelled]))
        writer.writerow([cell, *_others(row, place)])
    if not indices:
        raise FileError("lists no image")
    distinct, where = np.unique(np.array(indices, np.int64), return_index=True)
    named = None if labelled is None else tuple(labels[row] for row in where)
    return TrainingList(distinct, named, copy.getvalue().encode())


def _others(row: list[str], place: int) -> list[str]:
    return row[:place] + row[place + 1 :]
