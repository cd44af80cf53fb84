"""metrics.csv: how a training went, a line an epoch."""

from collections.abc import Sequence
from typing import NamedTuple

from sightline.run_store.files import FileError


class Epoch(NamedTuple):
    """One line of the file.

    Losses in nats, accuracies 0–1; the train figures are of augmented images, with label smoothing.
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


def metrics_line(row: Sequence[float]) -> str:
    """Write a line without its newline; `row` has a value for each of METRICS_COLUMNS."""
    return ",".join(f"{value:.8g}" for value in row)


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
    return Epoch(int(epoch), *map(float, figures))
