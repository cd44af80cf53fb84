"""Record a training by Lightning: `Trainer(callbacks=[sightline.LightningCallback("runs/mine")])`."""

from time import perf_counter
from typing import Any

from lightning.pytorch.callbacks import Callback

from sightline.training.callbacks.figures import epoch_figures
from sightline.training.foreign.recorded import Recording, create


class LightningCallback(Callback):
    """It makes a run of a training: what is logged of each epoch, and in the end the module on `data`.

    path, classes, options: as `sightline.create` and `Recording.finish` take them. data: the images to judge the model
    on; default: those of the validation. model: what is recorded; default: the module, as its forward says.
    """

    def __init__(self, path: Any, data: Any = None, *, model: Any = None, classes: Any = None, **options: Any) -> None:
        self.path, self.data, self.model, self.classes, self.options = path, data, model, classes, options
        self.run: Recording | None = None  # of the first of several processes alone

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self.run = create(self.path, classes=self.classes) if trainer.is_global_zero else None

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.began = perf_counter()
        self.rates = [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers]

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self.run:
            measured = {"seconds": perf_counter() - self.began}
            if self.rates:
                measured["learning_rate"] = self.rates[0]
            self.run.log(trainer.current_epoch + 1, **measured | epoch_figures(trainer.callback_metrics))

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        if self.run:
            data = trainer.val_dataloaders if self.data is None else self.data
            with self.run:
                self.run.finish(self.model or pl_module, data, **self.options)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        if self.run:
            self.run.__exit__(type(exception), exception, None)
