"""A run as it was after one of its epochs: what its history says of it, and the weights that were kept."""

import os
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from sightline.run_store import files
from sightline.run_store.history import History, Learning
from sightline.run_store.predictions import FORGOTTEN, LEARNED_AT, NEVER_LEARNED, Predictions
from sightline.run_store.record import RunError

MOST_KEPT = 10_000  # files of weights that are looked at

_UNKNOWN = ("margin", "loss", "entropy")  # what no history says


def kept_epochs(run: Path) -> tuple[int, ...]:
    """Return the epochs whose weights lie in the folder of a run, rising; none where it cannot be read."""
    try:
        with os.scandir(run / files.EPOCHS) as entries:
            names = {f"{files.EPOCHS}/{entry.name}" for entry in islice(entries, MOST_KEPT)}
    except OSError:
        return ()
    numbers = (name.partition("/")[2].partition(".")[0] for name in names)
    found = {int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) < 7}
    return tuple(sorted(epoch for epoch in found if files.epoch_weights(epoch) in names))


def last_epoch(history: History | None) -> int | None:
    """Return the epoch after which the run ended; None where no history says so."""
    return int(history.epochs[-1]) if history and len(history.epochs) else None


def predictions_after(run: str, last: Predictions, history: History | None, epoch: int) -> Predictions:
    """Return what the images were taken for after an epoch, beside the other columns of the `last` predictions.

    Nothing but class and confidence is known of an epoch before the last. run: its name. Raises RunError where the
    history does not have that epoch.
    """
    if history is None:
        raise RunError(f"Run {run}: what its images were taken for after epoch {epoch} was not kept.")
    epochs = history.epochs.tolist()
    if epoch not in epochs:
        known = f"its epochs go from {epochs[0]} to {epochs[-1]}" if epochs else "it has none yet"
        raise RunError(f"Run {run}: its history has no epoch {epoch}; {known}.")
    if epoch == last_epoch(history):
        return last
    row = epochs.index(epoch)
    found: dict[str, np.ndarray] = {"predicted": history.predicted[row]}
    found["confidence"] = history.confidence[row].astype(np.float32)
    found |= dict.fromkeys(_UNKNOWN, np.full(len(last), np.nan, np.float32))
    scalars = last.scalars
    for name, values in found.items():
        scalars = scalars.set_column(scalars.column_names.index(name), name, pa.array(values))
    return replace(last, scalars=scalars, probabilities=None)


def learning_columns(history: History, labels: np.ndarray) -> dict[str, pa.Array]:
    """Return how each image was learned as columns of the predictions; none of a history without epochs."""
    if not len(history.epochs):
        return {}
    learning = Learning(history.epochs, history.right(labels))
    never = pa.DictionaryArray.from_arrays(pa.array(learning.never_learned.astype(np.int32)), ["no", "yes"])
    return {
        LEARNED_AT: pa.array(learning.learned_at),
        FORGOTTEN: pa.array(learning.forgotten),
        NEVER_LEARNED: never,
    }


def weights_file(run: Path, name: str, epoch: int | None, history: Callable[[], History | None]) -> str:
    """Name the file of the weights that a run had after an epoch; None: in the end.

    run: its folder. history: asked only where they were not kept, since those of its last epoch are the run's own.
    Raises RunError where there are none.
    """
    if epoch is None:
        return files.MODEL
    if os.path.lexists(run / files.epoch_weights(epoch)):  # what is odd is named when it is read
        return files.epoch_weights(epoch)
    if epoch == last_epoch(history()):
        return files.MODEL
    raise RunError(
        f"Run {name}: the weights of epoch {epoch} were not kept. A training keeps those of N epochs with: "
        "sightline train --keep-epochs N"
    )


def refuse_epoch(run: str, epoch: int | None, what: str) -> None:
    """Raise RunError where a run is looked at after an epoch, and `what` is known of its last weights alone."""
    if epoch is not None:
        raise RunError(f"Run {run}: {what} are known of its last epoch only.")
