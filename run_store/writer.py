"""Write a run directory, so that a reader at any moment finds each file whole or absent."""

import fcntl
import io
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sightline.run_store.maps import remove_maps
from sightline.run_store.metrics import METRICS_COLUMNS, metrics_line
from sightline.run_store.run import (
    CHECKPOINT_FILE,
    FEATURES_FILE,
    IMAGES_FILE,
    LOCK_FILE,
    MASKS_FILE,
    METRICS_FILE,
    MODEL_FILE,
    PREDICTIONS_FILE,
    QUALITY_FILE,
    RECORD_FILE,
    RunError,
    RunRecord,
)

if TYPE_CHECKING:
    from torch import nn

_LOCK_ATTEMPTS = 5
_WRITTEN = (  # under the lock, as the note is not
    RECORD_FILE, METRICS_FILE, CHECKPOINT_FILE, MODEL_FILE, IMAGES_FILE, MASKS_FILE, FEATURES_FILE, PREDICTIONS_FILE,
    QUALITY_FILE,
)  # fmt: skip


def write_atomically(file: Path, content: bytes) -> None:
    """Readers see the old content or the new, also after a power cut."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


class RunWriter:
    """The one process that writes a run; holds its lock from `create` or `reopen` until `close`."""

    def __init__(self, path: Path, record: RunRecord, lock: IO[str]):
        self.path = path
        self.record = record
        self._lock = lock

    @classmethod
    def create(cls, path: Path, record: RunRecord) -> Self:
        """Make the directory, lock it and write run.json.

        What a killed writer left before it had written run.json is taken over. Raises RunError where something else
        stands already or nothing may be written; then no file is left behind.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            _refuse_content(path)  # before the lock, which would leave a file in a folder of somebody else
            writer = cls(path, record, _take_lock(path))
        except OSError as error:
            raise RunError(f"Cannot write a run to {path} ({error.strerror}); choose another --run.") from error
        try:
            _refuse_content(path)  # another process may have had the lock, and ended, meanwhile
            _remove_leftovers(path)
            writer._write_record(record)
            write_atomically(path / METRICS_FILE, (",".join(METRICS_COLUMNS) + "\n").encode())
        except RunError:
            writer._lock.close()
            raise
        except OSError as error:
            with suppress(OSError), writer:
                for name in (RECORD_FILE, METRICS_FILE, LOCK_FILE):
                    (path / name).unlink(missing_ok=True)
                path.rmdir()
            raise RunError(f"Cannot write a run to {path} ({error.strerror}); choose another --run.") from error
        return writer

    @classmethod
    def reopen(cls, path: Path, record: RunRecord) -> Self:
        """Lock an existing run to go on writing it. Raises RunError when another process holds it."""
        try:
            writer = cls(path, record, _take_lock(path))
            _remove_leftovers(path)
            return writer
        except OSError as error:
            raise RunError(f"Cannot write to {path} ({error.strerror}); check its permissions.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def restart(self, rows: Sequence[Sequence[float]]) -> None:
        """The run is running again; metrics.csv is rebuilt from `rows`, each with METRICS_COLUMNS."""
        lines = [",".join(METRICS_COLUMNS), *map(metrics_line, rows)]
        write_atomically(self.path / METRICS_FILE, "".join(f"{line}\n" for line in lines).encode())
        self._write_record(replace(self.record, state="running", reason=""))

    def append_metrics(self, row: Mapping[str, float]) -> None:
        """Add one epoch's line; `row` has a value for each of METRICS_COLUMNS."""
        line = metrics_line([row[name] for name in METRICS_COLUMNS])
        with open(self.path / METRICS_FILE, "a", encoding="utf-8") as stream:
            stream.write(f"{line}\n")  # one write of one line: a reader sees it whole, or torn at the end of the file
            stream.flush()
            os.fsync(stream.fileno())

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Commit an epoch: plain tensors and numbers, to be read with `weights_only=True`."""
        import torch

        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        write_atomically(self.path / CHECKPOINT_FILE, buffer.getvalue())

    def save_model(self, model: "nn.Module") -> None:
        from safetensors.torch import save

        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        write_atomically(self.path / MODEL_FILE, save(weights))

    def save_images(self, images: np.ndarray, masks: np.ndarray | None) -> None:
        """uint8 N×H×W×3, and the masks uint8 N×H×W where there are any."""
        write_atomically(self.path / IMAGES_FILE, _npy(images))
        if masks is not None:
            write_atomically(self.path / MASKS_FILE, _npy(masks))

    def complete(self, predictions: pa.Table, features: np.ndarray) -> None:
        """Seal the run: the features (N×D), then the predictions, whose presence makes it complete.

        Precomputed maps are removed: they explain the predictions that were here before.
        """
        write_atomically(self.path / FEATURES_FILE, _npy(features.astype(np.float16)))
        remove_maps(self.path)
        buffer = io.BytesIO()
        pq.write_table(predictions, buffer, write_page_checksum=True)
        write_atomically(self.path / PREDICTIONS_FILE, buffer.getvalue())
        self._write_record(replace(self.record, state="complete", reason=""))

    def fail(self, reason: str) -> None:
        self._write_record(replace(self.record, state="failed", reason=reason))

    def _write_record(self, record: RunRecord) -> None:
        self.record = record
        # A folder's name may hold what is no Unicode (a lone surrogate): it becomes its JSON escape.
        write_atomically(self.path / RECORD_FILE, record.to_json().encode("utf-8", "backslashreplace"))


def _leftovers(path: Path) -> list[Path]:
    """Temporary files of `write_atomically`: those of a writer that was killed, for whoever holds the lock."""
    return [file for name in _WRITTEN for file in path.glob(f".{name}.*") if file.suffix[1:].isdigit()]


def _remove_leftovers(path: Path) -> None:
    for file in _leftovers(path):
        file.unlink(missing_ok=True)


def _refuse_content(path: Path) -> None:
    if not {LOCK_FILE, *(file.name for file in _leftovers(path))}.issuperset(entry.name for entry in path.iterdir()):
        raise RunError(f"{path} is not empty, and a run is never overwritten; choose another --run or remove it.")


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _take_lock(path: Path) -> IO[str]:
    lock = open(path / LOCK_FILE, "a")  # noqa: SIM115 (held open as long as the run is written)
    for _ in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:  # perhaps only `is_locked`, which holds it for a moment
            time.sleep(0.05)
    lock.close()
    raise RunError(f"Another process is writing {path}; wait until it ends, or choose another --run.")
