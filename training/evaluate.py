"""Predictions of a model over a split.

python -m training.evaluate --run runs/NAME      writes the predictions of a run again, from its weights
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import tyro
from torch import nn

from image_data import DataError, ImageSplit, load_image_data
from model_zoo import ModelError, model_spec, normalize
from run_store.predictions import predictions_table
from run_store.run import Run, RunError, RunRecord
from run_store.writer import RunWriter
from training.recipe import TrainingError, choose_device

USER_ERRORS = (DataError, ModelError, RunError, TrainingError)
RESOURCE_ERRORS = (OSError, MemoryError, torch.OutOfMemoryError)  # a full disk, a full memory
COMMAND_ERRORS = (*USER_ERRORS, *RESOURCE_ERRORS)


def infer(
    model: nn.Module,
    images: np.ndarray,
    mean: Sequence[float],
    std: Sequence[float],
    head: str,
    dtype: torch.dtype = torch.float32,
    batch_size: int = 500,
) -> tuple[np.ndarray, np.ndarray]:
    """Logits float32 N×C and penultimate features float32 N×D of uint8 images N×H×W×3, in eval mode, one view each.

    `head` names the last linear layer, whose input the features are. `dtype` is the arithmetic (autocast).
    The training flag of the model is restored.
    """
    device = next(model.parameters()).device
    logits, features = [], []
    hook = model.get_submodule(head).register_forward_pre_hook(
        lambda _, inputs: features.append(inputs[0].float().cpu())
    )
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            for start in range(0, len(images), batch_size):
                pixels = torch.from_numpy(np.array(images[start : start + batch_size])).to(device)
                logits.append(model(normalize(pixels, mean, std)).float().cpu())
    finally:
        hook.remove()
        model.train(was_training)
    return torch.cat(logits).numpy(), torch.cat(features).numpy()


def predict(
    model: nn.Module, split: ImageSplit, record: RunRecord, dtype: torch.dtype = torch.float32
) -> tuple[pa.Table, np.ndarray]:
    """The predictions table of `split`, and the penultimate features float32 N×D, of the model of a run."""
    head = model_spec(record.model).head
    logits, features = infer(model, split.images, record.mean, record.std, head, dtype)
    return predictions_table(logits, split.labels, split.paths), features


def test_figures(table: pa.Table) -> dict[str, float]:
    """test_loss (mean cross-entropy, nats, without label smoothing) and test_accuracy (0–1) of a predictions table."""
    loss = np.asarray(table["loss"], dtype=np.float64).mean()
    hits = pc.sum(pc.equal(table["label"], table["predicted"])).as_py()
    return {"test_loss": float(loss), "test_accuracy": hits / len(table)}


@dataclass(frozen=True)
class EvaluateConfig:
    """Write the predictions of a run again, from its weights and its data set."""

    run: Path
    """the run directory"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""


def evaluate(config: EvaluateConfig) -> str:
    """Rewrite the predictions of `config.run`; returns the sentence to print."""
    run = Run(config.run)
    record = run.record
    with RunWriter.reopen(run.path, record) as writer:  # first, since a run that is still being written is refused
        model = run.load_model().to(choose_device(config.device))
        test = _test_split(run)
        try:
            table, features = predict(model, test, record)
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
    if len(metrics) and not abs(metrics["test_accuracy"].iloc[-1] * images - right) < 0.5:  # also for NaN
        sentence += (
            f" metrics.csv says {metrics['test_accuracy'].iloc[-1]:.2%} for the last epoch: "
            "the weights or the arithmetic have changed since."
        )
    return sentence


def one_line(error: Exception) -> str:
    """One line for the user: torch and the operating system say more, or less."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})." if error.filename else f"{error.strerror}."
    return str(error).strip().split("\n")[0] or type(error).__name__


def stored_images(split: ImageSplit) -> np.ndarray:
    """The images a run keeps, uint8 N×H×W×3: the model's input itself, or thumbnails of it where that is large."""
    from PIL import Image

    from run_store.run import THUMBNAIL_SIZE

    if split.images.shape[1] <= THUMBNAIL_SIZE:
        return split.images
    side = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    return np.stack([np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BOX)) for image in split.images])


def _test_split(run: Run) -> ImageSplit:
    record = run.record
    is_folder = record.dataset.startswith("folder:")
    test = load_image_data(record.dataset, image_size=record.input_size if is_folder else None).test
    if test.fingerprint != record.fingerprints.get("test"):
        raise RunError(
            f"The test split of {record.dataset} is not the one that run {run.name} was trained with; restore it first."
        )
    return test


def main() -> None:
    config = tyro.cli(EvaluateConfig, prog="python -m training.evaluate")
    try:
        print(evaluate(config))
    except KeyboardInterrupt:
        print("\nInterrupted: no prediction was changed.", file=sys.stderr)
        sys.exit(130)
    except COMMAND_ERRORS as error:
        sys.exit(f"Error: {one_line(error)}")


if __name__ == "__main__":
    main()
