"""Two runs on the same test split: which images only one of them has right, and whether that is more than chance."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa

from sightline.run_store.confusion import Confusion
from sightline.run_store.predictions import Predictions

Change = Literal["only A right", "only B right", "both wrong", "both right"]  # how two runs do on an image
ONE_SIDED: tuple[Change, Change] = ("only A right", "only B right")
SWAPPED: dict[Change | None, Change | None] = dict(zip(ONE_SIDED, reversed(ONE_SIDED), strict=True))  # with B as A


@dataclass(frozen=True)
class ChangedPairs:
    """The M pairs of classes that at least one of two runs confuses.

    cells: label · C + predicted, of C classes, int64 M, rising. images: how many more A takes so than B, int64 M.
    p_values: of McNemar's exact test of each pair, corrected by Holm for all M, float M, 0–1.
    """

    classes: int
    cells: np.ndarray
    images: np.ndarray
    p_values: np.ndarray

    def most(self, count: int) -> list[tuple[int, int, int, float]]:
        """Return the pairs whose numbers differ most: codes true and predicted, images more by A, and p."""
        order = np.argsort(-np.abs(self.images), kind="stable")[:count]
        order = order[self.images[order] != 0]
        columns = *np.divmod(self.cells, self.classes), self.images, self.p_values
        return list(zip(*(values[order].tolist() for values in columns), strict=True))


@dataclass(frozen=True)
class ClassAccuracy:
    """How many of the images of a true class each of two runs has right. code: of the class; images: at least 1.

    p_value: of McNemar's exact test of these images, corrected by Holm for all classes that have some, 0–1.
    """

    code: int
    images: int
    a: int
    b: int
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Two runs, A and B, that predict the same N images of the same C classes, as the caller has checked."""

    a: Predictions
    b: Predictions

    @cached_property
    def masks(self) -> dict[Change, np.ndarray]:
        """Of which images each change holds, bool N: of every image one of them does."""
        a, b = self.a.wrong, self.b.wrong
        return {"only A right": ~a & b, "only B right": a & ~b, "both wrong": a & b, "both right": ~a & ~b}

    @cached_property
    def images(self) -> dict[Change, int]:
        """How many images there are of each change."""
        return {change: int(mask.sum()) for change, mask in self.masks.items()}

    @property
    def largest(self) -> Change:
        """The larger of the two sets on which only one run is right; where both are empty, the next that is not."""
        only = max(ONE_SIDED, key=lambda change: self.images[change])
        return next((change for change in (only, "both wrong") if self.images[change]), "both right")

    @cached_property
    def confusion_difference(self) -> Confusion:
        """How many images more each cell has of A than of B."""
        return self.a.confusion.minus(self.b.confusion)

    @cached_property
    def changed_pairs(self) -> ChangedPairs:
        """How often each pair of classes is confused that either run confuses, and whether the difference is chance."""
        runs = (self.a, self.b)
        pairs = np.unique(np.concatenate([run.confusion.cells[run.confusion.is_mistake] for run in runs]))
        differ = self.a.column("predicted") != self.b.column("predicted")
        alone = np.zeros((2, len(pairs)), np.int64)  # images that only one of the runs takes so
        for run, counts in zip(runs, alone, strict=True):
            label, predicted = (run.column(name)[differ & run.wrong] for name in ("label", "predicted"))
            found = Confusion.of(label, predicted, self.a.confusion.classes)
            counts[np.searchsorted(pairs, found.cells)] = found.images
        return ChangedPairs(self.a.confusion.classes, pairs, alone[0] - alone[1], holm(_mcnemars(alone)))

    @cached_property
    def classes(self) -> list[ClassAccuracy]:
        """How right both runs are on each class that has images, in the order of the codes."""
        label, classes = self.a.column("label"), self.a.confusion.classes
        images = self.a.confusion.per_class("label")
        codes = np.flatnonzero(images)
        alone = [np.bincount(label[self.masks[change]], minlength=classes)[codes] for change in ONE_SIDED]
        right = [run.confusion.hits[codes].tolist() for run in (self.a, self.b)]
        columns = codes.tolist(), images[codes].tolist(), *right, holm(_mcnemars(np.array(alone))).tolist()
        return [ClassAccuracy(*row) for row in zip(*columns, strict=True)]

    @cached_property
    def p_value(self) -> float:
        """The p-value of McNemar's exact test (McNemar 1947), two-sided, 0–1: how often chance would split as unevenly.

        Of the n images on which only one of the two is right, each is as likely to be right if both are equally good.
        """
        return mcnemar(self.images["only A right"], self.images["only B right"])


def in_classes(predictions: Predictions, class_names: tuple[str, ...]) -> Predictions:
    """Return the same predictions with their classes in another order; as they are, where these are other classes."""
    own = predictions.class_names
    if own == class_names or {*own} != {*class_names}:
        return predictions
    places = {name: code for code, name in enumerate(class_names)}
    codes = np.array([places[name] for name in own], np.int16)
    scalars, p = predictions.scalars, predictions.probabilities
    for name in ("label", "predicted"):
        scalars = scalars.set_column(scalars.column_names.index(name), name, pa.array(codes[predictions.column(name)]))
    return Predictions(class_names, scalars, None if p is None else p[:, np.argsort(codes)])


def _mcnemars(alone: np.ndarray) -> np.ndarray:
    """Return the p-value of each of M tests, float M. alone: images that only one of two runs has, int 2×M."""
    splits, place = np.unique(np.sort(alone, axis=0), axis=1, return_inverse=True)
    return np.array([mcnemar(int(fewer), int(more)) for fewer, more in splits.T])[place.flatten()]


def mcnemar(one: int, other: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (McNemar 1947), 0–1, of images that only one run has.

    >>> mcnemar(0, 5)
    0.0625
    """
    n, fewer = one + other, np.arange(1, min(one, other) + 1)
    log_chances = np.cumsum(np.log(n - fewer + 1) - np.log(fewer))  # of 1, 2, … out of n, times 2ⁿ; of 0 it is 1
    tail = np.logaddexp.reduce(np.append(0.0, log_chances)) - n * np.log(2)
    return float(min(1.0, 2 * np.exp(tail)))


def wilson(right: int, of: int) -> tuple[float, float]:
    """Return the ends of the 95 % interval of a share (Wilson 1927), 0–1: of nothing, all that there may be.

    >>> print("{:.3f} {:.3f}".format(*wilson(8, 10)))
    0.490 0.943
    """
    if not of:
        return 0.0, 1.0
    z = 1.959964  # standard deviations
    share, slack = right / of, z * z / of
    half = (slack * share * (1 - share) + slack * slack / 4) ** 0.5
    low, high = ((share + slack / 2 + side) / (1 + slack) for side in (-half, half))
    return max(0.0, low), min(1.0, high)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Correct the p-values of M tests, float M, for their number (Holm 1979): whichever stay below 5 % are found.

    Of all tests, one that finds what is not there has then a chance of 5 % at most.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    times = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.maximum.accumulate(times * p_values[order]).clip(max=1)
    return corrected
