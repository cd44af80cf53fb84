"""What the history costs: the seconds in which it is written, against those of the epochs beside which it is.

python -m benchmarks.history_cost --dataset cifar10 --recipe fast --epochs 3

The options are those of sightline train, but for --run. The last epoch of a long training writes most: that of each of
SIZES is timed too, on random content.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.timing import seconds_of
from sightline.run_store import files
from sightline.run_store.history import History, history_bytes
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.train import parse, train

SIZES = ((4, 2000), (24, 10_000), (110, 10_000), (335, 50_000))  # epochs, test images
TRIES = 5


def timed(whole: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The function, which adds the seconds of each call to a list."""

    @wraps(whole)
    def measured(*arguments: Any) -> Any:
        start = time.perf_counter()
        found = whole(*arguments)
        seconds.append(time.perf_counter() - start)
        return found

    return measured


def of_a_training(folder: Path) -> str:
    """Train as the command line says, and set what the history took beside the seconds of the epochs."""
    seconds: list[float] = []
    with (
        patch.object(History, "after", timed(History.after, seconds)),
        patch.object(RunWriter, "save_history", timed(RunWriter.save_history, seconds)),
    ):
        run = Run(train(replace(parse(), run=folder / "run")))
    epochs = [epoch.seconds for epoch in run.metrics()]
    images = len(run.images())
    return (
        f"{len(epochs)} epochs of {statistics.mean(epochs):.2f} s, {images:,} test images: the history took "
        f"{1000 * sum(seconds) / len(epochs):.1f} ms an epoch, {sum(seconds) / sum(epochs):.3%} of it"
    )


def of_a_last_epoch(folder: Path, epochs: int, images: int) -> str:
    """Add the last epoch to a history of this size, and write it: the median of TRIES."""
    numbers = np.random.default_rng(0)
    predicted = numbers.integers(0, 1000, (epochs, images), dtype=np.int16)
    whole = History(np.arange(1, epochs + 1), predicted, numbers.random((epochs, images)).astype(np.float16))
    before, file = whole.first(epochs - 1), folder / files.HISTORY

    def write() -> None:
        grown = before.after(epochs, whole.predicted[-1], whole.confidence[-1])
        files.write_atomically(file, history_bytes(grown))

    took = statistics.median(seconds_of(write) for _ in range(TRIES))
    return f"epoch {epochs} of {images:,} images: {file.stat().st_size / 2**20:.1f} MiB in {1000 * took:.0f} ms"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        said = [of_a_training(Path(folder)), *(of_a_last_epoch(Path(folder), *size) for size in SIZES)]
    sys.stdout.writelines(f"{line}\n" for line in said)


if __name__ == "__main__":
    main()
