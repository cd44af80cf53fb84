"""What the selection means in one run: the rows of the current set, its page and its primary image."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sightline.report.address.selection import Selection
from sightline.run_store.predictions import Predictions

PAGE_SIZE = 24  # images, unless the screen holds more


@dataclass(frozen=True)
class CurrentSet:
    """The images that pass, int64, in order; row i is image i of the test split.

    The page is the one that the primary image stands on; while it is outside the set, the first one.
    """

    rows: np.ndarray
    image: int | None  # the primary image; None only when the set is empty and none was chosen
    page_size: int = PAGE_SIZE

    @cached_property
    def position(self) -> int | None:
        """Where the primary image stands in the set; None when it is outside."""
        found = np.flatnonzero(self.rows == self.image)
        return int(found[0]) if len(found) else None

    @property
    def page(self) -> int:
        """The number of the page, from 1."""
        return (self.position or 0) // self.page_size + 1

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-len(self.rows) // self.page_size))

    @property
    def page_rows(self) -> np.ndarray:
        """The rows of the page."""
        start = (self.page - 1) * self.page_size
        return self.rows[start : start + self.page_size]

    def neighbour(self, step: int) -> int | None:
        """Return the image `step` places on; None past the ends of the set. From outside the set: its first image."""
        return self._at(0 if self.position is None else self.position + step)

    def turned(self, step: int) -> int | None:
        """Return the first image of the next page (step 1) or of the previous one (step -1), if any."""
        return self._at((self.page - 1 + step) * self.page_size)

    def beside_page(self, step: int) -> int | None:
        """Return the image right after this page (step 1), or right before it (step -1); None where there is none."""
        return self._at(self.page * self.page_size if step > 0 else (self.page - 1) * self.page_size - 1)

    def _at(self, place: int) -> int | None:
        return int(self.rows[place]) if 0 <= place < len(self.rows) else None


def current_set(predictions: Predictions, selection: Selection, page_size: int = PAGE_SIZE) -> CurrentSet:
    """Return what passes the filters, in the chosen order."""
    rows = predictions.select(selection.filter(predictions.class_names), selection.order)
    return place_in(rows, selection, len(predictions), page_size)


def place_in(rows: np.ndarray, selection: Selection, images: int, page_size: int = PAGE_SIZE) -> CurrentSet:
    """Find the chosen image and its page in `rows`, out of so many images.

    An image past the end counts as none chosen.
    """
    image = selection.image if selection.image is not None and selection.image < images else None
    if image is None and len(rows):
        image = int(rows[0])
    return CurrentSet(rows, image, page_size)
