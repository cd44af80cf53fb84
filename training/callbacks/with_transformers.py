"""Record a training by transformers' Trainer: `Trainer(…, callbacks=[sightline.TransformersCallback("runs/mine")])`."""

import math
from time import perf_counter
from typing import Any

from transformers import TrainerCallback

from sightline.training.callbacks.figures import epoch_figures
from sightline.training.foreign.recorded import Recording, create


class TransformersCallback(TrainerCallback):
    """It makes a run of a training: what is logged of each epoch, and in the end the model on `data`.

    path, classes, options: as `sightline.create` and `Recording.finish` take them; transform is the Trainer's
    processing_class, unless given. data: the images to judge the model on; default: those of the evaluation.
    """

    def __init__(self, path: Any, data: Any = None, *, classes: Any = None, **options: Any) -> None:
        self.path, self.data, self.classes, self.options = path, data, classes, options
        self.run: Recording | None = None  # of the first of several processes alone

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.run = create(self.path, classes=self.classes) if state.is_world_process_zero else None
        self.named: dict[str, Any] = {}  # what was logged of the epoch: its evaluation comes after its end

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._log(state.epoch)
        self.began = perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "train_runtime" not in logs:  # the means of the whole training
            self.named |= logs

    def on_train_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        self._log(state.epoch)
        if self.run:
            data = getattr(parts["eval_dataloader"], "dataset", None) if self.data is None else self.data
            with self.run:
                self.run.finish(parts["model"], data, **{"transform": parts["processing_class"]} | self.options)

    def _log(self, epoch: float) -> None:
        if self.run and self.named:
            self.run.log(math.ceil(epoch), **{"seconds": perf_counter() - self.began} | epoch_figures(self.named))
            self.named = {}
