"""Images that a model sees as alike."""

import numpy as np


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Scale rows, N×D, to length 1, float32: the cosine of two is their product. Rows without a direction become 0."""
    rows = np.array(features, np.float32)  # changed in place: there may be 256 MB of them
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    usable = np.isfinite(lengths) & (lengths > 0)
    rows[~usable] = 0
    rows /= np.where(usable, lengths, 1)[:, None]
    return rows


def nearest(units: np.ndarray, direction: np.ndarray, count: int) -> np.ndarray:
    """Return the rows (int64) with the `count` largest cosines to `direction`, largest first; ties by row."""
    # Not `units @ direction`: the threads of a BLAS library wait for each other for ten times as long as they compute.
    cosines = np.einsum("nd,d->n", units, direction)
    count = min(count, len(cosines))
    found = np.argpartition(-cosines, count - 1)[:count] if count else np.zeros(0, np.int64)
    return found[np.lexsort((found, -cosines[found]))]
