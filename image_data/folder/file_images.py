"""Images that are decoded from their files each time they are asked for, by many workers."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.folder.decoding_pool import BATCH, PROCESSES_FROM, DecodingPool
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.splits import DataError


class FileImages:
    """The images of `files`, uint8 N×S×S×3, as `Images` are read: only what is asked for is decoded.

    The workers start when the first image is asked for, and end with this object. What no longer can be decoded
    raises a DataError.
    """

    def __init__(self, files: Sequence[str], image_size: int, resize: Resize = CROP) -> None:
        self._files = np.array(files, dtype=object)
        self._image_size, self._resize = image_size, resize
        self._pool = DecodingPool(PROCESSES_FROM)  # however few there are, they are asked for again and again
        weakref.finalize(self, self._pool.close)
        self.shape, self.dtype = (len(files), image_size, image_size, 3), np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]:
        files = self._files[rows]
        return self._decode([files])[0] if isinstance(files, str) else self._decode(files.tolist())

    def _decode(self, files: Sequence[str]) -> NDArray[np.uint8]:
        images = np.empty((len(files), *self.shape[1:]), np.uint8)
        start, share = 0, min(BATCH, -(-len(files) // self._pool.workers))
        for batch in self._pool.decode(files, self._image_size, self._resize, share):
            for position, failure in batch.failures.items():
                raise DataError(
                    f"{files[start + position]} could be read before, but no longer ({failure.reason}); "
                    "put it back, and do not change the images while they are in use."
                )
            images[start : start + len(batch.images)] = batch.images
            start += len(batch.images)
        return images
