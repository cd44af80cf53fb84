"""Open run directories for reading.

Whatever a crash, a copy or an editor left behind, reading ends in data or a RunError.
"""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sightline.run_store.metrics import Epoch, parse_metrics
from sightline.run_store.note import NOTE_FILE, RunNote, parse_note
from sightline.run_store.predictions import Predictions
from sightline.run_store.predictions_file import PredictionsError, read_predictions
from sightline.run_store.record import RECORD_FILE, RunError, RunRecord, parse_record

if TYPE_CHECKING:
    from torch import Tensor, nn

CHECKPOINT_FILE = "resume.pt"
METRICS_FILE = "metrics.csv"
MODEL_FILE = "model.safetensors"
IMAGES_FILE = "images.npy"
MASKS_FILE = "masks.npy"
FEATURES_FILE = "features.npy"
PREDICTIONS_FILE = "predictions.parquet"
QUALITY_FILE = "quality.csv"
LOCK_FILE = ".lock"

THUMBNAIL_SIZE = 96  # larger images are kept as square thumbnails of this side, in pixels

State = Literal["running", "interrupted", "complete", "failed", "damaged"]


@dataclass(frozen=True)
class Run:
    """A run directory. Cheap to make: files are read when asked for, and a reader raises RunError with a sentence."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def record(self) -> RunRecord:
        return parse_record(self._read_text(RECORD_FILE))

    @property
    def state(self) -> State:
        """A run is complete exactly when its predictions are there and valid; running while its lock is held."""
        try:
            recorded = self.record.state
            if os.path.exists(self.path / PREDICTIONS_FILE):
                self.predictions()
                return "complete"
        except RunError:
            return "damaged"
        if is_locked(self.path):
            return "running"
        if recorded == "complete":
            return "damaged"
        return "failed" if recorded == "failed" else "interrupted"

    def metrics(self) -> list[Epoch]:
        """One an epoch; none before the first epoch ends. A torn last line is left out."""
        if not os.path.exists(self.path / METRICS_FILE):
            return []
        try:
            return parse_metrics(self._read_text(METRICS_FILE))
        except ValueError as error:
            raise RunError(f"{METRICS_FILE} of run {self.name} {error}") from error

    def note(self) -> RunNote:
        """What people say about the run; empty where they said nothing."""
        if not os.path.exists(self.path / NOTE_FILE):
            return RunNote()
        try:
            return parse_note(self._read_text(NOTE_FILE))
        except RunError as error:
            raise RunError(f"Run {self.name}: {error}. Mend or remove it.") from error

    def predictions(self) -> Predictions:
        """Raises RunError when the table is missing, damaged, or of another length than the images."""
        self._require(PREDICTIONS_FILE)
        try:
            predictions = read_predictions(self.path / PREDICTIONS_FILE, self.record.class_names)
        except PredictionsError as error:
            raise RunError(f"Run {self.name}: {error}. {self._rewrite_hint}") from error
        images = len(self.images())
        if len(predictions) != images:
            raise RunError(
                f"Run {self.name}: {PREDICTIONS_FILE} has {len(predictions)} rows but {IMAGES_FILE} {images} images. "
                f"{self._rewrite_hint}"
            )
        return predictions

    def images(self) -> np.ndarray:
        """The test split, uint8 N×H×W×3, memory-mapped; thumbnails where the originals are larger than 96 pixels."""
        images = self._read_array(IMAGES_FILE, np.uint8, 4)
        if images.shape[3] != 3:
            raise RunError(f"Run {self.name}: {IMAGES_FILE} does not hold RGB images. {self._rewrite_hint}")
        return images

    def masks(self) -> np.ndarray | None:
        """uint8 N×H×W (bit 1 object, 2 tag, 4 decoy), or None where the data set has none."""
        if not os.path.exists(self.path / MASKS_FILE):
            return None
        masks = self._read_array(MASKS_FILE, np.uint8, 3)
        if masks.shape != self.images().shape[:3]:
            raise RunError(f"Run {self.name}: {MASKS_FILE} and {IMAGES_FILE} do not match. {self._rewrite_hint}")
        return masks

    def features(self) -> np.ndarray:
        """Penultimate features of the test split, float16 N×D."""
        features = self._read_array(FEATURES_FILE, np.float16, 2)
        if len(features) != len(self.images()):
            raise RunError(f"Run {self.name}: {FEATURES_FILE} and {IMAGES_FILE} do not match. {self._rewrite_hint}")
        return features

    def model_images(self, rows: Sequence[int]) -> np.ndarray:
        """The pixels the model saw, uint8 N×H×W×3; decoded from the originals where the run keeps only thumbnails."""
        images = self.images()
        if images.shape[1] == self.record.input_size:
            return np.array(images[list(rows)])
        from sightline.image_data import DataError, decode_image

        predictions = self.predictions()
        if "path" not in predictions.scalars.column_names:
            raise RunError(
                f"Run {self.name} keeps thumbnails only and names no originals, so there is nothing to explain."
            )
        paths = predictions.column("path")
        try:
            return np.stack([decode_image(str(paths[row]), self.record.input_size) for row in rows])
        except DataError as error:
            raise RunError(
                f"Run {self.name} keeps thumbnails only, and a map needs the original: {error} "
                "Put the images back in place."
            ) from error

    def checkpoint(self) -> dict[str, Any]:
        """The last finished epoch, as `RunWriter.save_checkpoint` committed it. Raises RunError when there is none."""
        import torch

        if not os.path.exists(self.path / CHECKPOINT_FILE):
            raise RunError(f"Run {self.name} has lost its {CHECKPOINT_FILE}; remove it and train it again.")
        try:
            return torch.load(self.path / CHECKPOINT_FILE, weights_only=True)
        except Exception as error:  # torch raises many kinds for a damaged file
            raise RunError(f"Run {self.name}: {CHECKPOINT_FILE} is damaged; train the run again.") from error

    def load_model(self) -> "nn.Module":
        """The network with the weights of the last epoch, on the CPU, in eval mode, its parameters frozen."""
        from safetensors.torch import load_file

        from sightline.model_zoo import ModelError, build_model, restore

        self._require(MODEL_FILE)
        try:
            model = build_model(self.record.model, len(self.record.class_names), self.record.input_size)
            restore(model, load_file(self.path / MODEL_FILE))
        except ModelError as error:
            raise RunError(f"Run {self.name}: {error}") from error
        except Exception as error:  # safetensors and load_state_dict raise many kinds for damaged weights
            raise RunError(
                f"Run {self.name}: {MODEL_FILE} is damaged or of another model; train the run again."
            ) from error
        return model.eval().requires_grad_(False)

    def to_input(self, images: np.ndarray) -> "Tensor":
        """uint8 N×H×W×3 → the model's input, float32 N×3×H×W, normalised as in training."""
        from sightline.model_zoo import normalize

        return normalize(np.array(images), self.record.mean, self.record.std)

    @property
    def _rewrite_hint(self) -> str:
        return f"Write them again with: sightline evaluate --run {self.path}"

    def _require(self, name: str) -> None:
        if not os.path.isfile(self.path / name):
            if self.record.state == "complete":
                remedy = "Train the run again." if name == MODEL_FILE else self._rewrite_hint
                raise RunError(f"Run {self.name} has lost its {name}. {remedy}")
            raise RunError(f"Run {self.name} has no {name} yet; it is written when the training ends.")

    def _read_text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"Run {self.name}: {name} is missing or cannot be read ({type(error).__name__})") from error

    def _read_array(self, name: str, dtype: type, dimensions: int) -> np.ndarray:
        self._require(name)
        try:
            array = np.lib.format.open_memmap(self.path / name, mode="r")
        except Exception as error:  # a damaged header makes numpy raise anything, from EOFError to TokenError
            raise RunError(f"Run {self.name}: {name} is damaged. {self._rewrite_hint}") from error
        if array.dtype != dtype or array.ndim != dimensions:
            raise RunError(
                f"Run {self.name}: {name} does not hold {np.dtype(dtype).name} values in {dimensions} dimensions. "
                f"{self._rewrite_hint}"
            )
        return array


def list_runs(root: Path) -> list[Run]:
    """The runs directly under `root`, newest first; no root, no runs.

    A folder without run.json is none, nor is one whose name is not valid UTF-8: no page or command could name it.
    """
    try:
        folders = list(root.iterdir())
    except OSError:
        return []
    named = [folder for folder in folders if folder.name.encode(errors="ignore").decode() == folder.name]
    files = [folder / RECORD_FILE for folder in named if os.path.isfile(folder / RECORD_FILE)]
    return [Run(file.parent) for file in sorted(files, key=_created, reverse=True)]


def _created(record_file: Path) -> str:
    try:
        return parse_record(record_file.read_text(encoding="utf-8")).created
    except (RunError, OSError, UnicodeDecodeError):
        return ""  # damaged runs go last


def is_locked(path: Path) -> bool:
    """Whether a living process writes this run."""
    try:
        with open(path / LOCK_FILE) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
