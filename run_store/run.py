"""Open run directories for reading.

Whatever a crash, a copy or an editor left behind, reading ends in data or a RunError.
"""

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sightline.run_store import files
from sightline.run_store.metrics import Epoch, parse_metrics
from sightline.run_store.note import RunNote, parse_note
from sightline.run_store.predictions import Predictions
from sightline.run_store.predictions_file import PredictionsError, read_predictions
from sightline.run_store.record import RunError, RunRecord, parse_record

if TYPE_CHECKING:
    from torch import Tensor, nn

THUMBNAIL_SIZE = 96  # larger images are kept as square thumbnails of this side, in pixels

State = Literal["running", "interrupted", "complete", "failed", "damaged"]


@dataclass(frozen=True)
class Run:
    """A run directory. Cheap to make: files are read when asked for, and a reader raises RunError with a sentence.

    The record is read once: to see how a run goes on, make another Run.

    >>> from pathlib import Path
    >>> from sightline import Run
    >>> run = Run(Path("runs/pets"))
    >>> run.state, run.record.class_names
    ('complete', ('cat', 'dog', 'owl'))
    >>> run.images().shape, run.predictions().column("predicted")[:3].tolist()
    ((12, 32, 32, 3), [1, 1, 2])
    """

    path: Path
    kept: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What its readers found, for as long as this object stands for one look at the folder."""

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Whether a run was begun here: it has a record, damaged or not."""
        return os.path.isfile(self.path / files.RECORD)

    def stamp(self, reading: files.Reading) -> files.Stamp:
        """Return the key under which what is read may be kept: another one as soon as a file behind it changes.

        Every file is looked at once: whoever wants to see a later state makes another Run.
        """
        return tuple(self._file_stamp(name) for name in files.DEPENDS_ON[reading])

    def _file_stamp(self, name: str) -> files.FileStamp:
        if name not in self.kept:
            self.kept[name] = files.file_stamp(self.path / name)
        found: files.FileStamp = self.kept[name]
        return found

    @cached_property
    def record(self) -> RunRecord:
        """What run.json says, read once. Raises RunError."""
        return parse_record(self._read_text(files.RECORD))

    @property
    def state(self) -> State:
        """What became of the run: complete exactly when its predictions are there and valid, running while locked."""
        try:
            recorded = self.record.state
            if os.path.exists(self.path / files.PREDICTIONS):
                self.predictions()
                return "complete"
        except RunError:
            return "damaged"
        if files.is_locked(self.path):
            return "running"
        if recorded == "complete":
            return "damaged"
        return "failed" if recorded == "failed" else "interrupted"

    def metrics(self) -> list[Epoch]:
        """Return the epochs that have ended. A torn last line is left out."""
        if not os.path.exists(self.path / files.METRICS):
            return []
        try:
            return parse_metrics(self._read_text(files.METRICS))
        except ValueError as error:
            raise RunError(f"{files.METRICS} of run {self.name} {error}") from error

    def note(self) -> RunNote:
        """Return what people say about the run; empty where they said nothing."""
        if not os.path.exists(self.path / files.NOTE):
            return RunNote()
        try:
            return parse_note(self._read_text(files.NOTE))
        except RunError as error:
            raise RunError(f"Run {self.name}: {error}. Mend or remove it.") from error

    def predictions(self) -> Predictions:
        """Return the predictions.

        Raises RunError when they are missing, damaged, or of another length than the images.
        """
        self._require(files.PREDICTIONS)
        try:
            predictions = read_predictions(self.path / files.PREDICTIONS, self.record.class_names)
        except PredictionsError as error:
            raise RunError(f"Run {self.name}: {error}. {self._rewrite_hint}") from error
        images = len(self.images())
        if len(predictions) != images:
            raise RunError(
                f"Run {self.name}: {files.PREDICTIONS} has {len(predictions)} rows but {files.IMAGES} {images} images. "
                f"{self._rewrite_hint}"
            )
        return predictions

    def images(self) -> np.ndarray:
        """Return the test split, uint8 N×H×W×3, memory-mapped; thumbnails of originals above 96 pixels."""
        images = self._read_array(files.IMAGES, np.uint8, 4)
        if images.shape[3] != 3:
            raise RunError(f"Run {self.name}: {files.IMAGES} does not hold RGB images. {self._rewrite_hint}")
        return images

    def masks(self) -> np.ndarray | None:
        """Return the masks, uint8 N×H×W (bit 1 object, 2 tag, 4 decoy), or None where the data set has none."""
        if not os.path.exists(self.path / files.MASKS):
            return None
        masks = self._read_array(files.MASKS, np.uint8, 3)
        if masks.shape != self.images().shape[:3]:
            raise RunError(f"Run {self.name}: {files.MASKS} and {files.IMAGES} do not match. {self._rewrite_hint}")
        return masks

    def features(self) -> np.ndarray:
        """Return the penultimate features of the test split, float16 N×D."""
        features = self._read_array(files.FEATURES, np.float16, 2)
        if len(features) != len(self.images()):
            raise RunError(f"Run {self.name}: {files.FEATURES} and {files.IMAGES} do not match. {self._rewrite_hint}")
        return features

    def model_images(self, rows: Sequence[int]) -> np.ndarray:
        """Return what the model saw, uint8 N×H×W×3; decoded from the originals where the run has only thumbnails."""
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

    def checkpoint(self) -> dict[str, Any] | None:
        """Return the last finished epoch, as `RunWriter.save_checkpoint` committed it; None where none is finished.

        Raises RunError where it is lost or damaged.
        """
        import torch

        if not os.path.exists(self.path / files.CHECKPOINT):
            if not self.metrics():
                return None
            raise RunError(f"Run {self.name} has lost its {files.CHECKPOINT}; remove it and train it again.")
        try:
            checkpoint: dict[str, Any] = torch.load(self.path / files.CHECKPOINT, weights_only=True)
        except Exception as error:  # torch raises many kinds for a damaged file
            raise RunError(f"Run {self.name}: {files.CHECKPOINT} is damaged; train the run again.") from error
        return checkpoint

    def load_model(self) -> "nn.Module":
        """Return the network with the weights of the last epoch, on the CPU, in eval mode, its parameters frozen."""
        from safetensors.torch import load_file

        from sightline.model_zoo import ModelError, build_model, restore

        self._require(files.MODEL)
        try:
            model = build_model(self.record.model, len(self.record.class_names), self.record.input_size)
            restore(model, load_file(self.path / files.MODEL))
        except ModelError as error:
            raise RunError(f"Run {self.name}: {error}") from error
        except Exception as error:  # safetensors and load_state_dict raise many kinds for damaged weights
            raise RunError(
                f"Run {self.name}: {files.MODEL} is damaged or of another model; train the run again."
            ) from error
        return model.eval().requires_grad_(False)

    def to_input(self, images: np.ndarray) -> "Tensor":
        """Turn uint8 N×H×W×3 into the model's input, float32 N×3×H×W, normalised as in training."""
        from sightline.model_zoo import normalize

        return normalize(np.array(images), self.record.mean, self.record.std)

    @property
    def _rewrite_hint(self) -> str:
        return f"Write them again with: sightline evaluate --run {self.path}"

    def _require(self, name: str) -> None:
        if not os.path.isfile(self.path / name):
            if self.record.state == "complete":
                remedy = "Train the run again." if name == files.MODEL else self._rewrite_hint
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
            array = files.open_array(self.path / name)
        except Exception as error:  # a damaged header makes numpy raise anything, from EOFError to TokenError
            raise RunError(f"Run {self.name}: {name} is damaged. {self._rewrite_hint}") from error
        if array.dtype != dtype or array.ndim != dimensions:
            raise RunError(
                f"Run {self.name}: {name} does not hold {np.dtype(dtype).name} values in {dimensions} dimensions. "
                f"{self._rewrite_hint}"
            )
        return array


def list_runs(root: Path) -> list[Run]:
    """Return the runs directly under `root`, newest first; no root, no runs.

    A folder without run.json is none, nor is one whose name is not valid UTF-8: no page or command could name it.
    """
    try:
        folders = list(root.iterdir())
    except OSError:
        return []
    named = [folder for folder in folders if folder.name.encode(errors="ignore").decode() == folder.name]
    runs = [run for run in map(Run, named) if run.exists]
    return sorted(runs, key=_created, reverse=True)


def _created(run: Run) -> str:
    try:
        return run.record.created
    except RunError:
        return ""  # damaged runs go last
