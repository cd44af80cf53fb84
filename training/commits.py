"""What every epoch leaves in a run."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from sightline.run_store.history import keeps, no_history
from sightline.run_store.predictions import to_numpy
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.recipe import TrainConfig, epochs_to_keep


class Commits:
    """Writes the epochs of a training, each in the one order in which it may be killed at any moment.

    What precedes the checkpoint belongs to no epoch without it: a training that goes on writes it again, the same.
    """

    def __init__(self, writer: RunWriter, config: TrainConfig, finished: int, images: int) -> None:
        """Go on after so many finished epochs; images: of the test split.

        Raises RunError where the run's history is damaged. One from before there were any begins it here.
        """
        found = Run(writer.path).history() if finished else None
        self._history = (found or no_history(images)).first(finished)
        self._writer, self._epochs, self._images = writer, config.epochs, images
        self._kept = epochs_to_keep(config)

    def write(self, state: Mapping[str, Any], row: Mapping[str, float], predictions: pa.Table) -> None:
        """Write an epoch: what a training needs to go on after it, its line of the metrics, what the model says."""
        epoch = int(row["epoch"])
        if epoch in self._kept:
            self._writer.save_epoch(epoch, state["model"])
        if keeps(epoch, self._epochs, self._images):
            said = (to_numpy(predictions[name]) for name in ("predicted", "confidence"))
            self._history = self._history.after(epoch, *said)
            self._writer.save_history(self._history)
        self._writer.save_checkpoint(state)
        self._writer.append_metrics(row)
