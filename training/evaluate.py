"""Predictions of a model over a test split.

sightline evaluate --run runs/NAME      writes the predictions of a run again, from its weights
sightline evaluate --model timm:resnet50 --weights FILE --dataset folder:DIR --run runs/NAME
                                                 makes a run of a model that was trained elsewhere
"""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm import tqdm

from sightline.explain.command_line import ending_in_a_sentence, one_line
from sightline.image_data import ImageSplit, dataset_help, hold_out, load_image_data, load_test_split
from sightline.model_zoo import model_spec
from sightline.model_zoo.device import choose_device
from sightline.run_store.run import Run, RunError
from sightline.run_store.writer import RunWriter
from sightline.training.command_line import COMMAND_ERRORS, RESOURCE_ERRORS
from sightline.training.imported import import_model
from sightline.training.inference import predict, stored_images, test_figures


class UsageError(Exception):
    """A sentence for the user: which options do not go together, or which value an option may have."""


@dataclass(frozen=True)
class EvaluateConfig:
    """Write the predictions of a run again, or make a run of a model that was trained elsewhere.

    The classes are the folders in DIR/test, sorted by name: the codes that torchvision's ImageFolder gives them. Of an
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
    image_size: int | None = None
    """side to which a folder's images are brought, pixels, 8-1024; default: the model's own"""
    mean: tuple[float, float, float] | None = None
    """of the pixels the model was trained on, red green blue, 0-1; default: that of the published weights"""
    std: tuple[float, float, float] | None = None
    """likewise; must be given, with --mean, for models that are not of torchvision or timm"""
    layers: str | None = None
    """the layers to explain, separated by commas; default: up to four that suit the model"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""

    def check(self) -> None:
        """Raise UsageError for options that do not go together, or are out of range; ModelError for no such model."""
        if self.model is None:
            others = (self.weights, self.dataset, self.image_size, self.mean, self.std, self.layers)
            if any(value is not None for value in others):
                raise UsageError("A new run needs --model, --weights and --dataset; an existing one, --run alone.")
            if self.run is None:
                raise UsageError("Give --run for an existing run, or --model, --weights and --dataset for a new one.")
            return
        if self.weights is None or self.dataset is None:
            raise UsageError("--model needs --weights FILE and --dataset; to train it, use sightline train.")
        if self.image_size is not None and not 8 <= self.image_size <= 1024:
            raise UsageError(f"--image-size {self.image_size} is out of range; it may be 8 to 1024.")
        if (self.mean is None) != (self.std is None):
            raise UsageError("--mean and --std go together: give both.")
        if self.mean and self.std and not (all(0 <= m <= 1 for m in self.mean) and all(0 < s <= 1 for s in self.std)):
            raise UsageError("--mean must lie between 0 and 1, and --std above 0 up to 1: of pixels scaled to 0-1.")
        if self.mean is None and model_spec(self.model).mean is None:
            raise UsageError(
                f"{self.model} has no published mean and std: give those it was trained with, --mean R G B --std R G B "
                "(run.json has them for a run of Sightline)."
            )


def evaluate(config: EvaluateConfig) -> str:
    """Rewrite the predictions of `config.run`, or make it; returns the sentence to print."""
    config.check()
    if config.model is not None:
        run, table = import_model(config)
        return f"{run}: {test_figures(table)['test_accuracy']:.2%} of {len(table):,} test images right."
    assert config.run is not None
    return _rewrite(Run(config.run), config.device)


def _rewrite(run: Run, device: str) -> str:
    record = run.record
    with RunWriter.reopen(run.path, record) as writer:  # first, since a run that is still being written is refused
        model = run.load_model().to(choose_device(device))
        test = _test_split(run)
        try:
            with tqdm(desc="predicting", total=len(test), unit="image", leave=False) as bar:
                table, features = predict(model, test, record, progress=bar.update)
            writer.save_images(stored_images(test), test.masks)
            writer.complete(table, features)
        except RESOURCE_ERRORS as error:
            raise RunError(f"The predictions of {run.path} could not be written: {one_line(error)}") from error
    return _sentence(run, round(test_figures(table)["test_accuracy"] * len(test)), len(test))


def _sentence(run: Run, right: int, images: int) -> str:
    """How many are right, and whether metrics.csv says so too."""
    sentence = f"{run.name}: {right / images:.2%} of {images:,} test images right."
    try:
        metrics = run.metrics()
    except RunError as error:
        return f"{sentence} They could not be compared: {error}."
    if metrics and not abs(metrics[-1].test_accuracy * images - right) < 0.5:  # also for NaN
        sentence += (
            f" metrics.csv says {metrics[-1].test_accuracy:.2%} for the last epoch: "
            "the weights or the arithmetic have changed since."
        )
    return sentence


def _test_split(run: Run) -> ImageSplit:
    record = run.record
    if record.evaluated_only:  # there may be no training split, and another one is decoded for nothing
        test, _ = load_test_split(record.dataset, default_size=record.input_size)
    else:
        data = load_image_data(record.dataset, default_size=record.input_size)
        held_out = record.recipe.get("held_out")
        test = (hold_out(data, held_out) if isinstance(held_out, int) else data).test
    if test.fingerprint != record.fingerprints.get("test"):
        did = "evaluated" if record.evaluated_only else "trained"
        raise RunError(
            f"The test split of {record.dataset} is not the one that run {run.name} was {did} with; restore it first."
        )
    return test


def main() -> None:
    config = tyro.cli(EvaluateConfig, prog="sightline evaluate")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an interruption like Ctrl-C
    try:
        with ending_in_a_sentence(*COMMAND_ERRORS, interrupted="no prediction was changed."):
            print(evaluate(config))
    except UsageError as error:
        print(f"Error: {error} See --help.", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
