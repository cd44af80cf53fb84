"""The training images behind a mistake, as `sightline influence` found them: culprits.parquet and its neighbours.

training.parquet has a row a training image, train_features.npy its features, train_thumbnails.npy pictures of those
that the rows name, and culprit_maps.npy a pair of maps a row of culprits.parquet. So the run shows them without its
data set.
"""

import math
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sightline.run_store import files
from sightline.run_store.arrays import StoredArray, stored_array
from sightline.run_store.commands import command
from sightline.run_store.epochs import refuse_epoch
from sightline.run_store.files import FileError
from sightline.run_store.hashes import refuse_stale
from sightline.run_store.record import MOST_FEATURES, MOST_SIDE
from sightline.run_store.run import Run
from sightline.run_store.tables import Kinds, read_table, table_bytes
from sightline.run_store.thumbnails import THUMBNAIL_SIZE
from sightline.run_store.writer import npy

if TYPE_CHECKING:
    from sightline.image_data.images import Images

COUNT = 10  # training images behind a mistake
MOST_TRAINING_IMAGES = 20_000_000


@dataclass(frozen=True)
class TrainingImages:
    """N training images, as the network sees them. Row i is image i of the run's training split."""

    label: np.ndarray  # int16 N, codes
    predicted: np.ndarray  # int16 N
    confidence: np.ndarray  # float32 N, of the predicted class
    suspicious: np.ndarray  # bool N: the label is likely wrong (confident learning, Northcutt 2021)
    thumbnail: np.ndarray  # int64 N, its row in the thumbnails; −1: none is kept


@dataclass(frozen=True)
class Culprits:
    """The training images behind test images: M rows, sorted by test image and rank. See `read_culprits`."""

    layer: str
    exact: bool  # whether the similarities are exact (pooling and a linear head), or of first order
    weights: str  # the `weights_hash` of the network
    training: TrainingImages
    index: np.ndarray  # int64 M, the test image
    rank: np.ndarray  # int16 M, from 1, the most similar first
    train_index: np.ndarray  # int64 M
    similarity: np.ndarray  # float32 M, −1 to 1
    train_label: np.ndarray  # int16 M, codes
    fingerprint: str  # of the training images; those of a run that was trained elsewhere were named by its user
    scale: float  # the power of two by which features were multiplied in train_features.npy

    def of(self, image: int) -> slice:
        """Return the rows of a test image; an empty slice where its training images were not looked for."""
        start, stop = np.searchsorted(self.index, [image, image + 1])
        return slice(int(start), int(stop))

    def behind(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the training images (int64) behind most of these test images, and behind how many: most first."""
        rows = np.isin(self.index, images)
        found, counts = np.unique(self.train_index[rows], return_counts=True)
        order = np.lexsort((found, -counts))
        return found[order], counts[order]


_ROWS: Kinds = {
    "index": np.int64, "rank": np.int16, "train_index": np.int64, "similarity": np.float32, "train_label": np.int16,
}  # fmt: skip
_TRAINING: Kinds = {
    "label": np.int16, "predicted": np.int16, "confidence": np.float32, "suspicious": np.int8, "thumbnail": np.int64,
}  # fmt: skip


def read_culprits(run: Run) -> Culprits | None:
    """Return what was found; None where nobody looked.

    Raises RunError where the files are damaged, do not belong together, or are of other weights than the run has now.
    """
    refuse_epoch(run.name, run.epoch, "the training images behind its mistakes")
    if not os.path.exists(run.path / files.CULPRITS):
        return None
    with run.reading(files.TRAINING_ROWS, _hint(run)):
        known, facts = read_table(run, files.TRAINING_ROWS, _TRAINING, MOST_TRAINING_IMAGES)
        training = TrainingImages(**known | {"suspicious": known["suspicious"] != 0})
        _refuse_codes(run, training.label, training.predicted)
        if training.thumbnail.min(initial=0) < -1 or not len(training.label):
            raise FileError("names pictures that there are not")
    with run.reading(files.CULPRITS, _hint(run)):
        images = len(run.images())
        rows, said = read_table(run, files.CULPRITS, _ROWS, COUNT * images)
        if said["weights"] != facts["weights"] or said["exact"] not in ("yes", "no"):
            raise FileError(f"does not belong to {files.TRAINING_ROWS}")
        for name, end in (("index", images), ("train_index", len(training.label))):
            if len(rows[name]) and not 0 <= rows[name].min() <= rows[name].max() < end:
                raise FileError("names images that there are not")
        order = np.arange(len(rows["index"])) - np.searchsorted(rows["index"], rows["index"])
        if (np.diff(rows["index"]) < 0).any() or (rows["rank"] != order + 1).any() or order.max(initial=0) >= COUNT:
            raise FileError(f"is not in the order of the test images, with at most {COUNT} ranks of each")
        if (training.label[rows["train_index"]] != rows["train_label"]).any():
            raise FileError(f"does not belong to {files.TRAINING_ROWS}")
        fingerprint, scale = said["training"], float(said["scale"])
        if fingerprint != run.record.fingerprints.get("train", fingerprint):
            raise FileError("is of other training images than the run's")
        if not 0 < scale < math.inf:
            raise FileError("holds a scale that is none")
        layer, exact, weights = said["layer"], said["exact"] == "yes", said["weights"]
    refuse_stale(run, files.CULPRITS, weights, _hint(run))
    return Culprits(layer, exact, weights, training, fingerprint=fingerprint, scale=scale, **rows)


def write_culprits(
    run: Run,
    found: Culprits,
    features: np.ndarray | None,
    thumbnails: "Images | None",
    maps: np.ndarray,
) -> None:
    """Replace the files; the caller holds the run's lock. What ends this early leaves those of before.

    culprits.parquet goes first and comes last: with it all are there.
    features: float16 N×K, of all training images, times `scale`. thumbnails: uint8 T×S×S×3. Of both None: those that
    are there stay. maps: float16 M×2×h×w, of each row what of the test image resembles the training image, and what of
    the training image resembles the test image; the cells of either add up to the similarity.
    """
    facts = {
        "weights": found.weights,
        "layer": found.layer,
        "exact": "yes" if found.exact else "no",
        "training": found.fingerprint,
        "scale": repr(found.scale),
    }
    training = {name: getattr(found.training, name) for name in _TRAINING} | {
        "suspicious": found.training.suspicious.astype(np.int8)
    }
    arrays = {files.TRAINING_FEATURES: features, files.TRAINING_THUMBNAILS: thumbnails, files.CULPRIT_MAPS: maps}
    content = {name: npy(array) for name, array in arrays.items() if array is not None} | {
        files.TRAINING_ROWS: table_bytes(training, facts),
        files.CULPRITS: table_bytes({name: getattr(found, name) for name in _ROWS}, facts),
    }
    with ExitStack() as stack:
        staged = {name: stack.enter_context(files.staged(run.path / name, new)) for name, new in content.items()}
        (run.path / files.CULPRITS).unlink(missing_ok=True)
        for name, temporary in staged.items():
            os.replace(temporary, run.path / name)


def training_features(run: Run, found: Culprits) -> StoredArray:
    """Return the features of all training images, times `scale`, float16 N×K. Raises RunError."""
    return _beside(run, files.TRAINING_FEATURES, np.float16, (len(found.training.label), None), MOST_FEATURES)


def training_thumbnails(run: Run, found: Culprits) -> StoredArray:
    """Return the pictures that `TrainingImages.thumbnail` counts into, uint8 T×S×S×3. Raises RunError."""
    array = _beside(run, files.TRAINING_THUMBNAILS, np.uint8, (None, None, None, 3), THUMBNAIL_SIZE)
    with run.reading(files.TRAINING_THUMBNAILS, _hint(run)):
        if found.training.thumbnail.max(initial=-1) >= len(array):
            raise FileError("lacks pictures")
    return array


def culprit_maps(run: Run, found: Culprits) -> StoredArray:
    """Return the pairs of maps, float16 M×2×h×w, as `write_culprits` says. Raises RunError."""
    return _beside(run, files.CULPRIT_MAPS, np.float16, (len(found.index), 2, None, None), MOST_SIDE)


def _beside(run: Run, name: str, dtype: type, shape: tuple[int | None, ...], most: int) -> StoredArray:
    """Return an array of this shape, of which None may be any number up to `most`, but for the first."""
    with run.reading(name, _hint(run)):
        array = stored_array(run.path, name)
        fits = len(shape) == array.ndim and all(
            want in (None, has) for want, has in zip(shape, array.shape, strict=True)
        )
        if array.dtype != dtype or not fits or max(array.shape[1:]) > most:
            raise FileError(f"does not belong to {files.CULPRITS}")
    return array


def _refuse_codes(run: Run, *columns: np.ndarray) -> None:
    classes = len(run.record.class_names)
    for codes in columns:
        if len(codes) and not 0 <= codes.min() <= codes.max() < classes:
            raise FileError(f"names a class outside 0–{classes - 1}")


def _hint(run: Run) -> str:
    return f"Look for them again with: {command('influence', '--run', run.path)}"
