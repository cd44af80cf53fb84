"""Say how alike two maps of one image are. NumPy only: the app judges maps before torch is loaded."""

import numpy as np


def pearson(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation over the cells of each pair of maps: float …×h×w twice → float64 …, −1 to 1.

    NaN where a map is constant or not finite, since then it is not defined.

    >>> ramp = np.array([[1.0, 2], [3, 4]])
    >>> print(pearson(ramp, 10 - 2 * ramp), pearson(ramp, np.ones((2, 2))))
    -1.0 nan
    """
    with np.errstate(invalid="ignore"):  # 0/0 and ∞/∞, from maps that have no correlation
        a, b = (_centred(maps) for maps in (one, other))
        result = (a * b).sum(axis=-1) / np.sqrt(np.square(a).sum(axis=-1) * np.square(b).sum(axis=-1))
    return np.clip(result, -1, 1)


def spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation, as `pearson`; equal cells share the mean of their ranks.

    >>> ramp = np.array([[1.0, 2], [3, 4]])
    >>> print(spearman(ramp, ramp**9))
    1.0
    """
    return pearson(_ranks(one), _ranks(other))


def _centred(maps: np.ndarray) -> np.ndarray:
    """Return float64 …×K with mean 0, in units of the largest value: the squares of a tiny map would underflow.

    A constant map, exactly 1 or −1 in these units, becomes exactly 0.
    """
    cells = maps.reshape(*maps.shape[:-2], -1).astype(np.float64)
    cells = cells / np.abs(cells).max(axis=-1, keepdims=True)
    return cells - cells.mean(axis=-1, keepdims=True)


def _ranks(maps: np.ndarray) -> np.ndarray:
    """Return float64 …×1×K, the rank of every cell in its map from 1 on; NaN where the map is not finite."""
    cells = maps.reshape(*maps.shape[:-2], 1, -1)
    return np.apply_along_axis(_ranks_of_one, -1, cells)


def _ranks_of_one(cells: np.ndarray) -> np.ndarray:
    if not np.isfinite(cells).all():
        return np.full(cells.shape, np.nan)
    _, place, counts = np.unique(cells, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[place]
