"""history.npz: what every test image was taken for after every epoch, and how sure the model was."""

import io
import os
import struct
import zipfile
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader

import numpy as np

from sightline.run_store import files
from sightline.run_store.arrays import array_header
from sightline.run_store.files import FileError

MOST_KEPT = 2**26  # bytes that a training writes after an epoch: of 10,000 images 1,677 epochs, of 50,000 335

_ARRAYS = ("epochs", "predicted", "confidence")
_OTHER = f"does not hold the arrays {', '.join(_ARRAYS)}, each once, and nothing else"
_END = struct.Struct("<4s4H2LH")  # of a zip archive without a comment; before it may stand the locator of a longer one
_LOCATOR = 20  # bytes
_MOST_HEADER = 10_000


@dataclass(frozen=True)
class History:
    """E epochs, rising from 1, int64 E, and N test images. predicted: int16 E×N, codes. confidence: float16 E×N."""

    epochs: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray

    def right(self, labels: np.ndarray) -> np.ndarray:
        """Return whether each image was right after each epoch, bool E×N."""
        return np.equal(self.predicted, labels)

    def first(self, epochs: int) -> "History":
        """Return what is known of the epochs up to this one."""
        keep = self.epochs <= epochs
        return History(self.epochs[keep], self.predicted[keep], self.confidence[keep])

    def after(self, epoch: int, predicted: np.ndarray, confidence: np.ndarray) -> "History":
        """Return the history with one more epoch."""
        return History(
            np.append(self.epochs, epoch),
            np.concatenate([self.predicted, predicted[None].astype(np.int16)]),
            np.concatenate([self.confidence, confidence[None].astype(np.float16)]),
        )


@dataclass(frozen=True)
class Learning:
    """How N test images were learned (Toneva et al. 2019). right: bool E×N; epochs: int64 E."""

    epochs: np.ndarray
    right: np.ndarray

    @cached_property
    def learned_at(self) -> np.ndarray:
        """The first epoch after which an image was right, float64 N; NaN: after none."""
        return np.where(self.right.any(axis=0), self.epochs[self.right.argmax(axis=0)], np.nan).astype(np.float64)

    @cached_property
    def forgotten(self) -> np.ndarray:
        """How often an image was right after an epoch and wrong after the next, int64 N."""
        return (self.right[:-1] & ~self.right[1:]).sum(axis=0)

    @cached_property
    def never_learned(self) -> np.ndarray:
        """Whether an image was right after no epoch, bool N."""
        return np.logical_not(self.right.any(axis=0))


def keeps(epoch: int, epochs: int, images: int) -> bool:
    """Tell whether the history of a training of so many epochs keeps this one: each, until MOST_KEPT bytes are too few.

    Then every second, or third …, and always the last: the file is written again after each epoch that it keeps.

    >>> [epoch for epoch in range(1, 8) if keeps(epoch, 7, MOST_KEPT // 8)]
    [4, 7]
    """
    return epoch == epochs or epoch % -(-epochs * images * 4 // MOST_KEPT) == 0


def no_history(images: int) -> History:
    """Return the history of a training that begins."""
    nothing = np.zeros((0, images))
    return History(np.zeros(0, np.int64), nothing.astype(np.int16), nothing.astype(np.float16))


def history_bytes(history: History) -> bytes:
    """Return the file's content."""
    buffer = io.BytesIO()
    np.savez(buffer, epochs=history.epochs, predicted=history.predicted, confidence=history.confidence)
    return buffer.getvalue()


def parse_history(stream: BufferedReader, images: int, classes: int) -> History:
    """Read the file's content. Raises FileError where it is not of so many images and classes, and others' errors.

    It may be a stranger's: nothing takes more memory than the file is long.
    """
    _refuse_long_list(stream)
    with zipfile.ZipFile(stream) as archive:
        _refuse_odd(archive.infolist(), os.fstat(stream.fileno()).st_size)
        epochs = _array(archive, "epochs", np.int64)
        predicted = _array(archive, "predicted", np.int16, images)
        confidence = _array(archive, "confidence", np.float16, images)
    if not len(epochs) == len(predicted) == len(confidence):
        raise FileError("does not hold as many epochs of each array")
    if epochs[0] < 1 or (epochs[1:] <= epochs[:-1]).any():
        raise FileError("does not number its epochs from 1, rising")
    if not 0 <= predicted.min() <= predicted.max() < classes:
        raise FileError(f"names a class outside 0–{classes - 1}")
    return History(epochs, predicted, confidence)


def _refuse_long_list(stream: BufferedReader) -> None:
    """Raise FileError for an archive of which zipfile would first make a list that fills the memory."""
    stream.seek(-_LOCATOR - _END.size, os.SEEK_END)
    locator, (sign, _, _, _, entries, length, _, comment) = stream.read(_LOCATOR), _END.unpack(stream.read())
    if sign != b"PK\5\6" or locator[:4] == b"PK\6\7" or entries != len(_ARRAYS) or length > _MOST_HEADER or comment:
        raise FileError(_OTHER)


def _refuse_odd(entries: list[zipfile.ZipInfo], size: int) -> None:
    if sorted(entry.filename for entry in entries) != sorted(f"{name}.npy" for name in _ARRAYS):
        raise FileError(_OTHER)
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise FileError("is compressed, and may not be")
    if max(entry.file_size for entry in entries) > size:
        raise FileError("is shorter than it says")


def _array(archive: zipfile.ZipFile, name: str, kind: type[np.generic], *row: int) -> np.ndarray:
    """Read the rows of an array, each of this shape. Raises FileError for others; damaged ones raise anything."""
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as stream:
        shape, dtype = array_header(stream)
        if dtype != kind or shape[1:] != row:
            raise FileError(f"does not belong to {files.IMAGES}")
        return np.frombuffer(stream.read(entry.file_size), kind).reshape(shape)
