"""Say how far a mean over images could have come out otherwise."""

from dataclasses import dataclass

import numpy as np

DRAWS = 2000
COVERED = 0.95
DRAWN_AT_ONCE = 2**18  # values in memory


@dataclass(frozen=True)
class Figure:
    """A mean with its interval; NaN where no image counts."""

    value: float
    low: float
    high: float
    n: int  # images (or mosaics) that count


def bootstrap_mean(values: np.ndarray, seed: int = 0) -> Figure:
    """Return the mean of `values` (float N, one an image) with its 95 % percentile bootstrap interval over images.

    The interval holds the middle 95 % of the means of 2,000 samples of N images, drawn with replacement (Efron and
    Tibshirani 1993, chapter 13). NaN says that an image has no value; it is left out. The same for the same `seed`.

    >>> figure = bootstrap_mean(np.array([0.0, 1, 0, 1, np.nan]))
    >>> print(figure.value, figure.n, figure.low < 0.5 < figure.high)
    0.5 4 True
    """
    counting = values[np.isfinite(values)].astype(float)
    if not len(counting):
        return Figure(np.nan, np.nan, np.nan, 0)
    rng = np.random.default_rng(seed)
    at_once = max(1, DRAWN_AT_ONCE // len(counting))
    draws = [min(at_once, DRAWS - done) for done in range(0, DRAWS, at_once)]
    means = [counting[rng.integers(len(counting), size=(count, len(counting)))].mean(axis=1) for count in draws]
    low, high = np.quantile(np.concatenate(means), [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return Figure(float(counting.mean()), float(low), float(high), len(counting))
