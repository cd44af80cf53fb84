"""quality.csv: how far the maps of a run may be believed, one figure a row, as `sightline quality` measured them."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sightline.run_store import files
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

INPUT = "input"  # the "layer" of maps that have the input's own resolution: pixel methods and controls


@dataclass(frozen=True)
class QualityRow:
    """One figure. `low` and `high` bound its 95 % bootstrap interval over the `n` images that count."""

    method: str
    layer: str  # a `named_modules()` name, or INPUT
    measure: str
    value: float  # NaN where no image counts
    low: float
    high: float
    n: int
    control: bool  # whether the maps know neither the model nor the class
    images: int  # that were asked for: figures of another number are measured anew
    best: tuple[int, ...] = ()  # images of the test split, best first
    worst: tuple[int, ...] = ()  # worst first


_COLUMNS = tuple(field.name for field in fields(QualityRow))
_WEIGHTS = "weights"  # the last column: the SHA-256 of the weights that were measured


def read_quality(run: Run) -> list[QualityRow]:
    """Return the figures of a run, none where nothing was measured.

    Raises RunError where the file is damaged, or stale: of other weights than the run has now.
    """
    try:
        text = (run.path / files.QUALITY).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(run) from error
    try:
        lines = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        rows = [_parse(line) for line in lines]
        hashes = {line[_WEIGHTS] for line in lines}
    except (csv.Error, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(run) from error
    if hashes - {weights_hash(run)}:
        raise RunError(
            f"Run {run.name}: {files.QUALITY} is stale, it measured other weights than {files.MODEL} holds now. "
            f"{_hint(run)}"
        )
    return rows


def write_quality(run: Run, rows: Sequence[QualityRow]) -> Path:
    """Replace the file at once, and return it; the caller holds the run's lock.

    Raises RunError for a run without weights.
    """
    file = run.path / files.QUALITY
    files.write_atomically(file, quality_csv(rows, weights_hash(run)))
    return file


def quality_csv(rows: Sequence[QualityRow], weights: str) -> bytes:
    """Return what `write_quality` writes. weights: the `weights_hash` of what was measured."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*_COLUMNS, _WEIGHTS])
    for row in rows:
        writer.writerow([*(_text(value) for value in asdict(row).values()), weights])
    return buffer.getvalue().encode()


def weights_hash(run: Run) -> str:
    """Return the SHA-256 of the weights, 64 hexadecimal digits. Raises RunError where there are none."""
    try:
        with open(run.path / files.MODEL, "rb") as weights:
            return hashlib.file_digest(weights, "sha256").hexdigest()
    except OSError as error:
        raise RunError(
            f"Run {run.name} has no {files.MODEL}, so there is no model to measure; train it again."
        ) from error


def _parse(line: dict[str, str]) -> QualityRow:
    value, low, high = (float(line[name] or "nan") for name in ("value", "low", "high"))
    control = {"true": True, "false": False}[line["control"]]
    n, images = int(line["n"]), int(line["images"])
    best, worst = (tuple(map(int, line[name].split())) for name in ("best", "worst"))
    names = line["method"], line["layer"], line["measure"]
    return QualityRow(*names, value, low, high, n, control, images, best, worst)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    return str(value)


def _damaged(run: Run) -> RunError:
    return RunError(f"Run {run.name}: {files.QUALITY} is damaged. {_hint(run)}")


def _hint(run: Run) -> str:
    return f"Remove it and measure again with: sightline quality --run {run.path}"
