"""Find the training images behind the mistakes of a run, or behind any of its test images, and write them into it.

sightline influence --run runs/NAME [--images 3,17] [--layer layer3]
sightline influence --run runs/NAME --dataset folder:DIR            of a run that was trained elsewhere

It goes once over the training images. Ctrl-C leaves the run as it was. Asked again for more images, it goes on from the
features that it wrote.
"""

import math
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from torch import nn

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.command_line import ending_in_a_sentence, numbers
from sightline.explain.output import in_columns
from sightline.explain.progress import progress_bar, warn
from sightline.explain.why.confident_learning import LabelDoubts
from sightline.explain.why.influence import Behind, kept_pictures, known_features, look_behind
from sightline.explain.why.margins import activations, pooled
from sightline.explain.why.training_features import Halves, TrainingFeatures
from sightline.explain.why.training_images import input_batches, load_training_split
from sightline.explain.world import ALONE, together
from sightline.image_data import ImageSplit
from sightline.image_data.images import Images, Rows
from sightline.model_zoo.device import choose_device, device_of, keep_freed_memory
from sightline.run_store.culprits import (
    COUNT,
    Culprits,
    TrainingImages,
    culprit_maps,
    read_culprits,
    training_features,
    write_culprits,
)
from sightline.run_store.hashes import weights_hash
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.thumbnails import thumbnails

MOST_THUMBNAILS = 256 * 2**20  # bytes: above, only the culprits have one
RINGLEADERS = 10  # that are printed


@dataclass(frozen=True)
class InfluenceConfig:
    """Find the training images behind the mistakes of a run: those that are most like them in what decided."""

    run: Path
    """the run directory"""
    images: Annotated[tuple[int, ...], numbers()] = ()
    """test images to look behind too, by their numbers, separated by commas; default: the mistakes alone"""
    layer: str | None = None
    """the layer whose features are compared; default: that of the last time, or the last one that the run names"""
    dataset: str | None = None
    """where the training images are, as sightline train and evaluate take it; default: where the run says"""
    split: str = "train"
    """what --dataset calls the training images, of a run that was trained elsewhere"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""


def influence(
    run: Run,
    images: Sequence[int] = (),
    layer: str | None = None,
    dataset: str | None = None,
    split: str = "train",
    device: torch.device | None = None,
) -> str:
    """Write the training images behind all mistakes, and behind `images`, into a run; return what to print.

    The caller holds the lock of the run, and its user has named `dataset`, if any: a program may be run for it.
    device: by default the CPU. Raises DataError, ExplainError, ModelError or RunError.
    """
    predictions, device = _check(run, images), device or torch.device("cpu")
    mistakes = np.flatnonzero(predictions.wrong)
    found = _current(run, layer)
    missing = np.union1d(mistakes, np.array(images, np.int64))
    if found:
        missing = np.setdiff1d(missing, found.index)
        if not len(missing):
            return _summary(run, found, mistakes)
    model = run.load_model().to(device)
    if found is None:
        data = _load(run, dataset, split)
        found, features = _learn(run, model, layer or run.record.layers[-1], data)
        known, pictures = TrainingFeatures(features, found.scale, found.training.label, device), data.images
    else:
        features, known = None, known_features(run, found, device)
        pictures = kept_pictures(run, found) or _load(run, dataset, split, found).images
    behind = look_behind(run, model, found.layer, known, predictions, missing, pictures, show=True)
    found, maps = _with_rows(run, found, behind)
    found, kept = _with_thumbnails(found, pictures)
    write_culprits(run, found, features, kept, maps)
    return _summary(run, found, mistakes)


def _check(run: Run, images: Sequence[int]) -> Predictions:
    """Return the predictions. Raises RunError or ExplainError where there is nothing to look behind."""
    run.require_network()
    predictions = run.predictions()
    if len(run.record.class_names) < 2:
        raise ExplainError(f"Run {run.name} has one class: no other could have been taken for it.")
    outside = [image for image in images if not 0 <= image < len(predictions)]
    if outside:
        raise ExplainError(f"Run {run.name} has no test image {outside[0]}; its last one is {len(predictions) - 1}.")
    if not predictions.wrong.any() and not len(images):
        raise ExplainError(
            f"Run {run.name} makes no mistake on its test images; name images to look behind: --images 3,17."
        )
    return predictions


def _current(run: Run, layer: str | None) -> Culprits | None:
    """Return what was found the last time; None where it is of no use: damaged, stale, or of another layer."""
    try:
        found = read_culprits(run)
        if found:
            training_features(run, found), kept_pictures(run, found), culprit_maps(run, found)
    except RunError:
        return None
    return found if found and layer in (None, found.layer) else None


def _load(run: Run, dataset: str | None, split: str, found: Culprits | None = None) -> ImageSplit:
    """Load the training images: those of `found`, where there is something already."""
    with progress_bar("decoding") as progress:
        data = load_training_split(run, dataset, split, run_code=dataset is not None, progress=progress, warn=warn)
    if not len(data):
        raise RunError(f"Run {run.name}: there is no training image.")
    if found and found.fingerprint != data.fingerprint:
        raise RunError(f"Run {run.name}: these are not the training images of the last time; name those again.")
    return data


def _learn(run: Run, model: nn.Module, layer: str, data: ImageSplit) -> tuple[Culprits, np.ndarray]:
    """Go once over the training images; return what is known of them, with no rows yet, and their features."""
    halves, doubts = Halves(len(data)), LabelDoubts(data.labels, len(run.record.class_names))
    for part, inputs in input_batches(run, data.images, device_of(model), "training images"):
        features, logits = activations(model, inputs, layer, pooled)
        halves.put(features.float().cpu().numpy())
        doubts.look(part, logits.float().softmax(dim=1))
    training = TrainingImages(
        data.labels.astype(np.int16),
        doubts.predicted,
        doubts.confidence,
        doubts.suspicious(),
        np.full(len(data), -1),
    )
    none = np.zeros(0, np.int64)
    rows = (none, none.astype(np.int16), none, none.astype(np.float32), none.astype(np.int16))
    return Culprits(layer, True, weights_hash(run), training, *rows, data.fingerprint, halves.scale), halves.rows


def _with_rows(run: Run, found: Culprits, behind: Behind) -> tuple[Culprits, np.ndarray]:
    """Return what was found before and now together, and all pairs of maps, float16 M×2×h×w."""
    assert behind.maps is not None  # there are pictures
    maps = behind.maps.astype(np.float16)
    if len(found.index):
        maps = np.concatenate([culprit_maps(run, found)[:], maps])
    if not len(maps):
        raise ExplainError(f"Run {run.name}: no training image has a label that its test images were taken for.")
    index = np.concatenate([found.index, behind.index])
    order = np.argsort(index, kind="stable")
    rows: dict[str, Any] = {
        name: np.concatenate([getattr(found, name), getattr(behind, name)])[order]
        for name in ("rank", "train_index", "similarity")
    }
    label = found.training.label[rows["train_index"]]
    exact = found.exact and behind.exact
    return replace(found, exact=exact, index=index[order], train_label=label, **rows), maps[order]


def _with_thumbnails(found: Culprits, images: Images) -> tuple[Culprits, Images]:
    """Return which training images have a picture, and the pictures: all, or the culprits where that is too much."""
    pictures, kept = thumbnails(images), np.arange(len(images))
    if math.prod(pictures.shape) > MOST_THUMBNAILS:
        kept = np.unique(found.train_index)
        pictures = Rows(pictures, kept)
    rows = np.full(len(images), -1)
    rows[kept] = np.arange(len(kept))
    return replace(found, training=replace(found.training, thumbnail=rows)), pictures


def _summary(run: Run, found: Culprits, mistakes: np.ndarray) -> str:
    """Say what was found: how much, whether it is exact, and the ringleaders of the mistakes."""
    training, names = found.training, run.record.class_names
    behind, counts = found.behind(mistakes)
    how = "exact, since the head is pooling and one linear layer" if found.exact else "of first order"
    whose = "" if "train" in run.record.fingerprints else ", those that its user named"
    covered = len(np.intersect1d(mistakes, found.index))
    lines = [
        f"{run.name}: behind {covered:,} of {len(mistakes):,} mistakes stand {len(behind):,} of the "
        f"{len(training.label):,} training images{whose}, up to {COUNT} each ({found.layer}; {how}). "
        f"{int(training.suspicious.sum()):,} labels are suspicious."
    ]
    if others := len(np.setdiff1d(found.index, mistakes)):
        lines.append(f"Looked behind besides: {others:,} right answer{'' if others == 1 else 's'}.")
    table = [("training image", "mistakes", "label", "suspicious")]
    for image, times in zip(behind[:RINGLEADERS].tolist(), counts.tolist(), strict=False):
        doubt = f"taken for {names[training.predicted[image]]}" if training.suspicious[image] else ""
        table.append((f"{image:,}", f"{times:,}", names[training.label[image]], doubt))
    return "\n".join([*lines, in_columns(table)] if len(behind) else lines)


def main() -> None:
    """Run the command `sightline influence`."""
    config = tyro.cli(InfluenceConfig, prog="sightline influence")
    signal.signal(signal.SIGTERM, ALONE.interrupt)
    with ending_in_a_sentence(interrupted="the run is as it was before."):
        keep_freed_memory()
        run, device = Run(config.run), choose_device(config.device)
        with together(ALONE, run, device):
            print(influence(run, config.images, config.layer, config.dataset, config.split, device))


if __name__ == "__main__":
    main()
