"""quality.csv: how far the maps of a run may be believed, one figure a row, as `sightline quality` measured them.

Beside it, quality.safetensors holds the values of single images that the figures are made of, so that measuring can
go on where it was stopped; nothing else reads it.
"""

import csv
import hashlib
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from safetensors.numpy import load, save

from sightline.run_store import files
from sightline.run_store.commands import command
from sightline.run_store.epochs import refuse_epoch
from sightline.run_store.files import FileError
from sightline.run_store.hashes import file_hash, once, weights_hash
from sightline.run_store.record import MOST_NUMBER, RunError
from sightline.run_store.run import Run

MOST_ROWS = 20_000
INPUT = "input"  # the "layer" of maps that have the input's own resolution: pixel methods and controls
Kind = tuple[str, str]  # of maps: method and layer
Values = dict[str, np.ndarray]  # measure → float64 N, one an image (or mosaic) of the sample; NaN: no value


@dataclass(frozen=True)
class QualityRow:
    """One figure. `low` and `high` bound its interval over the `n` images that count, at the confidence `level`."""

    method: str
    layer: str  # a `named_modules()` name, or INPUT
    measure: str
    value: float  # NaN where no image counts
    low: float
    high: float
    n: int
    control: bool  # whether the maps explain nothing, and others are held against them
    images: int  # that were asked for, of which more are looked at only where that may change what is said
    best: tuple[int, ...] = ()  # images of the test split, best first
    worst: tuple[int, ...] = ()  # worst first
    level: float = 0.95  # more than 0.95 where one looks several times, so that all looks together have that
    final: bool = True  # False: more images are to be measured

    @property
    def kind(self) -> Kind:
        """Of what kind the maps are."""
        return self.method, self.layer


_COLUMNS = tuple(field.name for field in fields(QualityRow))
_WEIGHTS = "weights"  # the last column: the SHA-256 of the weights that were measured
_SAMPLE = "sample"  # beside it in the values: that of the images and what the model made of them
_MOST_VALUE = 1 + 1e-6  # no measure goes beyond −1 to 1 by more than rounding


def read_quality(run: Run) -> list[QualityRow]:
    """Return the figures of a run, none where nothing was measured.

    Raises RunError where the file is damaged, or stale: of other weights than the run has now, if it has any.
    """
    refuse_epoch(run.name, run.epoch, "the verdicts on its maps")
    if not os.path.exists(run.path / files.QUALITY):
        return []
    with run.reading(files.QUALITY, _hint(run)):
        lines = list(csv.DictReader(io.StringIO(run.read(files.QUALITY).decode(), newline=""), strict=True))
        if len(lines) > MOST_ROWS:
            raise FileError(f"has {len(lines):,} rows, and there may be {MOST_ROWS:,}")
        rows = [_parse(line, run.record.image_counts.get("test", 0)) for line in lines]
        hashes = {line[_WEIGHTS] for line in lines}
    if os.path.exists(run.path / files.MODEL) and hashes - {weights_hash(run)}:
        raise RunError(
            f"Run {run.name}: {files.QUALITY} is stale, it measured other weights than {files.MODEL} holds now. "
            f"{_hint(run)}"
        )
    return rows


def write_quality(run: Run, rows: Sequence[QualityRow]) -> None:
    """Replace the file at once; the caller holds the run's lock.

    Raises RunError for a run without weights.
    """
    files.write_atomically(run.path / files.QUALITY, quality_csv(rows, weights_hash(run)))


def read_values(run: Run) -> dict[Kind, Values]:
    """Return the values of single images by method and layer, then by measure: float64 N; NaN: no value.

    None where there are none, or those of other weights or of other images. Raises RunError where the file is damaged.
    """
    if not os.path.exists(run.path / files.QUALITY_VALUES):
        return {}
    with run.reading(files.QUALITY_VALUES, _hint(run)):
        arrays = load(run.read(files.QUALITY_VALUES))
        measured = [arrays.pop(name, np.empty(0)).tobytes().hex() for name in (_WEIGHTS, _SAMPLE)]
        if measured != [weights_hash(run), _sample_hash(run)]:
            return {}
        if not all(_are_values(run, values) for values in arrays.values()):
            raise FileError("holds other arrays than values of the run's images")
        found: dict[Kind, Values] = {}
        for name, values in arrays.items():
            measure, method, layer = name.split("/", 2)
            found.setdefault((method, layer), {})[measure] = values
    return found


def write_values(run: Run, values: Mapping[Kind, Values]) -> None:
    """Replace the file at once; the caller holds the run's lock. Raises RunError for a run without weights."""
    arrays = {
        f"{measure}/{method}/{layer}": array
        for (method, layer), of_kind in values.items()
        for measure, array in of_kind.items()
    }
    for name, found in ((_WEIGHTS, weights_hash(run)), (_SAMPLE, _sample_hash(run))):
        arrays[name] = np.frombuffer(bytes.fromhex(found), np.uint8)
    files.write_atomically(run.path / files.QUALITY_VALUES, save(arrays))


def quality_csv(rows: Sequence[QualityRow], weights: str) -> bytes:
    """Return what `write_quality` writes. weights: the `weights_hash` of what was measured."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*_COLUMNS, _WEIGHTS])
    for row in rows:
        writer.writerow([*(_text(value) for value in asdict(row).values()), weights])
    return buffer.getvalue().encode()


def _sample_hash(run: Run) -> str:
    """Return a SHA-256 that tells the images of the test split, their classes, and the predicted ones, from others."""

    def find() -> str:
        predictions, digest = run.predictions(), hashlib.sha256(file_hash(run, files.IMAGES, _hint(run)).encode())
        for column in ("label", "predicted"):
            digest.update(predictions.column(column).astype("<i8").tobytes())
        return digest.hexdigest()

    return once(run, (files.IMAGES, files.PREDICTIONS), find)


def _are_values(run: Run, values: np.ndarray) -> bool:
    """Tell whether an array can hold the values of single images of the run by some measure."""
    if (values.ndim, values.dtype) != (1, np.float64) or len(values) > run.record.image_counts.get("test", 0):
        return False
    return not (np.abs(values) > _MOST_VALUE).any()  # NaN says that an image has no value


def _parse(line: dict[str, str], images_there: int) -> QualityRow:
    """Read a line. Raises ValueError, KeyError or AttributeError where it is none of ours."""
    value, low, high = (float(line[name] or "nan") for name in ("value", "low", "high"))
    control = {"true": True, "false": False}[line["control"]]
    n, images = int(line["n"]), int(line["images"])
    best, worst = (tuple(map(int, line[name].split())) for name in ("best", "worst"))
    level = float(line.get("level", "0.95"))
    final = {"true": True, "false": False}[line.get("final", "true")]
    if math.isinf(value + low + high) or not 0 <= n <= images < MOST_NUMBER or not 0 < level < 1:
        raise ValueError("no figure")
    if not all(0 <= row < images_there for row in best + worst):
        raise ValueError("no image")
    names = line["method"], line["layer"], line["measure"]
    return QualityRow(*names, value, low, high, n, control, images, best, worst, level, final)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    return str(value)


def _hint(run: Run) -> str:
    return f"Remove it and measure again with: {command('quality', '--run', run.path)}"
