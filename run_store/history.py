"""history.npz: what every test image was taken for after every epoch, and how sure the model was."""

import io
import os
import zipfile
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sightline.run_store import files
from sightline.run_store.files import FileError
from sightline.run_store.run import Run

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


def no_history(images: int) -> History:
    """Return the history of a training that begins."""
    nothing = np.zeros((0, images))
    return History(np.zeros(0, np.int64), nothing.astype(np.int16), nothing.astype(np.float16))


def history_bytes(history: History) -> bytes:
    """Return the file's content."""
    buffer = io.BytesIO()
    np.savez(buffer, epochs=history.epochs, predicted=history.predicted, confidence=history.confidence)
    return buffer.getvalue()


def read_history(run: Run) -> History | None:
    """Return the history of a run, None where none was kept. Raises RunError where the file is damaged."""
    if not os.path.exists(run.path / files.HISTORY):
        return None
    with run.reading(files.HISTORY, "Remove it: the run then has no history."):
        with closing(files.open_file(run.path, files.HISTORY)) as stream, zipfile.ZipFile(stream) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise FileError("is compressed, and may not be")
            epochs, predicted, confidence = (_array(archive, name) for name in ("epochs", "predicted", "confidence"))
        shape, classes = (len(epochs), len(run.images())), len(run.record.class_names)
        kinds = (epochs.dtype, predicted.dtype, confidence.dtype)
        if kinds != (np.int64, np.int16, np.float16) or predicted.shape != shape or confidence.shape != shape:
            raise FileError(f"does not belong to {files.IMAGES}")
        if epochs.ndim != 1 or len(epochs) and (epochs[0] < 1 or (np.diff(epochs) < 1).any()):
            raise FileError("does not number its epochs from 1")
        if predicted.size and not 0 <= predicted.min() <= predicted.max() < classes:
            raise FileError(f"names a class outside 0–{classes - 1}")
    return History(epochs, predicted, confidence)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False, max_header_size=_MOST_HEADER))
