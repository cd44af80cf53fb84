"""Make a run of a model, of predictions or of a log that come from elsewhere, or write a run's predictions again.

sightline evaluate --run runs/NAME                                  from the weights of the run
sightline evaluate --model timm:resnet50 --weights FILE --dataset folder:DIR --run runs/NAME
sightline evaluate --predictions FILE --run runs/NAME
sightline evaluate --log FILE --run runs/NAME                       a run of curves alone
"""

import math
import signal
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
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
from sightline.run_store.record import IN_MEMORY, RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.foreign.class_order import in_order_of_outputs
from sightline.training.foreign.imported_log import record_log
from sightline.training.foreign.imported_model import ImportConfig, import_model
from sightline.training.foreign.imported_predictions import PredictionsConfig, import_predictions
from sightline.training.foreign.model_run import describe_result
from sightline.training.inference import test_figures, write_predictions
from sightline.training.new_run import default_run


@dataclass(frozen=True)
class EvaluateConfig:
    """The settings for writing the predictions of a run again."""

    run: Path
    """The directory of the run, which keeps everything else."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one."""


@dataclass(frozen=True)
class Options:
    """Make a run of what was trained elsewhere, or write the predictions of a run again.

    A run is made of a model and images (--model, --dataset), of predictions (--predictions), or of a log alone (--log).
    The classes are numbered in the order of their names, as torchvision's ImageFolder numbers them, unless --classes or
    the files of the model name them in another order.
    """

    run: Path | None = None
    """the run directory: an existing one, or the one to make; then by default runs/<UTC time>_<dataset>_<model>"""
    model: str | None = None
    """torchvision:NAME, timm:NAME, resnet18, resnet34, resnet18_narrow, resnet18_imagenet; FILE.py:NAME, a class or
    function of your own; hf:DIR or timm:DIR, a folder that transformers or timm saved; FILE.pt2, of torch.export"""
    weights: Path | None = None
    """its weights: .safetensors, a state dict saved by torch, or a checkpoint that holds one; default: those beside
    the model"""
    predictions: Path | None = None
    """in place of a model: a table (.csv, .parquet, .npy, .npz) of probabilities, logits or predicted classes"""
    dataset: Annotated[str | None, tyro.conf.arg(help=f"{dataset_help()}; only one split is needed")] = None
    split: str | None = None
    """the name of the split to judge on; default: test, val, valid or validation, or all where there are none"""
    classes: Path | None = None
    """the names of the model's classes, in its order: a text file with a name a line, or a .json file with a list or an
    object of code and name (id2label); the data set may lack some"""
    resize: Literal["crop", "squash", "margin"] | None = None
    """how an image becomes a square: its middle, the whole squashed, or the middle less a margin (256 → 224);
    default: as the published weights were shown, else crop"""
    image_size: int | None = None
    """side to which images of any size are brought, pixels, 8-1024; default: the model's own"""
    mean: tuple[float, float, float] | None = None
    """mean of the pixels the model was trained on, red green blue, 0-1; default: that of the published weights"""
    std: tuple[float, float, float] | None = None
    """their standard deviation; must be given, with --mean, where no file says them"""
    log: Path | None = None
    """a log of the training, for the curves: of Lightning, Keras, timm, transformers, TensorBoard or W&B"""
    claimed_accuracy: float | None = None
    """what the model should reach on the split, 0-1; default: what the checkpoint says. A difference is said loudly"""
    strict: bool = False
    """refuse a data set where an image would be left out"""
    layers: str | None = None
    """the layers to explain, separated by commas; default: up to four that suit the model"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""

    def carry_out(self) -> str:
        """Do what was asked for; return the sentence to print. Raises UsageError where options do not go together."""
        made_of = self._made_of()
        if made_of == "log" and self.log is not None:
            run, notes = record_log(self.run or default_run(self.log.stem, "curves"), self.log)
            return " ".join([f"{run.path}: the curves of {len(run.metrics()):,} epochs.", *notes])
        if made_of in MAKERS:
            config, make = MAKERS[made_of]
            known = {entry.name for entry in fields(config)}
            path, table = make(config(**{name: value for name, value in vars(self).items() if name in known}))
            return describe_result(path, table)
        if self.run is None:
            raise UsageError("Give --run for an existing run, or --model, --predictions or --log for a new one.")
        return evaluate(EvaluateConfig(self.run, self.device))

    def _made_of(self) -> str | None:
        """Return the option that says what a new run is made of; None where an existing one is meant."""
        given = {name for name, value in vars(self).items() if value not in (None, False)} - {"run", "device"}
        made_of = next((source for source in ALLOWED if source in given), None)
        wrong = sorted(given - {made_of} - ALLOWED.get(made_of or "", set()))
        if wrong:
            needed = " or ".join(f"--{source}" for source, others in ALLOWED.items() if wrong[0] in others - {source})
            here = f" and does not go with --{made_of}" if made_of else ""
            needs = f"needs {needed}" if needed else "has nothing to add"
            raise UsageError(f"--{wrong[0].replace('_', '-')} {needs}{here}; an existing run takes --run alone.")
        if made_of == "model" and self.dataset is None:
            raise UsageError("--model needs --dataset, the images to judge it on; to train it, use sightline train.")
        return made_of


# What a run may be made of, first things first, and the options that go with each.
MAKERS: dict[str, tuple[Any, Callable[[Any], tuple[Path, pa.Table]]]] = {
    "model": (ImportConfig, import_model),
    "predictions": (PredictionsConfig, import_predictions),
}
ALLOWED = {name: {entry.name for entry in fields(config)} for name, (config, _) in MAKERS.items()} | {"log": set[str]()}


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
        if record.recipe.get("weights") == IN_MEMORY:
            raise RunError(f"Run {run.name} was recorded by a program, and its images with it; record it again there.")
        test, _ = load_test_split(
            record.dataset,
            image_size=record.input_size,
            split=record.recipe.get("split"),
            resize=record.resize,
            mean=record.mean,
            std=record.std,
        )
    else:
        data = load_image_data(record.dataset, default_size=record.input_size)
        held_out = record.recipe.get("held_out")
        test = (hold_out(data, held_out) if isinstance(held_out, int) else data).test
    named = [(record.class_names, f"run {run.name}")]
    test = in_order_of_outputs(test, named, len(record.class_names)) or with_classes(test, *named[0])
    if test.fingerprint != record.fingerprints.get("test"):
        did = "evaluated" if record.foreign else "trained"
        raise RunError(
            f"The test split of {record.dataset} is not the one that run {run.name} was {did} with; restore it first."
        )
    return test


def main() -> None:
    """Run the command `sightline evaluate` with the command line of this process."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an interruption like Ctrl-C
    with ending_in_a_sentence(interrupted="no prediction was changed."):
        options = tyro.cli(Options, prog="sightline evaluate")
        print(options.carry_out())


if __name__ == "__main__":
    main()
