"""Predict a split with a model, in the form that a run keeps."""

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor, nn

from sightline.explain.batches import FORWARD_PIXELS, batches
from sightline.explain.progress import progress_bar, warn
from sightline.explain.reading import read_ahead
from sightline.explain.world import World
from sightline.image_data import ImageSplit, Progress
from sightline.image_data.images import Images, Rows
from sightline.model_zoo import find_head, normalize
from sightline.model_zoo.device import device_of
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.record import RunRecord
from sightline.run_store.thumbnails import kept_images
from sightline.run_store.writer import RunWriter
from sightline.training.im2col import Im2col

MOST_IMAGES = {"cpu": 500, "cuda": 2000}  # of a batch, however small they are


def infer(
    model: nn.Module,
    images: Images,
    mean: Sequence[float],
    std: Sequence[float],
    head: str | None,
    dtype: torch.dtype = torch.float32,
    batch_size: int | None = None,
    progress: Progress | None = None,
    side: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return logits float32 N×C and penultimate features float32 N×D of uint8 images N×H×W×3, seen in eval mode.

    Logits and features are the only thing of all N in memory: the images are read a few batches at a time.
    `head` names the layer whose input the features are, averaged over places or tokens where it has several; without
    one they are the logits. `dtype` is the arithmetic (autocast), `side` as in `normalize`, `batch_size` the most
    images of a batch. The training flag of the model is restored.
    """
    device = device_of(model)
    most = batch_size or MOST_IMAGES[device.type]
    parts = list(batches(len(images), images.shape[1] * images.shape[2], FORWARD_PIXELS, most))
    # All rows at once: what is kept of each batch would lie among its large blocks, which then could not be used again.
    found: tuple[Tensor, ...] = ()
    seen: list[Tensor] = []
    listen = model.get_submodule(head).register_forward_pre_hook if head else nullcontext
    was_training = model.training
    model.eval()
    try:
        with (
            listen(lambda module, inputs: seen.append(_vectors(module, inputs[0]))),
            torch.inference_mode(),
            Im2col(),
            torch.autocast(device.type, dtype, enabled=dtype != torch.float32),
        ):
            for part, pixels in zip(parts, read_ahead(images, parts, device), strict=True):
                seen.clear()
                logits = model(normalize(pixels, mean, std, side))
                values = (logits, seen[-1] if seen else logits)
                found = found or tuple(torch.empty(len(images), each.shape[1], device=device) for each in values)
                for rows, each in zip(found, values, strict=True):
                    rows[part] = each
                if progress:
                    progress(part.stop, len(images))
    finally:
        model.train(was_training)
    logits, features = (each.cpu().numpy() for each in found)
    return logits, features


def _vectors(head: nn.Module, inputs: Tensor) -> Tensor:
    """Return N×D: the mean over places of N×D×h×w before a convolution, over tokens of N×…×D before a linear layer."""
    if isinstance(head.weight, Tensor) and head.weight.ndim == 4:
        return inputs.mean(dim=(2, 3))
    return inputs.flatten(1, -2).mean(dim=1) if inputs.ndim > 2 else inputs


def predict(
    model: nn.Module,
    split: ImageSplit,
    record: RunRecord,
    dtype: torch.dtype = torch.float32,
    progress: Progress | None = None,
) -> tuple[pa.Table, np.ndarray]:
    """Return the predictions table of `split`, and the penultimate features float32 N×D, of the model of a run."""
    return _table(split, *_infer(model, split.images, record, dtype, progress))


def predict_together(
    model: nn.Module,
    split: ImageSplit,
    record: RunRecord,
    world: World,
    dtype: torch.dtype = torch.float32,
    side: int | None = None,
) -> tuple[pa.Table, np.ndarray] | None:
    """Predict as `predict`, each process of `world` a part, seen at `side` pixels; return None in all but the first."""
    images = Rows(split.images, world.part(np.arange(len(split)))) if world.size > 1 else split.images
    parts = _infer(model, images, record, dtype, side=side)
    logits, features = map(world.gather, parts)
    return None if logits is None or features is None else _table(split, logits, features)


def _infer(
    model: nn.Module,
    images: Images,
    record: RunRecord,
    dtype: torch.dtype,
    progress: Progress | None = None,
    side: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    head = find_head(model, len(record.class_names))
    return infer(model, images, record.mean, record.std, head, dtype, progress=progress, side=side)


def _table(split: ImageSplit, logits: np.ndarray, features: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    return predictions_table(logits, split.labels, split.paths), features


def write_predictions(writer: RunWriter, model: nn.Module, test: ImageSplit) -> pa.Table:
    """Write the images of `test`, and what `model` says of them, into a run, which is then complete.

    Draws a bar meanwhile; returns the predictions.
    """
    with progress_bar("predicting") as progress:
        table, features = predict(model, test, writer.record, progress=progress)
    writer.save_images(kept_images(test), test.masks)
    seal(writer, table, features)
    return table


def seal(writer: RunWriter, table: pa.Table, features: np.ndarray) -> None:
    """Complete the run with predictions and features, and say where these are not as they were."""
    scaled = writer.complete(table, features)
    if scaled:
        warn([f"the features of {scaled:,} images are out of float16's range; kept are their directions, not lengths."])


def test_figures(table: pa.Table) -> dict[str, float]:
    """Return the test_loss (mean cross-entropy, nats, no label smoothing) and test_accuracy (0–1) of predictions."""
    loss = np.asarray(table["loss"], dtype=np.float64).mean()
    hits = pc.sum(pc.equal(table["label"], table["predicted"])).as_py()
    return {"test_loss": float(loss), "test_accuracy": hits / len(table)}
