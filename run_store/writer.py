"""Write a run directory, so that a reader at any moment finds each file whole or absent."""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sightline.image_data.images import Images, in_chunks
from sightline.run_store import files
from sightline.run_store.history import History, history_bytes
from sightline.run_store.maps import remove_maps
from sightline.run_store.metrics import METRICS_COLUMNS, metrics_line
from sightline.run_store.names import check_folder_name
from sightline.run_store.record import MOST_TEXT, RunError, RunRecord, parse_record

if TYPE_CHECKING:
    from torch import Tensor, nn


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
        stands already, nothing may be written, the name should not be one, or no reader would take the record; then
        no file is left behind.
        """
        check_folder_name(path.name)
        _refuse_unreadable(record)
        try:
            path.mkdir(parents=True, exist_ok=True)
            _refuse_content(path)  # before the lock, which would leave a file in a folder of somebody else
            writer = cls(path, record, _take_lock(path))
        except OSError as error:
            raise RunError(f"Cannot write a run to {path} ({error.strerror}); choose another path.") from error
        try:
            _refuse_content(path)  # another process may have had the lock, and ended, meanwhile
            _remove_leftovers(path)
            writer._write_record(record)
            files.write_atomically(path / files.METRICS, (",".join(METRICS_COLUMNS) + "\n").encode())
        except RunError:
            writer._lock.close()
            raise
        except OSError as error:
            with suppress(OSError), writer:
                for name in (files.RECORD, files.METRICS, files.LOCK):
                    (path / name).unlink(missing_ok=True)
                path.rmdir()
            raise RunError(f"Cannot write a run to {path} ({error.strerror}); choose another path.") from error
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

    def describe(self, record: RunRecord) -> None:
        """Replace run.json, of a run that was begun before all of this was known.

        Raises RunError, and leaves run.json as it is, where no reader would take the record.
        """
        _refuse_unreadable(record)
        self._write_record(record)

    def restart(self, rows: Sequence[Sequence[float]]) -> None:
        """Say that the run is running again; metrics.csv is rebuilt from `rows`, each with METRICS_COLUMNS."""
        lines = [
            ",".join(METRICS_COLUMNS),
            *(metrics_line(dict(zip(METRICS_COLUMNS, row, strict=True))) for row in rows),
        ]
        files.write_atomically(self.path / files.METRICS, "".join(f"{line}\n" for line in lines).encode())
        self._write_record(replace(self.record, state="running", reason=""))

    def save_left_out(self, content: bytes) -> None:
        """Write the list of the training images that are left out, a `TrainingList.content`."""
        files.write_atomically(self.path / files.WITHOUT, content)

    def append_metrics(self, row: Mapping[str, float]) -> None:
        """Add one epoch's line; `row` has its number and, of METRICS_COLUMNS, the figures that are known."""
        with open(self.path / files.METRICS, "a", encoding="utf-8") as stream:
            stream.write(
                f"{metrics_line(row)}\n"
            )  # one write of one line: a reader sees it whole, or torn at the end of the file
            stream.flush()
            os.fsync(stream.fileno())

    def save_history(self, history: History) -> None:
        """Write what each test image was taken for, before the checkpoint that commits its last epoch."""
        files.write_atomically(self.path / files.HISTORY, history_bytes(history))

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Commit an epoch: plain tensors and numbers, to be read with `weights_only=True`."""
        import torch

        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        files.write_atomically(self.path / files.CHECKPOINT, buffer.getvalue())

    def save_model(self, model: "nn.Module") -> None:
        """Write the weights, each under all of its names where it has several, so that any program can load them."""
        files.write_atomically(self.path / files.MODEL, _weights_bytes(model.state_dict()))

    def save_epoch(self, epoch: int, weights: "Mapping[str, Tensor]") -> None:
        """Write the weights of an epoch that is kept, before the checkpoint that commits it.

        Raises RunError where they would land outside the run, which may come from a stranger.
        """
        file = self.path / files.epoch_weights(epoch)
        if file.parent.is_symlink():
            raise RunError(f"{file.parent} is a link, and no weights are written through it; remove it.")
        file.parent.mkdir(exist_ok=True)
        files.write_atomically(file, _weights_bytes(weights))

    def save_network(self, content: bytes) -> None:
        """Write the graph of a network that no name builds, as `export_graph` returns it."""
        files.write_atomically(self.path / files.NETWORK, content)

    def save_images(self, images: Images, masks: np.ndarray | None) -> None:
        """Write the images, uint8 N×H×W×3, as they are read, and the masks, uint8 N×H×W, where there are any."""
        files.write_atomically(self.path / files.IMAGES, npy(images))
        if masks is not None:
            files.write_atomically(self.path / files.MASKS, npy(masks))

    def complete(self, predictions: pa.Table, features: np.ndarray | None) -> int:
        """Seal the run: the features (N×D; None: nobody has them), then the predictions, which make it complete.

        Returns how many rows of features had to be scaled into the range of float16: of those the direction is kept.
        Precomputed maps are removed: they explain the predictions that were here before.
        """
        scaled = 0
        if features is None:
            (self.path / files.FEATURES).unlink(missing_ok=True)
        else:
            halves, scaled = _in_float16(features)
            files.write_atomically(self.path / files.FEATURES, npy(halves))
        remove_maps(self.path)
        buffer = io.BytesIO()
        pq.write_table(predictions, buffer, write_page_checksum=True)
        files.write_atomically(self.path / files.PREDICTIONS, buffer.getvalue())
        self._write_record(replace(self.record, state="complete", reason=""))
        return scaled

    def fail(self, reason: str) -> None:
        """Say that the run failed, and why."""
        self._write_record(replace(self.record, state="failed", reason=reason[:MOST_TEXT]))

    def _write_record(self, record: RunRecord) -> None:
        self.record = record
        # A folder's name may hold what is no Unicode (a lone surrogate): it becomes its JSON escape.
        files.write_atomically(self.path / files.RECORD, record.to_json().encode("utf-8", "backslashreplace"))


def _weights_bytes(weights: "Mapping[str, Tensor]") -> bytes:
    import torch
    from safetensors.torch import save

    copies = {  # since safetensors refuses tensors that share memory
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in weights.items()
    }
    return save(copies)


def _remove_leftovers(path: Path) -> None:
    for file in files.leftovers(path):
        file.unlink(missing_ok=True)


def _refuse_unreadable(record: RunRecord) -> None:
    """Raise RunError for what no reader would take, such as more classes than a run may have."""
    try:
        parse_record(record.to_json().encode("utf-8", "backslashreplace"))
    except files.FileError as error:
        raise RunError(f"The run cannot be written: its {files.RECORD} {error}.") from error


def check_place(path: Path) -> None:
    """Raise RunError where no run can be made since something stands there: before work is done in vain."""
    check_folder_name(path.name)
    with suppress(OSError):  # which `create` says in a sentence
        if path.is_dir():
            _refuse_content(path)


def _refuse_content(path: Path) -> None:
    ours = {files.LOCK, *(file.name for file in files.leftovers(path))}
    if not ours.issuperset(entry.name for entry in path.iterdir()):
        raise RunError(f"{path} is not empty, and a run is never overwritten; choose another path or remove it.")


def _in_float16(features: np.ndarray) -> tuple[np.ndarray, int]:
    """Return features (N×D) as float16, and how many rows were scaled, by a power of two, since they do not fit.

    Those are the rows whose largest finite value is too large or too small for float16. Infinity and NaN stay.
    """
    largest = np.abs(features).max(axis=1, initial=0, where=np.isfinite(features))
    limits = np.finfo(np.float16)
    rows = np.flatnonzero((largest > limits.max) | (largest > 0) & (largest < limits.smallest_normal))
    with np.errstate(over="ignore"):
        halves = features.astype(np.float16)
    exponents = np.frexp(largest[rows])[1]
    halves[rows] = np.ldexp(features[rows], -exponents[:, None])  # the largest lies between 0.5 and 1 then
    return halves, len(rows)


def npy(array: Images) -> Iterator[bytes | memoryview]:
    """Yield the pieces of an .npy file of any array."""
    header = io.BytesIO()
    layout = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, layout)
    yield header.getvalue()
    yield from (chunk.data for chunk in in_chunks(array))


def _take_lock(path: Path) -> IO[str]:
    lock = files.take_lock(path)
    if lock is None:
        raise RunError(f"Another process is writing {path}; wait until it ends, or choose another path.")
    return lock
