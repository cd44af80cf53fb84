"""The classes of a run by how many of their images are right, and the pairs that it confuses: what tables list."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sightline.run_store.confusion import Confusion

PAIRS, MANY_PAIRS, MOST_ROWS = 8, 20, 50  # pairs beside a matrix, and in its place; classes in the table


class ClassRow(NamedTuple):
    """A class, its code and name. recall: the share of its images that is right, precision: of what is taken for it.

    Both are 0–1, NaN of nothing.
    """

    code: int
    name: str
    images: int
    right: int
    recall: float
    precision: float


def class_rows(confusion: Confusion, class_names: Sequence[str]) -> list[ClassRow]:
    """Return the classes of worst recall first, those without images last, MOST_ROWS at most."""
    order = np.argsort(confusion.recall, kind="stable")[:MOST_ROWS]
    columns = confusion.per_class("label"), confusion.hits, confusion.recall, confusion.precision
    figures = zip(*(values[order].tolist() for values in columns), strict=True)
    return [ClassRow(code, class_names[code], *row) for code, row in zip(order.tolist(), figures, strict=True)]
