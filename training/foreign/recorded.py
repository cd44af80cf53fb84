"""Make a run from a program: of a model in memory, and of the figures of a training loop of one's own."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack

import numpy as np
from torch import nn

from sightline.explain.command_line import UsageError, sentence
from sightline.image_data import ImageSplit, load_test_split, read_class_names, with_classes
from sightline.image_data.objects.split import split_of
from sightline.image_data.preprocessing import Channels, Preprocessing
from sightline.image_data.resize import CROP, NAMED
from sightline.image_data.transforms import preprocessing_of
from sightline.model_zoo.device import choose_device
from sightline.model_zoo.published import shown_by_timm
from sightline.run_store.metrics import METRICS_COLUMNS, Epoch
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.command_line import progress_bar, tell, warn
from sightline.training.foreign.model_run import ForeignModel, Ready, doubts, make_ready, published, write_run
from sightline.training.foreign.predictions_run import complete_with_predictions, describe_predictions, of_probabilities
from sightline.training.logs.read_log import read_log
from sightline.training.new_run import describe_curves

Location = str | os.PathLike[str]
BY_PROGRAM = "record its network on the same images with sightline.record(PATH, MODEL, DATA)"
AGAIN = "remove it, and record the model again."


class Options(TypedDict, total=False):
    """What may be said of a model and its images; what is not said is taken from their transforms."""

    classes: Sequence[str] | Location
    """The names of the model's classes in the order of its outputs, or a file with them; default: those of the data."""
    transform: Any
    """The evaluation's transform of torchvision or timm, or the image processor of transformers."""
    mean: Sequence[float]
    """Mean of the pixels the model was trained on, 0–1: of red, green and blue, or of grey."""
    std: Sequence[float]
    """Their standard deviation, above 0."""
    size: int
    """Side of the model's input, pixels."""
    resize: Literal["crop", "squash", "margin"]
    """How an image of another shape becomes a square: its middle, the whole squashed, or 7/8 of its middle."""
    layers: Sequence[str]
    """Those to explain, of `named_modules()`; default: up to four are suggested."""
    log: Location
    """A log of the training, for the curves: of Lightning, Keras, timm, transformers, TensorBoard or W&B."""
    claimed_accuracy: float
    """What the model should reach on these images, 0–1: a difference is said loudly."""
    device: str
    """auto, cpu or cuda."""


def record(path: Location, model: nn.Module, data: Any, **options: Unpack[Options]) -> Run:
    """Make the run directory `path` of a model in memory and the images to judge it on; return the run.

    data: anything of length N whose items are (image, label), such as a data set of torchvision or transformers, or a
    text as --dataset takes it. options: see `Options`. The model is left as it was.
    Raises DataError, ExplainError, ModelError, RunError or UsageError, with a sentence; then no run is made.

    >>> import sightline
    >>> test = sightline.load_image_data("planted-shapes").test
    >>> data = list(zip(test.images[:20], test.labels[:20]))
    >>> model = sightline.build_model("resnet18_narrow", num_classes=10)
    >>> run = sightline.record("runs/mine", model, data, classes=test.class_names, mean=(0.5,) * 3, std=(0.25,) * 3)
    >>> run.state, run.record.layers
    ('complete', ('layer1', 'layer2', 'layer3', 'layer4'))
    """
    ready, test = _make_ready(model, data, options)
    epochs = _epochs(options)
    with RunWriter.create(Path(path), ready.record) as writer:
        write_run(writer, ready, test, epochs, AGAIN)
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
        self._writer = RunWriter.create(path, describe_curves({"weights": "in memory"}))
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
        if not isinstance(epoch, int) or epoch <= max(self._epochs, default=0):
            last = f"after {self._epochs[-1]}" if self._epochs else "from 1"
            raise UsageError(f"Epoch {epoch!r} does not follow; epochs are whole numbers that rise {last}.")
        self._writer.append_metrics({"epoch": epoch} | {name: _figure(name, value) for name, value in figures.items()})
        self._epochs.append(epoch)

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
        if self._classes is not None:
            options = {"classes": self._classes, **options}
        if model is None and probabilities is None:
            self._writer.describe(replace(self._writer.record, state="complete"))
        elif data is None or model is not None and probabilities is not None:
            raise UsageError("finish takes a model and data, or data and probabilities=, or nothing.")
        elif model is not None:
            ready, test = _make_ready(model, data, options)
            self._writer.describe(replace(ready.record, created=self._writer.record.created))
            write_run(self._writer, ready, test, [], AGAIN)
        else:
            self._complete_with(probabilities, _read(data, options, Preprocessing()), _called(data), options)
        self._is_finished = True
        return Run(self.path)

    def _complete_with(self, probabilities: Any, test: ImageSplit, dataset: str, options: Options) -> None:
        """Complete the run with predictions alone."""
        shares = np.asarray(probabilities.detach().cpu() if hasattr(probabilities, "detach") else probabilities)
        foreign = of_probabilities(shares, test)
        warn(foreign.notes)
        record, table = describe_predictions(foreign, test, dataset, BY_PROGRAM)
        self._writer.describe(replace(record, created=self._writer.record.created))
        complete_with_predictions(self._writer, table, test)
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


def _make_ready(model: nn.Module, data: Any, options: Options) -> tuple[Ready, ImageSplit]:
    """Read the images, and try the model on them."""
    _refuse_unknown(options)
    default = _default(model)
    test = _read(data, options, default)
    known = (test.preprocessing or Preprocessing()).over(default)
    if known.mean is None or known.std is None:
        raise UsageError(
            "How pixels become the input of the model is not known: give transform=, the one of its evaluation, or "
            "mean= and std= of pixels from 0 to 1."
        )
    foreign = ForeignModel(
        name=type(model).__name__,
        model=model,
        mean=known.mean,
        std=known.std,
        resize=known.resize or CROP,
        layers=tuple(options.get("layers", ())),
        claimed_accuracy=options.get("claimed_accuracy"),
    )
    said = {name: str(value) for name, value in options.items() if name in ("log", "claimed_accuracy")}
    settings = {"weights": "in memory"} | said
    return make_ready(foreign, test, _called(data), settings, choose_device(options.get("device", "auto"))), test


def _refuse_unknown(options: Options) -> None:
    """Raise UsageError for an option that there is not: they come as keywords."""
    unknown = sorted(options.keys() - Options.__annotations__.keys())
    if unknown:
        raise UsageError(f"There is no option {unknown[0]!r}; choose from: {', '.join(Options.__annotations__)}.")
    if options.get("resize") not in (None, *NAMED):
        raise UsageError(f"resize may be {', '.join(NAMED)}, not {options['resize']!r}.")


def _read(data: Any, options: Options, default: Preprocessing) -> ImageSplit:
    """Return the images with all that is known of their preprocessing."""
    named, names = options.get("resize"), options.get("classes")
    if isinstance(names, (str, os.PathLike)):
        names = read_class_names(Path(names))
    mean, std = (_channels(name, options.get(name)) for name in ("mean", "std"))
    given = Preprocessing(mean, std, options.get("size"), NAMED[named] if named else None)
    with progress_bar("reading") as progress:
        if isinstance(data, (str, os.PathLike)):
            given = given.over(preprocessing_of(options.get("transform")))
            test, notes = load_test_split(
                str(data), image_size=given.size, default_size=default.size, resize=given.resize,
                default_resize=default.resize, mean=given.mean, std=given.std, run_code=True, progress=progress,
            )  # fmt: skip
            test = replace(test, preprocessing=given.over(test.preprocessing or Preprocessing()))
            test = with_classes(test, names, "classes=") if names else test
        else:
            test, notes = split_of(
                data, names, transform=options.get("transform"), mean=given.mean, std=given.std, size=given.size,
                resize=given.resize, default=default, progress=progress,
            )  # fmt: skip
    warn(notes)
    return test


def _channels(name: str, values: Any) -> Channels | None:
    """Return three values of what may be one, of grey, or three. Raises UsageError for anything else."""
    if values is None:
        return None
    found = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if found.shape not in ((1,), (3,)):
        raise UsageError(f"{name}= takes a number for each of red, green and blue, or one for grey.")
    red, green, blue = np.broadcast_to(found, 3).tolist()
    return red, green, blue


def _default(model: nn.Module) -> Preprocessing:
    """Return what a network of timm says of the images that its weights were trained on; nothing of any other."""
    config = getattr(model, "pretrained_cfg", None)
    needed = {"mean", "std", "input_size", "crop_pct", "interpolation"}
    if not isinstance(config, Mapping) or not needed <= config.keys():
        return Preprocessing()
    shown = shown_by_timm(config)
    warn(shown["notes"])
    return replace(published(shown), size=config["input_size"][-1])


def _called(data: Any) -> str:
    """Return what the record calls a data set."""
    while not isinstance(data, str) and hasattr(data, "dataset"):  # a loader, or a subset
        data = data.dataset
    return data if isinstance(data, str) else type(data).__name__


def _epochs(options: Options) -> list[Epoch]:
    """Return the epochs of the log, where there is one."""
    if "log" not in options:
        return []
    epochs, notes = read_log(Path(options["log"]))
    tell(notes)
    return epochs
