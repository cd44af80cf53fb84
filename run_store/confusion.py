"""Which classes were taken for which: a confusion matrix without its empty cells, of which many classes have many."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

_DENSE = 2**22  # cells that are counted one by one: sorting the images' own takes longer


@dataclass(frozen=True)
class Confusion:
    """How many images of each true class were predicted as each of C classes.

    cells: those that have any, label · C + predicted, int64 M, rising. images: of each, int64 M.
    """

    classes: int
    cells: np.ndarray
    images: np.ndarray

    @classmethod
    def of(cls, label: np.ndarray, predicted: np.ndarray, classes: int) -> Self:
        """Count the predictions of N images, class codes each.

        >>> Confusion.of(np.array([0, 0, 2]), np.array([0, 1, 1]), classes=3).dense().tolist()
        [[1, 1, 0], [0, 0, 0], [0, 1, 0]]
        """
        codes = label.astype(np.int64) * classes + predicted.astype(np.int64)
        if classes**2 <= _DENSE:
            counts = np.bincount(codes, minlength=classes**2)
            cells = np.flatnonzero(counts)
            return cls(classes, cells, counts[cells])
        return cls(classes, *np.unique(codes, return_counts=True))

    @cached_property
    def label(self) -> np.ndarray:
        """The true class of each cell, int64 M."""
        return self.cells // self.classes

    @cached_property
    def predicted(self) -> np.ndarray:
        """The predicted class of each cell, int64 M."""
        return self.cells % self.classes

    @cached_property
    def is_mistake(self) -> np.ndarray:
        """Whether each cell lies beside the diagonal, bool M."""
        return self.label != self.predicted

    @cached_property
    def hits(self) -> np.ndarray:
        """How many images of each class were predicted right, int64 C."""
        return self._sum(self.label, ~self.is_mistake)

    @cached_property
    def recall(self) -> np.ndarray:
        """The share of each class that was predicted right, float C, 0–1; NaN of a class without images."""
        return _share(self.hits, self.per_class("label"))

    @cached_property
    def precision(self) -> np.ndarray:
        """The share of what was predicted as each class that is right, float C, 0–1; NaN where nothing was."""
        return _share(self.hits, self.per_class("predicted"))

    def per_class(self, name: str, other: int | None = None) -> np.ndarray:
        """Count the images with each class as `name`, "label" or "predicted"; with `other` as the other one.

        Returns int64 C.
        """
        mine, others = (self.label, self.predicted) if name == "label" else (self.predicted, self.label)
        return self._sum(mine, slice(None) if other is None else others == other)

    def most_confused(
        self, count: int = 10, label: int | None = None, predicted: int | None = None
    ) -> list[tuple[int, int, int]]:
        """Return the most frequent mistakes (of these classes, if given): codes true and predicted, images."""
        rows, columns, images = self._mistakes
        keep = np.ones(len(rows), bool)
        for codes, wanted in ((rows, label), (columns, predicted)):
            if wanted is not None:
                keep &= codes == wanted
        return list(zip(*(values[keep][:count].tolist() for values in (rows, columns, images)), strict=True))

    @cached_property
    def _mistakes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cells beside the diagonal, those with most images first: label, predicted and images."""
        found = [values[self.is_mistake] for values in (self.label, self.predicted, self.images)]
        order = np.argsort(-np.abs(found[2]), kind="stable")
        label, predicted, images = (values[order] for values in found)
        return label, predicted, images

    def minus(self, other: Self) -> Self:
        """Subtract the images of another confusion of the same classes; cells that do not differ are left out."""
        cells, place = np.unique(np.concatenate([self.cells, other.cells]), return_inverse=True)
        images = np.zeros(len(cells), np.int64)
        np.add.at(images, place, np.concatenate([self.images, -other.images]))
        return type(self)(self.classes, cells[images != 0], images[images != 0])

    def dense(self) -> np.ndarray:
        """Return int64 C×C, rows true: for few classes."""
        found = np.zeros(self.classes**2, np.int64)
        found[self.cells] = self.images
        return found.reshape(self.classes, self.classes)

    def _sum(self, codes: np.ndarray, which: np.ndarray | slice) -> np.ndarray:
        return np.bincount(codes[which], self.images[which], self.classes).astype(np.int64)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return part / whole
