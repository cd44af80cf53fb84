"""Open run directories for reading. Whatever a crash, a copy or an editor left behind, reading ends in data or a RunError."""

import fcntl
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from run_store.predictions import Predictions, PredictionsError, read_predictions

if TYPE_CHECKING:
    from torch import Tensor, nn

SCHEMA_VERSION = 1
RECORD_FILE = "run.json"
CHECKPOINT_FILE = "resume.pt"
METRICS_FILE = "metrics.csv"
MODEL_FILE = "model.safetensors"
IMAGES_FILE = "images.npy"
MASKS_FILE = "masks.npy"
FEATURES_FILE = "features.npy"
PREDICTIONS_FILE = "predictions.parquet"
LOCK_FILE = ".lock"

METRICS_COLUMNS = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate", "seconds")
THUMBNAIL_SIZE = 96  # larger images are kept as square thumbnails of this side, in pixels

State = Literal["running", "interrupted", "complete", "failed", "damaged"]


class RunError(Exception):
    """A sentence for the user: what is wrong with the run and what to do."""


@dataclass(frozen=True)
class RunRecord:
    """The content of run.json: all that is needed to rebuild the model and to say where it came from."""

    model: str  # a name in model_zoo.MODELS
    layers: tuple[str, ...]  # layers for attribution, shallow to deep
    dataset: str
    fingerprints: Mapping[str, str]  # split → SHA-256 of its content
    image_counts: Mapping[str, int]  # split → number of images
    class_names: tuple[str, ...]
    mean: tuple[float, ...]  # of the training split, a value a channel, 0–1
    std: tuple[float, ...]
    input_size: int  # side of the model's square input, pixels
    parameters: int
    recipe: Mapping[str, Any]
    seed: int
    threads: int
    device: str
    created: str  # ISO 8601, UTC
    git_commit: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    state: Literal["running", "complete", "failed"] = "running"
    reason: str = ""  # why it failed
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"


def parse_record(text: str) -> RunRecord:
    """Raises RunError for JSON that is no run.json of this schema version. Unknown keys are ignored."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise RunError(f"{RECORD_FILE} is not valid JSON") from error
    if not isinstance(content, dict) or "schema_version" not in content:
        raise RunError(f"{RECORD_FILE} is not a Sightline run record")
    if content["schema_version"] != SCHEMA_VERSION:
        raise RunError(
            f"{RECORD_FILE} has schema version {content['schema_version']!r}, this program reads {SCHEMA_VERSION}; "
            "open the run with the version of Sightline that wrote it, or train it again"
        )
    known = {entry.name: content[entry.name] for entry in fields(RunRecord) if entry.name in content}
    try:
        for name in ("layers", "class_names", "mean", "std"):
            known[name] = tuple(known[name])
        record = RunRecord(**known)
        _check_types(record)
    except (KeyError, TypeError) as error:
        raise RunError(f"{RECORD_FILE} lacks a field or holds a wrong type ({error})") from error
    return record


def _check_types(record: RunRecord) -> None:
    for name in ("model", "dataset", "device", "created", "state", "reason"):
        if not isinstance(getattr(record, name), str):
            raise TypeError(name)
    for name in ("fingerprints", "image_counts", "recipe", "packages"):
        if not isinstance(getattr(record, name), dict):
            raise TypeError(name)
    for name, kind in (("layers", str), ("class_names", str), ("mean", float), ("std", float)):
        if not getattr(record, name) or not all(isinstance(value, kind) for value in getattr(record, name)):
            raise TypeError(name)
    for name in ("input_size", "parameters", "seed", "threads"):
        if not isinstance(getattr(record, name), int):
            raise TypeError(name)


@dataclass(frozen=True)
class Run:
    """A run directory. Cheap to make; files are read when asked for, and each reader raises RunError with a sentence."""

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
            if (self.path / PREDICTIONS_FILE).exists():
                self.predictions()
                return "complete"
        except RunError:
            return "damaged"
        if is_locked(self.path):
            return "running"
        return {"running": "interrupted", "failed": "failed", "complete": "damaged"}[recorded]

    def metrics(self) -> pd.DataFrame:
        """METRICS_COLUMNS, one row an epoch; empty before the first epoch ends. A torn last line is left out."""
        if not (self.path / METRICS_FILE).exists():
            return pd.DataFrame(columns=METRICS_COLUMNS, dtype=float)
        lines = self._read_text(METRICS_FILE).split("\n")[:-1]  # what follows the last newline was not finished
        if not lines or tuple(lines[0].split(",")) != METRICS_COLUMNS:
            raise RunError(f"{METRICS_FILE} of run {self.name} does not start with the line {','.join(METRICS_COLUMNS)}")
        try:
            rows = [[float(value) for value in line.split(",")] for line in lines[1:]]
            table = pd.DataFrame(rows, columns=METRICS_COLUMNS, dtype=float)
        except ValueError as error:
            raise RunError(f"{METRICS_FILE} of run {self.name} holds a line that is not {len(METRICS_COLUMNS)} numbers") from error
        return table.astype({"epoch": int})

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
                f"Run {self.name}: {PREDICTIONS_FILE} has {len(predictions)} rows but {IMAGES_FILE} {images} images. {self._rewrite_hint}"
            )
        return predictions

    def images(self) -> np.ndarray:
        """The test split, uint8 N×H×W×3, memory-mapped; thumbnails where the originals are larger than 96 pixels."""
        return self._read_array(IMAGES_FILE, np.uint8, 4)

    def masks(self) -> np.ndarray | None:
        """uint8 N×H×W (bit 1 object, 2 tag, 4 decoy), or None where the data set has none."""
        return self._read_array(MASKS_FILE, np.uint8, 3) if (self.path / MASKS_FILE).exists() else None

    def features(self) -> np.ndarray:
        """Penultimate features of the test split, float16 N×D."""
        return self._read_array(FEATURES_FILE, np.float16, 2)

    @property
    def has_full_images(self) -> bool:
        """Whether `images` are the model's input rather than thumbnails of it."""
        return self.record.input_size <= THUMBNAIL_SIZE

    def load_model(self) -> "nn.Module":
        """The network with the weights of the last epoch, on the CPU, in eval mode, without gradients for parameters."""
        from safetensors.torch import load_file

        from model_zoo import ModelError, build_model

        self._require(MODEL_FILE)
        try:
            model = build_model(self.record.model, len(self.record.class_names))
            model.load_state_dict(load_file(self.path / MODEL_FILE))
        except ModelError as error:
            raise RunError(f"Run {self.name}: {error}") from error
        except Exception as error:  # safetensors and load_state_dict raise many kinds for damaged weights
            raise RunError(f"Run {self.name}: {MODEL_FILE} is damaged or of another model; train the run again.") from error
        return model.eval().requires_grad_(False)

    def to_input(self, images: np.ndarray) -> "Tensor":
        """uint8 N×H×W×3 → the model's input, float32 N×3×H×W, normalised as in training."""
        from model_zoo import normalize

        return normalize(np.array(images), self.record.mean, self.record.std)

    @property
    def _rewrite_hint(self) -> str:
        return f"Write them again with: python -m training.evaluate --run {self.path}"

    def _require(self, name: str) -> None:
        if not (self.path / name).is_file():
            raise RunError(f"Run {self.name} has no {name} yet; it is written when the training ends.")

    def _read_text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"Run {self.name}: {name} is missing or cannot be read ({type(error).__name__})") from error

    def _read_array(self, name: str, dtype: type, dimensions: int) -> np.ndarray:
        self._require(name)
        try:
            array = np.load(self.path / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise RunError(f"Run {self.name}: {name} is damaged. {self._rewrite_hint}") from error
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != dimensions:
            raise RunError(f"Run {self.name}: {name} does not hold {np.dtype(dtype).name} values in {dimensions} dimensions. {self._rewrite_hint}")
        return array


def list_runs(root: Path) -> list[Run]:
    """The runs directly under `root`, newest first; a folder without run.json is none. No root: no runs."""
    if not root.is_dir():
        return []
    files = [folder / RECORD_FILE for folder in root.iterdir() if (folder / RECORD_FILE).is_file()]
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
