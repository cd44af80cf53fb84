"""metrics.csv: how a training went, a line an epoch."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from sightline.run_store.files import FileError


class Epoch(NamedTuple):
    """One line of the file.

    Losses in nats, accuracies 0–1; the train figures of `sightline train` are of augmented images, with label
    smoothing. NaN: a figure that the log of a training elsewhere lacks.
    """

    epoch: int  # from 1
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    learning_rate: float
    seconds: float


METRICS_COLUMNS = Epoch._fields
MOST_EPOCHS = 20_000


def metrics_line(row: Mapping[str, float]) -> str:
    """Write a line without its newline; `row` has an epoch, and figures, which are empty where it has none or NaN."""
    figures = (row.get(name, math.nan) for name in METRICS_COLUMNS[1:])
    return ",".join([f"{row['epoch']:.8g}", *("" if math.isnan(value) else f"{value:.8g}" for value in figures)])


def parse_metrics(text: bytes) -> list[Epoch]:
    """Read the file's content, but for a torn last line. Raises FileError."""
    lines = text.decode(errors="replace").split("\n")[:-1]  # what follows the last newline was not finished
    if not lines or tuple(lines[0].split(",")) != METRICS_COLUMNS:
        raise FileError(f"does not start with the line {','.join(METRICS_COLUMNS)}")
    if len(lines) > MOST_EPOCHS:
        raise FileError(f"has {len(lines) - 1:,} epochs, and at most {MOST_EPOCHS:,} can be drawn")
    try:
        return [_parse_line(line) for line in lines[1:]]
    except (ValueError, TypeError) as error:  # TypeError: too short or too long
        raise FileError(f"holds a line that is not an epoch and {len(METRICS_COLUMNS) - 1} numbers") from error


def _parse_line(line: str) -> Epoch:
    epoch, *figures = line.split(",")
    if not 0 < int(epoch) < 2**31:
        raise ValueError(epoch)
    found = Epoch(int(epoch), *(float(figure or "nan") for figure in figures))
    for accuracy in (found.train_accuracy, found.test_accuracy):
        if not (math.isnan(accuracy) or 0 <= accuracy <= 1):
            raise FileError(f"holds the accuracy {accuracy:g} of epoch {found.epoch}, which is no share from 0 to 1")
    return found
