"""Read the log of a training elsewhere: of Lightning, Keras, timm, transformers, TensorBoard, W&B, or one's own."""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sightline.run_store.files import FileError
from sightline.run_store.metrics import METRICS_COLUMNS, Epoch
from sightline.training.logs.columns import Column, choose, shown
from sightline.training.logs.epochs import epochs_of
from sightline.training.logs.events import read_events
from sightline.training.logs.rows import Row, Rows, read_text

_ASK = "a log has a column for a loss or an accuracy, such as epoch, train_loss, val_loss, val_accuracy"


class LogError(Exception):
    """A sentence for the user: why a file is no log of a training, and what is one."""


def read_log(file: Path) -> tuple[list[Epoch], list[str]]:
    """Return the epochs of a log, in their order, and sentences that say what was taken for what.

    file: a CSV, JSON or JSON-lines file, an event file of TensorBoard, or a folder of these. Columns are recognised by
    the words in their names. Epochs count from 1; where the log counts steps within an epoch, the train figures are the
    means over it and the others the last ones. Losses as they stand there, accuracies 0–1; NaN is what the log lacks.
    Raises LogError.
    """
    try:
        found = read_events(file) if file.is_dir() or "tfevents" in file.name else read_text(file)
        rows = found.of_one_run()
        columns = _choose(rows, found)
        epochs, notes = epochs_of(rows, columns)
        if not epochs:
            raise FileError("names no epoch that can be counted")
    except FileError as error:
        raise LogError(f"{file} {error}.") from error
    except OSError as error:
        raise LogError(f"{file} cannot be read ({error.strerror or type(error).__name__}).") from error
    return epochs, [_taken(columns, epochs), *_left_out(columns, rows, found), *notes]


def _choose(rows: list[Row], found: Rows) -> dict[str, Column]:
    values = Counter(name for row in rows for name in row)

    def share_a_line(one: str, other: str) -> bool:
        return any(one in row and other in row for row in rows)

    columns = choose(values, share_a_line)
    if not any(figure.endswith(("loss", "accuracy")) for figure in columns):
        names = [*values, *found.others]
        if not names:
            raise FileError(f"has no figures yet; {_ASK}")
        raise FileError(f"has neither a loss nor an accuracy among {shown(names)}; {_ASK}")
    return columns


def _taken(columns: Mapping[str, Column], epochs: list[Epoch]) -> str:
    """Say which column is which figure."""
    there = {name for epoch in epochs for name, value in epoch._asdict().items() if not math.isnan(value)}
    pairs = [
        f"{name.replace('_', ' ')} from {shown([columns[name].name])}"
        for name in METRICS_COLUMNS
        if name in columns and name in there
    ]
    return f"Taken: {', '.join(pairs)}."


def _left_out(columns: Mapping[str, Column], rows: list[Row], found: Rows) -> list[str]:
    taken = {column.name for column in columns.values()}
    others = [
        name for name in dict.fromkeys([*(name for row in rows for name in row), *found.others]) if name not in taken
    ]
    notes = [f"Not taken: {shown(others)}."] if others else []
    if found.unread:
        notes.append(f"{found.unread:,} line{' is' if found.unread == 1 else 's are'} torn or no line of figures.")
    return notes
