"""Record a training by Keras: `model.fit(…, callbacks=[sightline.KerasCallback("runs/mine", (images, labels))])`."""

from time import perf_counter
from typing import Any

import keras
import numpy as np

from sightline.training.callbacks.figures import epoch_figures
from sightline.training.callbacks.keras_network import as_network, predicted
from sightline.training.foreign.recorded import Recording, create


class KerasCallback(keras.callbacks.Callback):
    """It makes a run of a training: what is logged of each epoch, and in the end the model on `data`.

    path, classes, options: as `sightline.create` and `Recording.finish` take them. data: images N×H×W×C as the model
    takes them, and their labels. A model of another backend than torch, or one with a call of its own, has predictions
    in the run and no network.
    """

    def __init__(self, path: Any, data: Any, *, classes: Any = None, **options: Any) -> None:
        super().__init__()
        self.path, self.data, self.classes, self.options = path, data, classes, options
        self.run: Recording

    def on_train_begin(self, logs: Any = None) -> None:
        self.run = create(self.path, classes=self.classes)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.began = perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        figures = {"learning_rate": float(self.model.optimizer.learning_rate), "seconds": perf_counter() - self.began}
        self.run.log(epoch + 1, **figures | epoch_figures(logs or {}))

    def on_train_end(self, logs: Any = None) -> None:
        network = as_network(self.model)
        images = np.asarray(self.data[0], np.float32)  # as Keras does, so that 0–255 stay that
        probabilities = None if network else predicted(self.model, images)
        with self.run:
            self.run.finish(network, (images, self.data[1]), probabilities=probabilities, **self.options)
