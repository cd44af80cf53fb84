"""metrics.csv: how a training went, a line an epoch."""

from collections.abc import Sequence
from typing import NamedTuple


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


def metrics_line(row: Sequence[float]) -> str:
    """Write a line without its newline; `row` has a value for each of METRICS_COLUMNS."""
    return ",".join(f"{value:.8g}" for value in row)


def parse_metrics(text: str) -> list[Epoch]:
    """Read the file's text, but for a torn last line.

    Raises ValueError, whose text ends a sentence that names the file.
    """
    lines = text.split("\n")[:-1]  # what follows the last newline was not finished
    if not lines or tuple(lines[0].split(",")) != METRICS_COLUMNS:
        raise ValueError(f"does not start with the line {','.join(METRICS_COLUMNS)}")
    try:
        return [_parse_line(line) for line in lines[1:]]
    except (ValueError, TypeError) as error:  # TypeError: too short or too long
        raise ValueError(f"holds a line that is not an epoch and {len(METRICS_COLUMNS) - 1} numbers") from error


def _parse_line(line: str) -> Epoch:
    epoch, *figures = line.split(",")
    if not 0 < int(epoch) < 2**31:
        raise ValueError(epoch)
    return Epoch(int(epoch), *map(float, figures))
