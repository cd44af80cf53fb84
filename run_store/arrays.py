"""Rows of an .npy file, read when they are asked for.

Not through a memory map: who rewrites a mapped file in place, as `cp -r` onto a run does, ends the process that reads.
"""

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, overload

import numpy as np

from sightline.run_store.files import FileError, open_file
from sightline.run_store.record import RunError

MOST_HEADER = 10_000  # bytes


@dataclass(frozen=True)
class StoredArray:
    """An array N×… in a file of a run. Indexing its first axis reads those rows, as an array of one's own.

    Raises RunError where the file is another one than at the first look.
    """

    run: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int  # bytes before the first row

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    @overload
    def __getitem__(self, rows: int) -> Any: ...
    @overload
    def __getitem__(self, rows: "slice | Sequence[int] | np.ndarray") -> np.ndarray: ...
    def __getitem__(self, rows: "int | slice | Sequence[int] | np.ndarray") -> Any:
        """Read a row (int), or several (a slice, row numbers, or bool N)."""
        numbers = self._numbers(rows)
        found = np.empty((numbers.size, *self.shape[1:]), self.dtype)
        try:
            self._read(numbers.ravel(), found)
        except Exception as error:  # somebody has written other bytes over the file
            raise RunError(f"Run {self.run.name}: {self.name} has changed while it was read; look again.") from error
        return found if numbers.ndim else found[0]

    def _read(self, numbers: np.ndarray, found: np.ndarray) -> None:
        """Fill `found` with these rows, neighbours at once. Raises FileError, or whatever a changed file leads to."""
        done, bytes_each = 0, math.prod(self.shape[1:]) * self.dtype.itemsize
        with closing(open_file(self.run, self.name)) as stream:
            if _layout(stream) != (self.shape, self.dtype, self.offset):
                raise FileError("has changed")
            for part in filter(len, np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)):
                stream.seek(self.offset + int(part[0]) * bytes_each)
                wanted = found[done : done + len(part)].reshape(-1).view(np.uint8)
                if stream.readinto(wanted.data) != wanted.size:
                    raise FileError("has changed")
                done += len(part)

    def _numbers(self, rows: "int | slice | Sequence[int] | np.ndarray") -> np.ndarray:
        """Return row numbers, from 0. Raises IndexError."""
        if isinstance(rows, slice):
            return np.arange(*rows.indices(len(self)))
        numbers = np.asarray(rows)
        numbers = np.flatnonzero(numbers) if numbers.dtype == bool else numbers.astype(np.int64)
        if numbers.size and not -len(self) <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"a row of {len(self)}")
        return numbers % len(self)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)


def stored_array(run: Path, name: str) -> StoredArray:
    """Look at the header of an array N×… of numbers. A damaged one makes NumPy raise anything, from EOFError on."""
    with closing(open_file(run, name)) as stream:
        return StoredArray(run, name, *_layout(stream))


def _layout(stream: BufferedReader) -> tuple[tuple[int, ...], np.dtype, int]:
    """Read shape, type and the number of bytes before the data. A damaged header makes NumPy raise anything."""
    shape, dtype = array_header(stream)
    offset = stream.tell()
    if stream.seek(0, 2) < offset + math.prod(shape) * dtype.itemsize:
        raise FileError("is shorter than its header says")
    return shape, dtype, offset


def array_header(stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Read shape and type, up to where the data begins. A damaged header makes NumPy raise anything."""
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(stream)]
    shape, is_fortran, dtype = read_header(stream, max_header_size=MOST_HEADER)
    if is_fortran and len(shape) > 1 or dtype.hasobject or not shape or min(shape) < 1:
        raise FileError("does not hold rows of numbers")
    return shape, dtype
