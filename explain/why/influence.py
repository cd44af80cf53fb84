"""Find the training images behind test images, and which part of either resembles which part of the other.

For a head that is pooling and one linear layer W, the margin of a test image, logit(predicted) − logit(rival), is d·f
with d = W[predicted] − W[rival] and f the mean of the last activation over its places. Channels with d > 0 speak for
the predicted class, and by these it is compared with the training images of that class: by the cosine of
φ = (f − μ) ∘ max(d, 0), where μ is the mean over all training images. With all channels, φ = (f − μ) ∘ d, fewer of
those found share what misled the network, and the maps lie less on it (docs/why.md). As f is a mean, ⟨φ, φ′⟩ splits
exactly over the places of either image. Behind another head d is the gradient of the margin, and all of this is of
first order.

Influence as such, (y − p)·⟨f, f′⟩ (TracIn, Pruthi 2020), is no use on images that a network has fitted: there y − p is
nearly 0, and what is left is whatever image was not fitted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from sightline.explain.why.margins import RUNNER_UP, activations, margins
from sightline.explain.why.training_features import Similar, TrainingFeatures, place_maps
from sightline.explain.why.training_images import input_batches
from sightline.image_data.images import Images, Rows
from sightline.model_zoo.device import device_of
from sightline.run_store.culprits import COUNT, Culprits, training_features, training_thumbnails
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run

AT_ONCE = 32  # test images


@dataclass(frozen=True)
class Behind:
    """The training images behind test images: M rows, sorted by test image and rank; names as of `Culprits`."""

    exact: bool
    index: np.ndarray  # int64 M
    rank: np.ndarray  # int16 M
    train_index: np.ndarray  # int64 M
    similarity: np.ndarray  # float32 M
    maps: np.ndarray | None  # float32 M×2×h×w; None where there are no pictures to compute them of


def culprits_of(
    run: Run,
    model: nn.Module,
    found: Culprits,
    image: int,
    training: TrainingFeatures | None = None,
    predictions: Predictions | None = None,
) -> Behind:
    """Return the training images behind any one test image of a run whose culprits are known, without its data set.

    model: of `Run.load_model`. training: `known_features` of `found`, and predictions: of the run, where the caller
    keeps them. There are no maps where the pictures that the run keeps are smaller than what the network sees, or not
    all are kept. Raises RunError or ExplainError.
    """
    training, predictions = training or known_features(run, found), predictions or run.predictions()
    images = np.array([image])
    return look_behind(run, model, found.layer, training, predictions, images, kept_pictures(run, found))


def known_features(run: Run, found: Culprits, device: torch.device | None = None) -> TrainingFeatures:
    """Return the features that were written with `found`, ready for questions. Raises RunError."""
    return TrainingFeatures(training_features(run, found), found.scale, found.training.label, device)


def kept_pictures(run: Run, found: Culprits) -> Images | None:
    """Return all training images as the network sees them; None where the run does not keep them. Raises RunError."""
    pictures = training_thumbnails(run, found)
    is_whole, side = np.array_equal(found.training.thumbnail, np.arange(len(pictures))), run.record.input_size
    return pictures if is_whole and pictures.shape[1:3] == (side, side) else None


def look_behind(
    run: Run,
    model: nn.Module,
    layer: str,
    training: TrainingFeatures,
    predictions: Predictions,
    images: np.ndarray,
    pictures: Images | None,
    show: bool = False,
) -> Behind:
    """Return the training images behind test images.

    images: int, rows of the predictions. Rivals are the true class of a mistake, and the runner-up of a right answer.
    pictures: all training images as the network sees them, uint8 N×S×S×3, of which those found are shown to it; None:
    there are no maps. show: draw a bar. Raises RunError or ExplainError.
    """
    images = np.unique(images)
    predicted, label = (predictions.column(name).astype(np.int64) for name in ("predicted", "label"))
    rivals = np.where(predicted == label, RUNNER_UP, label)
    with tqdm(desc="test images", total=len(images), unit="image", smoothing=0.05, disable=not show) as bar:
        parts = []
        for rows in _batches(images, predicted):
            parts.append(_compared(run, model, layer, training, rows, predicted[rows], rivals[rows]))
            bar.update(len(rows))
    maps = None
    if pictures is not None:
        of_training = _training_maps(run, model, layer, parts, pictures, "their training images" if show else "")
        maps = np.stack([np.concatenate([part.maps for part in parts]), of_training], axis=1)
    index = np.concatenate([np.repeat(part.images, part.ranks) for part in parts])
    rank = np.concatenate([np.tile(np.arange(1, part.ranks + 1), len(part.images)) for part in parts])
    order = np.argsort(index, kind="stable")
    return Behind(
        all(part.exact for part in parts),
        index[order],
        rank[order].astype(np.int16),
        np.concatenate([part.similar.train_index.ravel() for part in parts])[order],
        np.concatenate([part.similar.similarity.numpy().ravel() for part in parts])[order],
        None if maps is None else maps[order],
    )


@dataclass(frozen=True)
class _Compared:
    """Test images that are taken for one class, beside the training images of its label; on the CPU."""

    images: np.ndarray  # int64 n
    exact: bool
    similar: Similar  # r each
    maps: np.ndarray  # float32 n·r×h×w, of the test images

    @property
    def ranks(self) -> int:
        return self.similar.train_index.shape[1]


def _batches(images: np.ndarray, predicted: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the images, a few at a time, all of which are taken for the same class."""
    for code in np.unique(predicted[images]):
        rows = images[predicted[images] == code]
        yield from (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))


def _compared(
    run: Run,
    model: nn.Module,
    layer: str,
    training: TrainingFeatures,
    rows: np.ndarray,
    predicted: np.ndarray,
    rivals: np.ndarray,
) -> _Compared:
    inputs = run.to_input(run.model_images(rows.tolist())).to(device_of(model))
    of = margins(model, inputs, layer, torch.from_numpy(predicted), torch.from_numpy(rivals))
    similar = training.similar(of, int(predicted[0]), COUNT)
    maps = place_maps(of.activations, similar.test_weights, similar.similarity)
    return _Compared(rows, of.exact, similar.on_cpu(), maps.flatten(0, 1).cpu().numpy())


def _training_maps(
    run: Run, model: nn.Module, layer: str, parts: Sequence[_Compared], pictures: Images, what: str
) -> np.ndarray:
    """Return the maps of the training images, float32 M×h×w, in the order of `parts`; each is shown but once."""
    rows = [(part.similar, *divmod(row, part.ranks)) for part in parts for row in range(part.similar.train_index.size)]
    train_index = np.concatenate([part.similar.train_index.ravel() for part in parts])
    found, which = np.unique(train_index, return_inverse=True)
    of_found = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])
    maps = np.zeros((len(train_index), *parts[0].maps.shape[1:]), np.float32)
    for part, inputs in input_batches(run, Rows(pictures, found), device_of(model), what):
        seen, _ = activations(model, inputs, layer)
        for activation, places in zip(seen.cpu(), of_found[part], strict=True):
            pairs = [rows[place] for place in places]
            weights = torch.stack([similar.factor[image, rank] * similar.pull[image] for similar, image, rank in pairs])
            similarity = torch.stack([similar.similarity[image, rank] for similar, image, rank in pairs])
            maps[places] = place_maps(activation[None], weights[None], similarity[None])[0].numpy()
    return maps
