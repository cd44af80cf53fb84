"""The training images behind one test image, as a run keeps them."""

from dataclasses import dataclass

import numpy as np

from sightline.run_store.culprits import Culprits, culprit_maps
from sightline.run_store.run import Run


@dataclass(frozen=True)
class Behind:
    """n training images, most similar first.

    exact: whether the head is pooling and one linear layer. maps: the pairs, float32 n×2×h×w, as `write_culprits` says;
    None where the run keeps too little to compute them.
    """

    exact: bool
    train_index: np.ndarray  # int64 n
    similarity: np.ndarray  # float32 n, −1 to 1
    maps: np.ndarray | None

    def place_of(self, train_index: int | None) -> int:
        """Return where a training image stands among these; 0 where it does not."""
        found = np.flatnonzero(self.train_index == train_index)
        return int(found[0]) if len(found) else 0


def stored_behind(run: Run, found: Culprits, image: int) -> Behind | None:
    """Return the training images behind a test image; None where nobody looked for them. Raises RunError."""
    rows = found.of(image)
    if rows.start == rows.stop:
        return None
    maps = culprit_maps(run, found)[rows].astype(np.float32)
    return Behind(found.exact, found.train_index[rows], found.similarity[rows], maps)
