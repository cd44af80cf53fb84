"""Write the predictions of a model over a test split.

sightline evaluate --run runs/NAME      writes the predictions of a run again, from its weights
sightline evaluate --model timm:resnet50 --weights FILE --dataset folder:DIR --run runs/NAME
                                                 makes a run of a model that was trained elsewhere
"""

import math
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from sightline.explain.command_line import UsageError, ending_in_a_sentence, sentence
from sightline.image_data import (
    ImageSplit,
    dataset_help,
    hold_out,
    load_image_data,
    load_test_split,
    with_classes,
)
from sightline.model_zoo.device import choose_device
from sightline.run_store import files
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.imported import ImportConfig, import_model
from sightline.training.inference import test_figures, write_predictions


@dataclass(frozen=True)
class EvaluateConfig:
    """The settings for writing the predictions of a run again."""

    run: Path
    """The directory of the run, which keeps everything else."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one."""


@dataclass(frozen=True)
class Options:
    """Write the predictions of a run again, or make a run of a model that was trained elsewhere.

    The classes are the folders in DIR/test, sorted by name: the codes that torchvision's ImageFolder gives them. Where
    the model has more, they are those in DIR/train, if it has as many; otherwise --classes names them. Of an
    image the shorter side is resized to the input size and the middle cut out, without the margin (256 → 224) that
    torchvision and timm leave.
    """

    run: Path | None = None
    """the run directory: an existing one, or with --model the one to make; then by default
    runs/<UTC time>_<dataset>_<model>"""
    model: str | None = None
    """torchvision:NAME, timm:NAME, resnet18, resnet34, resnet18_narrow or resnet18_imagenet"""
    weights: Path | None = None
    """its weights: .safetensors, a state dict saved by torch, or a checkpoint that holds one"""
    dataset: Annotated[str | None, tyro.conf.arg(help=f"{dataset_help()}; only the test split is needed")] = None
    classes: Path | None = None
    """the names of the model's classes, in its order: a text file with a name a line, or a .json file with a list or an
    object of code and name (id2label); the data set may lack some"""
    image_size: int | None = None
    """side to which a folder's images are brought, pixels, 8-1024; default: the model's own"""
    mean: tuple[float, float, float] | None = None
    """mean of the pixels the model was trained on, red green blue, 0-1; default: that of the published weights"""
    std: tuple[float, float, float] | None = None
    """their standard deviation; must be given, with --mean, for models that are not of torchvision or timm"""
    strict: bool = False
    """refuse a folder where an image would be left out"""
    layers: str | None = None
    """the layers to explain, separated by commas; default: up to four that suit the model"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""

    def configuration(self) -> EvaluateConfig | ImportConfig:
        """Return what to do; raise UsageError for options that do not go together."""
        if self.model is not None:
            if self.weights is None or self.dataset is None:
                raise UsageError("--model needs --weights FILE and --dataset; to train it, use sightline train.")
            return ImportConfig(**vars(self))
        others = (self.weights, self.dataset, self.classes, self.image_size, self.mean, self.std, self.layers)
        if self.strict or any(value is not None for value in others):
            raise UsageError("A new run needs --model, --weights and --dataset; an existing one, --run alone.")
        if self.run is None:
            raise UsageError("Give --run for an existing run, or --model, --weights and --dataset for a new one.")
        return EvaluateConfig(self.run, self.device)


def evaluate(config: EvaluateConfig) -> str:
    """Write the predictions of a run again, from its weights; return the sentence to print.

    Raises RunError, DataError or ModelError with a sentence.
    """
    run = Run(config.run)
    with RunWriter.reopen(run.path, run.record) as writer:  # first, since a run still being written is refused
        model = run.load_model().to(choose_device(config.device))
        test = _test_split(run)
        try:
            table = write_predictions(writer, model, test)
        except Exception as error:
            raise RunError(f"The predictions of {run.path} could not be written: {sentence(error)}") from error
    return _sentence(run, round(test_figures(table)["test_accuracy"] * len(test)), len(test))


def _sentence(run: Run, right: int, images: int) -> str:
    """Say how many are right, and whether metrics.csv says so too."""
    sentence = f"{run.name}: {right / images:.2%} of {images:,} test images right."
    try:
        metrics = run.metrics()
    except RunError as error:
        return f"{sentence} They could not be compared: {error}"
    accuracy = metrics[-1].test_accuracy if metrics else math.nan
    if abs(accuracy * images - right) >= 0.5:  # and not NaN, which a log has that lacks it
        why = (
            "it may be of other images, or these weights of another epoch."
            if run.record.foreign
            else "the weights or the arithmetic have changed since."
        )
        sentence += f" {files.METRICS} says {accuracy:.2%} for the last epoch: {why}"
    return sentence


def _test_split(run: Run) -> ImageSplit:
    """Load the images that the run was judged on. Raises RunError or DataError where they are not the same as then."""
    record = run.record
    if record.foreign:  # there may be no training split, and another one is decoded for nothing
        test, _ = load_test_split(record.dataset, default_size=record.input_size)
    else:
        data = load_image_data(record.dataset, default_size=record.input_size)
        held_out = record.recipe.get("held_out")
        test = (hold_out(data, held_out) if isinstance(held_out, int) else data).test
    test = with_classes(test, record.class_names, f"run {run.name}")
    if test.fingerprint != record.fingerprints.get("test"):
        did = "evaluated" if record.foreign else "trained"
        raise RunError(
            f"The test split of {record.dataset} is not the one that run {run.name} was {did} with; restore it first."
        )
    return test


def _carry_out(config: EvaluateConfig | ImportConfig) -> str:
    if isinstance(config, EvaluateConfig):
        return evaluate(config)
    run, table = import_model(config)
    return f"{run}: {test_figures(table)['test_accuracy']:.2%} of {len(table):,} test images right."


def main() -> None:
    """Run the command `sightline evaluate` with the command line of this process."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an interruption like Ctrl-C
    with ending_in_a_sentence(interrupted="no prediction was changed."):
        options = tyro.cli(Options, prog="sightline evaluate")
        print(_carry_out(options.configuration()))


if __name__ == "__main__":
    main()
