"""The features of all training images of a run, and which of them are most like those of a test image."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.why.margins import Margins, pooled

MEMORY = 512 * 2**20  # bytes of centred features that are kept for the next question
PRODUCTS = 2**24  # similarities that are computed at once
DECIMALS = 6  # of a similarity by which images are ordered: beyond, rounding decides, even between two equal images
LARGEST, LIMIT = 14, 2.0**15  # the first features are brought below 2 to the power of LARGEST, and all below LIMIT
LEAST = 100  # features below 2 to the power of −LEAST are nothing


class Halves:
    """Features of N images as float16, times one power of two for all of them.

    So the whole range of float16 is made use of, in which the features of some networks would not lie; and how images
    differ from their mean stays what it is, which one factor for each would not allow.
    """

    def __init__(self, images: int) -> None:
        self._images, self._done = images, 0
        self.rows = np.empty((images, 0), np.float16)
        self.scale = 1.0

    def put(self, features: np.ndarray) -> None:
        """Add the features of the next images, float32 n×K. Raises ExplainError where one is not finite."""
        largest = float(np.abs(features).max(initial=0))
        if not np.isfinite(largest):
            raise ExplainError(
                "The network answers some training images with NaN or infinity: its weights are damaged."
            )
        fitting = 2.0 ** (LARGEST - max(int(np.frexp(largest)[1]), -LEAST))
        if not self._done:
            self.rows, self.scale = np.empty((self._images, features.shape[1]), np.float16), fitting
        elif largest * self.scale > LIMIT:
            self.rows[: self._done] *= np.float16(fitting / self.scale)
            self.scale = fitting
        self.rows[self._done : self._done + len(features)] = features * np.float32(self.scale)
        self._done += len(features)


class FeatureRows(Protocol):
    """An array N×K of float16, or what reads its rows when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any, /) -> Any: ...


@dataclass(frozen=True)
class Similar:
    """The r training images most like each of n images, the most similar first.

    A place of an activation adds to a similarity by how far it is from the mean of all places, weighted: see
    `place_maps`.
    """

    train_index: np.ndarray  # int64 n×r
    similarity: Tensor  # n×r, −1 to 1
    test_weights: Tensor  # n×r×K: the weights of the test image's activation
    pull: Tensor  # n×K: the weights of the training image's, but for a factor
    factor: Tensor  # n×r

    def on_cpu(self) -> "Similar":
        """Return the same, but for `test_weights`, on the CPU."""
        values = (self.similarity, self.pull, self.factor)
        similarity, pull, factor = (value.cpu() for value in values)
        return Similar(self.train_index, similarity, self.test_weights[:0], pull, factor)


@dataclass(frozen=True)
class _OfClass:
    rows: np.ndarray  # int64 n: the training images of a label
    centred: Tensor  # n×K: less the mean of all training images
    squares: Tensor  # of that


class TrainingFeatures:
    """The features of N training images at a layer, ready for questions.

    The app keeps it from one click to the next: the first question about a class reads and centres its images.
    """

    def __init__(
        self, features: FeatureRows, scale: float, labels: np.ndarray, device: torch.device | None = None
    ) -> None:
        """features, scale: as of `Halves`. labels: int N, codes. device: where to compute, by default the CPU."""
        self._features, self._scale, self._labels = features, scale, labels
        self._device = device or torch.device("cpu")
        sums, step = np.zeros(features.shape[1]), max(1, MEMORY // (16 * features.shape[1]))
        for start in range(0, len(features), step):
            sums += features[start : start + step].sum(axis=0, dtype=np.float64)
        self._mean = torch.from_numpy((sums / len(features)).astype(np.float32)).to(self._device)
        self._classes: dict[int, _OfClass] = {}

    def similar(self, of: Margins, code: int, most: int) -> Similar:
        """Return the training images labelled `code` most like n images, by the cosine of φ = (f − μ) ∘ max(d, 0).

        of: their features f, with the weights d of their margins; μ is the mean of all training features. At most
        `most` each, fewer where fewer have this label; among equals the first. An image whose φ is 0 is like none: 0.
        Raises ExplainError where the features are of another layer.
        """
        if of.weights.shape[1] != self._features.shape[1]:
            raise ExplainError("The features of the training images are not of this layer of this network.")
        training = self._of_class(code)
        speaking = of.weights.to(self._mean).clamp(min=0)
        squares = (speaking / speaking.amax(dim=1, keepdim=True).clamp(min=1e-30)).square()
        centred = of.features.to(self._mean) * self._scale - self._mean
        step = max(1, PRODUCTS // max(1, len(training.rows)))
        parts = [
            self._ranked(training, centred[start : start + step], squares[start : start + step], most)
            for start in range(0, len(centred), step)
        ]
        index, similarity, factor = (torch.cat(column) for column in zip(*parts, strict=True))
        test_weights = factor[..., None] * squares[:, None] * training.centred[index]
        return Similar(training.rows[index.cpu().numpy()], similarity, test_weights, squares * centred, factor)

    def _ranked(self, training: _OfClass, centred: Tensor, squares: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return the places in `training`, the similarities and the `Similar.factor` of n images, each n×r."""
        products = (centred * squares) @ training.centred.T
        norms = (centred.square() * squares).sum(dim=1, keepdim=True).sqrt() * (squares @ training.squares.T).sqrt()
        similarities = torch.where(norms > 0, products / norms, 0).nan_to_num()  # of a stranger's file
        index = _first(similarities, most)
        norms = norms.gather(1, index)
        return index, similarities.gather(1, index), torch.where(norms > 0, self._scale / norms, 0)

    def _of_class(self, code: int) -> _OfClass:
        if code not in self._classes:
            rows = np.flatnonzero(self._labels == code)
            centred = torch.from_numpy(np.ascontiguousarray(self._features[rows])).to(self._mean) - self._mean
            self._classes[code] = _OfClass(rows, centred, centred.square())
            while len(self._classes) > 1 and sum(2 * of.centred.nbytes for of in self._classes.values()) > MEMORY:
                del self._classes[next(iter(self._classes))]
        return self._classes[code]


def _first(similarities: Tensor, most: int) -> Tensor:
    """Return the places of the `most` largest of each row, the largest first, and among equals the first."""
    most = min(most, similarities.shape[1])
    if not most:
        return torch.zeros((len(similarities), 0), dtype=torch.int64, device=similarities.device)
    compared = similarities.mul(10**DECIMALS).round()
    least = compared.topk(most, dim=1).values[:, -1:]
    found = []
    for row, enough in zip(compared, compared >= least, strict=True):
        places = enough.nonzero()[:, 0]
        found.append(places[row[places].sort(descending=True, stable=True).indices[:most]])
    return torch.stack(found)


def place_maps(activations: Tensor, weights: Tensor, similarity: Tensor) -> Tensor:
    """Split similarities over the places of one of the two images, n×r×h×w: the cells of each map add up to it.

    activations: n×K×h×w, of the image whose places they are. weights: n×r×K. similarity: n×r. Since features are the
    mean over P places, place p adds (similarity + weights · (a(p) − f)) / P: its even share, and what it has beyond the
    mean of all places.
    """
    places = activations.shape[2] * activations.shape[3]
    beyond = activations - pooled(activations)[..., None, None]
    return (similarity[..., None, None] + torch.einsum("nrk,nkyx->nryx", weights, beyond.to(weights))) / places
