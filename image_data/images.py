"""Images that need not be in memory: read from a memory map, or decoded, as many at a time as are looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES = 2**24  # looked at at a time, where all are looked at in turn: 111 images of 224×224


class Images(Protocol):
    """uint8 N×H×W×3, 0–255, in the order of a split; an array is one, and so is a memory map.

    Only what is asked for is read: `images[rows]`, with a slice, an array of rows or one row, is an array.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


class Rows:
    """The rows `index` of other images, in this order; they are looked up when they are asked for.

    >>> some = Rows(np.arange(5), np.array([4, 0, 2]))
    >>> some.shape, some[1:].tolist()
    ((3,), [0, 2])
    """

    def __init__(self, images: Images, index: NDArray[np.int64]) -> None:
        self._images, self._index = images, index
        self.shape, self.dtype = (len(index), *images.shape[1:]), images.dtype

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, rows: Any, /) -> Any:
        return self._images[self._index[rows]]


def in_chunks(images: Images) -> Iterator[NDArray[Any]]:
    """Yield all images, or the rows of any array, in turn: as many at a time as CHUNK_BYTES hold, at least one."""
    count = max(1, CHUNK_BYTES // max(1, math.prod(images.shape[1:]) * images.dtype.itemsize))
    for start in range(0, len(images), count):
        yield np.ascontiguousarray(images[start : start + count])
