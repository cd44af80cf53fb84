"""What the selection means in one run: the rows of the current set, its page and its primary image."""

from dataclasses import dataclass, replace

import numpy as np

from app.state import Selection
from run_store.predictions import Predictions

PAGE_SIZE = 24


@dataclass(frozen=True)
class CurrentSet:
    """rows: int64, all images of the set in order; row i is image i of the test split."""

    rows: np.ndarray
    page: int  # from 1
    image: int | None  # the primary image; None only when the set is empty and none was chosen

    @property
    def pages(self) -> int:
        return max(1, -(-len(self.rows) // PAGE_SIZE))

    @property
    def page_rows(self) -> np.ndarray:
        return self.rows[(self.page - 1) * PAGE_SIZE : self.page * PAGE_SIZE]

    @property
    def position(self) -> int | None:
        """Where the primary image stands in the set; None when it is outside."""
        found = np.flatnonzero(self.rows == self.image)
        return int(found[0]) if len(found) else None

    def neighbour(self, step: int) -> int | None:
        """The image `step` places on; None past the ends of the set. From outside the set: its first image."""
        position = self.position
        target = 0 if position is None else position + step
        return int(self.rows[target]) if 0 <= target < len(self.rows) else None

    def beside_page(self, step: int) -> int | None:
        """The first image after this page (step 1), or the last before it (step -1)."""
        target = self.page * PAGE_SIZE if step > 0 else (self.page - 1) * PAGE_SIZE - 1
        return int(self.rows[target]) if 0 <= target < len(self.rows) else self.image


def current_set(predictions: Predictions, selection: Selection) -> CurrentSet:
    """What passes the filters, in the chosen order."""
    rows = predictions.select(selection.filter(predictions.class_names), selection.order)
    return place_in(rows, selection, len(predictions))


def place_in(rows: np.ndarray, selection: Selection, images: int) -> CurrentSet:
    """The chosen page and image of `rows`, out of so many images.

    A page past the end is the last one; an image past the end counts as none chosen.
    """
    image = selection.image if selection.image is not None and selection.image < images else None
    page = selection.page
    if page is None:
        position = CurrentSet(rows, 1, image).position
        page = 1 if position is None else position // PAGE_SIZE + 1
    current = CurrentSet(rows, page, image)
    current = replace(current, page=min(page, current.pages))
    return current if image is not None or not len(rows) else replace(current, image=int(current.page_rows[0]))
