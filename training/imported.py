"""Make a run of a model that was trained elsewhere: its weights, its predictions, and no curves."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from torch import Tensor, nn

from sightline.explain.command_line import UsageError, sentence
from sightline.image_data import ImageSplit, load_test_split, read_class_names, training_classes, with_classes
from sightline.image_data.sources import IMAGE_SIZES
from sightline.model_zoo import (
    ModelSpec,
    build_model,
    count_classes,
    load_weights,
    model_spec,
    normalize,
    read_weights,
)
from sightline.model_zoo.device import choose_device
from sightline.run_store import files
from sightline.run_store.commands import command
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.writer import RunWriter
from sightline.training.command_line import progress_bar, warn
from sightline.training.inference import write_predictions
from sightline.training.new_run import choose_layers, default_run, describe, first_look

Channels = tuple[float, float, float]  # red, green, blue


@dataclass(frozen=True)
class ImportConfig:
    """The settings for making a run of a model that was trained elsewhere."""

    model: str
    """`torchvision:NAME`, `timm:NAME` or a key of `model_zoo.MODELS`."""
    weights: Path
    """Its weights: .safetensors, a state dict saved by torch, or a checkpoint that holds one."""
    dataset: str
    """A name that `load_test_split` knows."""
    run: Path | None = None
    """The directory to make; None: runs/<UTC time>_<dataset>_<model>."""
    classes: Path | None = None
    """The names of the model's classes, in its order, as `read_class_names` takes them: of these the data set may lack
    some. None: those of the test folder, or of the training folder where the model has as many as that."""
    image_size: int | None = None
    """Side to which images of any size are brought, pixels, 8–1024; None: the model's own."""
    mean: Channels | None = None
    """Mean of the pixels the model was trained on, 0–1; None: that of the published weights."""
    std: Channels | None = None
    """Their standard deviation, above 0 up to 1; given where `mean` is."""
    strict: bool = False
    """Refuse a folder where an image would be left out."""
    layers: str | None = None
    """The layers to explain, separated by commas; None: up to four that suit the model."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one."""

    def check(self) -> None:
        """Raise UsageError for a value out of range, or one of `mean` and `std` without the other."""
        if self.image_size is not None and not IMAGE_SIZES[0] <= self.image_size <= IMAGE_SIZES[1]:
            allowed = "{} to {}".format(*IMAGE_SIZES)
            raise UsageError(f"--image-size {self.image_size} is out of range; it may be {allowed}.")
        if (self.mean is None) != (self.std is None):
            raise UsageError("--mean and --std go together: give both.")
        if self.mean and self.std and not (all(0 <= m <= 1 for m in self.mean) and all(0 < s <= 1 for s in self.std)):
            raise UsageError("--mean must lie between 0 and 1, and --std above 0 up to 1: of pixels scaled to 0-1.")


def import_model(config: ImportConfig) -> tuple[Path, pa.Table]:
    """Make the run that `config` describes; return its directory and its predictions.

    All is loaded, and the model tried on one image, before the directory is made: what does not fit leaves nothing.
    Raises UsageError, DataError, ExplainError, ModelError or RunError with a sentence.
    """
    config.check()
    spec = model_spec(config.model, config.image_size)
    mean, std = _mean_and_std(config, spec)
    device = choose_device(config.device)
    file = read_weights(config.weights)  # a wrong file is found before many images are decoded
    test = _load_test(config, spec.input_size)
    side, found = test.images.shape[1], len(test.class_names)
    model = build_model(config.model, found, side)
    test = with_classes(test, *_classes_of_model(config, test, count_classes(model, file, found)))
    classes = len(test.class_names)
    if classes != found:
        model = build_model(config.model, classes, side)
    notes = load_weights(model, file, classes, str(config.classes or config.dataset))
    model = model.to(device).eval().requires_grad_(False)
    sample = normalize(np.array(test.images[:1]), mean, std).to(device)
    first_look(model, sample, classes, config.model)
    record = RunRecord(
        layers=_layers(config, spec, model, sample),
        mean=mean,
        std=std,
        seed=0,
        **describe(asdict(config), {"test": test}, model, device),
    )
    run = config.run or default_run(config.dataset, config.model)
    with RunWriter.create(run, record) as writer:
        settings = f"mean {_figures(mean)}, std {_figures(std)}, layers {', '.join(record.layers)}"
        print(f"{run}: {config.model} on {config.dataset}, {device}, {side}×{side} pixels, {settings}. {notes}".strip())
        return run, _write(writer, model, test)


def _mean_and_std(config: ImportConfig, spec: ModelSpec) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return those that the pixels are normalised with. Raises UsageError where nobody says them."""
    mean, std = config.mean or spec.mean, config.std or spec.std
    if mean is None or std is None:
        raise UsageError(
            f"{config.model} has no published mean and std: give those it was trained with, --mean R G B --std R G B "
            f"({files.RECORD} has them for a run of Sightline)."
        )
    return mean, std


def _load_test(config: ImportConfig, default_size: int) -> ImageSplit:
    with progress_bar("decoding") as progress:
        test, warnings = load_test_split(
            config.dataset,
            image_size=config.image_size,
            default_size=default_size,
            strict=config.strict,
            progress=progress,
        )
    warn(warnings)
    return test


def _classes_of_model(config: ImportConfig, test: ImageSplit, outputs: int | None) -> tuple[tuple[str, ...], str]:
    """Return the names of the model's classes, in its order, and who says so.

    outputs: how many the weights are for, None: unknown. Raises UsageError where they are more than `test` has, and
    nobody names them: the codes cannot be guessed.
    """
    if config.classes is not None:
        return read_class_names(config.classes), str(config.classes)
    found = test.class_names
    if outputs is None or outputs <= len(found):  # too few are refused with the weights
        return found, config.dataset
    trained = training_classes(config.dataset)
    if len(trained) != outputs or not {*found} <= {*trained}:
        raise UsageError(
            f"The weights in {config.weights} are for {outputs:,} classes and the test split of {config.dataset} has "
            f"{len(found):,}: name all classes of the model, in its order, with --classes FILE."
        )
    return trained, f"the training split of {config.dataset}"


def _layers(config: ImportConfig, spec: ModelSpec, model: nn.Module, sample: Tensor) -> tuple[str, ...]:
    """Return the layers to explain: those that the user, the architecture or the engine names, in this order."""
    wanted = tuple(name.strip() for name in config.layers.split(",")) if config.layers else ()
    return spec.layers if spec.layers and not wanted else choose_layers(model, sample, wanted)


def _write(writer: RunWriter, model: nn.Module, test: ImageSplit) -> pa.Table:
    """Write weights and predictions and return these; where that ends early, the run says how to finish it."""
    later = f"finish the run with: {command('evaluate', '--run', writer.path)}"
    try:
        writer.save_model(model)
        return write_predictions(writer, model, test)
    except KeyboardInterrupt:
        with suppress(OSError):
            writer.fail("The evaluation was interrupted.")
        raise KeyboardInterrupt(later) from None
    except Exception as error:
        with suppress(OSError):  # the disk may be too full to say so
            writer.fail(sentence(error))
        raise RunError(f"{writer.path} is not finished ({sentence(error).rstrip('.')}); {later}") from error


def _figures(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
