"""Make a run from a program: of a model in memory, and of the figures of a training loop of one's own."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

import numpy as np
from torch import nn

from sightline.explain.command_line import UsageError, sentence
from sightline.explain.progress import tell, warn
from sightline.image_data import ImageSplit
from sightline.image_data.preprocessing import Preprocessing
from sightline.image_data.resize import CROP
from sightline.run_store.metrics import METRICS_COLUMNS
from sightline.run_store.record import IN_MEMORY, RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter, check_place
from sightline.training.foreign.in_memory import (
    Location,
    Options,
    called,
    epochs_of_log,
    make_ready_in_memory,
    read_images,
    refuse_unknown,
)
from sightline.training.foreign.model_run import as_usual, describe_result, doubts, write_run
from sightline.training.foreign.predictions_run import complete_with_predictions, describe_predictions, of_probabilities
from sightline.training.new_run import describe_curves

BY_PROGRAM = "record its network on the same images with sightline.record(PATH, MODEL, DATA)"


@as_usual()
def record(path: Location, model: nn.Module, data: Any, **options: Unpack[Options]) -> Run:
    """Make the run directory `path` of a model in memory and the images to judge it on; return the run.

    data: anything of length N whose items are (image, label), such as a data set of torchvision or transformers, or a
    text as --dataset takes it. options: see `Options`. The model is left as it was.
    Raises DataError, ExplainError, LogError, ModelError, RunError or UsageError, with a sentence; then there is no run.

    >>> import sightline
    >>> test = sightline.load_image_data("planted-shapes").test
    >>> data = list(zip(test.images[:20], test.labels[:20]))
    >>> model = sightline.build_model("resnet18_narrow", num_classes=10)
    >>> run = sightline.record("runs/mine", model, data, classes=test.class_names, mean=(0.5,) * 3, std=(0.25,) * 3)
    ... # doctest: +ELLIPSIS
    runs/mine: ...% of 20 test images right.
    >>> run.state, run.record.layers
    ('complete', ('layer1', 'layer2', 'layer3', 'layer4'))
    """
    check_place(Path(path))
    ready, test = make_ready_in_memory(model, data, options)
    epochs = epochs_of_log(options)
    with RunWriter.create(Path(path), ready.record) as writer:
        try:
            tell(ready.notes)
            tell([describe_result(writer.path, write_run(writer, ready, test, epochs, "record the model again."))])
        except BaseException:
            if writer.record.state != "complete":  # nothing can finish it
                shutil.rmtree(path, ignore_errors=True)  # ours: it was empty before
            raise
    return Run(Path(path))


def create(path: Location, *, classes: Sequence[str] | Location | None = None) -> "Recording":
    """Begin the run directory `path` of a training loop of one's own; return what takes its figures.

    classes: as in `Options`. Raises RunError where no run can be made there.

    >>> import sightline
    >>> with sightline.create("runs/loop") as run:
    ...     for epoch in (1, 2):
    ...         run.log(epoch, train_loss=1 / epoch)
    >>> sightline.Run(run.path).state
    'complete'
    """
    return Recording(Path(path), classes)


class Recording:
    """A run that is being written, from `create` to the end of the `with` block; listed as running meanwhile.

    One that is never finished has its curves alone. Where the block ends in an error, the run says so.

    >>> with create("runs/two-epochs") as run:
    ...     run.log(1, train_loss=2.0)
    ...     run.log(2, train_loss=1.0, test_accuracy=0.5)
    >>> [(epoch.epoch, epoch.train_loss) for epoch in Run(run.path).metrics()]
    [(1, 2.0), (2, 1.0)]
    """

    def __init__(self, path: Path, classes: Sequence[str] | Location | None) -> None:
        self.path = path
        self._classes = classes
        self._writer = RunWriter.create(path, describe_curves({"weights": IN_MEMORY}))
        self._epochs: list[int] = []
        self._is_finished = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._writer:
            if self._is_finished:
                return
            if error is not None:
                self._writer.fail(sentence(error) if isinstance(error, Exception) else "It was interrupted.")
            else:
                self.finish()

    def log(self, epoch: int, **figures: float) -> None:
        """Add the figures of an epoch, which count from 1: of train_loss, train_accuracy, test_loss, … those there are.

        Losses in nats, accuracies 0–1. Raises UsageError for another name or an epoch that does not follow.
        """
        allowed = METRICS_COLUMNS[1:]
        wrong = [name for name in figures if name not in allowed]
        if wrong:
            raise UsageError(f"There is no figure {wrong[0]!r}; choose from: {', '.join(allowed)}.")
        if not isinstance(epoch, Integral) or epoch <= max(self._epochs, default=0):
            last = f"after {self._epochs[-1]}" if self._epochs else "from 1"
            raise UsageError(f"Epoch {epoch!r} does not follow; epochs are whole numbers that rise {last}.")
        self._writer.append_metrics({"epoch": epoch} | {name: _figure(name, value) for name, value in figures.items()})
        self._epochs.append(epoch)

    @as_usual()
    def finish(
        self, model: nn.Module | None = None, data: Any = None, *, probabilities: Any = None, **options: Unpack[Options]
    ) -> Run:
        """Complete the run, and return it: with a model and the images to judge it on, as `record` takes them.

        probabilities: N×C, 0–1, of the images of `data`, in place of a model: then the run has predictions and no
        network. With neither, it has its curves alone. Raises as `record`; the figures are kept then, and `finish` may
        be called again.
        """
        if self._is_finished:
            raise RunError(f"{self.path} is finished; a run is never overwritten, create another one.")
        refuse_unknown(options)
        if "log" in options:
            raise UsageError("finish takes no log=: its figures are those of run.log. Give it to sightline.record.")
        if self._classes is not None:
            options = {"classes": self._classes, **options}
        if model is None and probabilities is None:
            self._writer.describe(replace(self._writer.record, state="complete"))
        elif data is None or model is not None and probabilities is not None:
            raise UsageError("finish takes a model and data, or data and probabilities=, or nothing.")
        elif model is not None:
            ready, test = make_ready_in_memory(model, data, options)
            self._writer.describe(replace(ready.record, created=self._writer.record.created))
            tell(ready.notes)
            tell([describe_result(self.path, write_run(self._writer, ready, test, [], "call finish again."))])
        else:
            self._complete_with(probabilities, read_images(data, options, Preprocessing()), called(data), options)
        self._is_finished = True
        return Run(self.path)

    def _complete_with(self, probabilities: Any, test: ImageSplit, dataset: str, options: Options) -> None:
        """Complete the run with predictions alone."""
        shares = np.asarray(probabilities.detach().cpu() if hasattr(probabilities, "detach") else probabilities)
        foreign = of_probabilities(shares, test)
        warn(foreign.notes)
        record, table = describe_predictions(foreign, test, dataset, BY_PROGRAM)
        shown = test.preprocessing or Preprocessing()
        record = replace(record, resize=shown.resize or CROP, created=self._writer.record.created)
        self._writer.describe(record)
        complete_with_predictions(self._writer, table, test)
        tell([describe_result(self.path, table)])
        warn(doubts(table, test.class_names, options.get("claimed_accuracy")))


def _figure(name: str, value: Any) -> float:
    """Return a figure of an epoch as a number. Raises UsageError for what is none."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} is {str(value)[:40]!r}, not a number.") from error
    if name.endswith("accuracy") and not (0 <= number <= 1 or math.isnan(number)):
        raise UsageError(f"{name} is {number:g}; an accuracy is a share, from 0 to 1.")
    return number
