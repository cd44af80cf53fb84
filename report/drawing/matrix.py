"""The confusion matrix: what stands in its cells, and the element that draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sightline.report.drawing.element import element
from sightline.run_store.confusion import Confusion

MATRIX = element(__file__, '<div class="matrix"></div>\n')
MOST_DRAWN = 100  # classes: a matrix of more has cells too small to be told apart


@dataclass(frozen=True)
class Cells:
    """What stands in the cells of a matrix of C classes.

    images: “true predicted images” of each cell that has any, codes of the classes, all in one text, which costs a
    click less than numbers do. support: images of each true class, of which shares are, C. is_difference: how many
    images more than in another run.
    """

    images: str
    support: tuple[int, ...]
    is_difference: bool = False


def confusion_cells(confusion: Confusion) -> Cells:
    """Write the cells of a confusion."""
    return Cells(_in_one_text(confusion), tuple(confusion.per_class("label").tolist()))


def difference_cells(difference: Confusion, support: np.ndarray) -> Cells:
    """Write the cells of a difference of two confusions; support: images of each true class, int C."""
    return Cells(_in_one_text(difference), tuple(support.tolist()), is_difference=True)


def _in_one_text(confusion: Confusion) -> str:
    table = np.column_stack([confusion.label, confusion.predicted, confusion.images])
    return " ".join(map(str, table.ravel().tolist()))


def matrix(
    cells: Cells,
    class_names: Sequence[str],
    *,
    selected: tuple[int, int] = (-1, -1),
    title: str = "",
    leads: bool = True,
) -> dict[str, Any]:
    """Return what the browser needs. selected: codes of the true and the predicted class, −1: none.

    title: a matrix without one is large. leads: whether a click on a cell leads to its images.
    """
    return {
        "names": tuple(class_names),
        "cells": cells.images,
        "support": cells.support,
        "difference": cells.is_difference,
        "selected": selected,
        "title": title,
        "label": "Confusion matrix: rows are true classes, columns predicted ones",
        "large": not title,
        "leads": leads,
    }
