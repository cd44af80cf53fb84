"""Say how far a mean over images could have come out otherwise, however often one has looked. Torch-free.

Who looks often, and stops when the answer pleases, is wrong more often than one look would be. So the 5 % of error
that all looks may make together are divided among them (an error-spending plan: Lan and DeMets 1983): a sixth for each
of the first five, then always half of what is left. With 95 % probability the intervals of all looks hold the truth at
once, whenever one stops, and also when more images are asked for later. A last look between two of them (at 120 images,
say) spends the share of the next one; whoever then asks for 130, 140 and so on spends it again each time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

ERROR = 0.05  # of all looks together
LOOKS = (25, 50, 100, 250, 500)  # images; every later look is at twice as many as the one before
PLANNED_SHARE = 1 / (len(LOOKS) + 1)  # of the error, for each of LOOKS


@dataclass(frozen=True)
class Figure:
    """A mean over `n` images (or mosaics) that count, and its interval at the confidence level of this look.

    value is NaN where no image counts, low and high where fewer than two do.
    """

    value: float
    low: float
    high: float
    n: int
    level: float


def looks(images: int) -> Iterator[int]:
    """Yield how many images are measured at each look, at last `images`.

    >>> list(looks(120)), list(looks(1200))
    ([25, 50, 100, 120], [25, 50, 100, 250, 500, 1000, 1200])
    """
    for end in _ends():
        yield min(end, images)
        if end >= images:
            return


def level_of(images: int) -> float:
    """Return the confidence level of the interval at the look at which so many images are measured, 0–1.

    >>> print(f"{level_of(25):.4f} {level_of(500):.4f} {level_of(1000):.4f}")
    0.9917 0.9917 0.9958
    """
    place = next(place for place, end in enumerate(_ends()) if end >= images)
    return 1 - ERROR * PLANNED_SHARE / 2 ** max(0, place + 1 - len(LOOKS))


def may_decide(images: int) -> bool:
    """Tell whether the look at so many images may end the measuring: every one but the first.

    The interval supposes a mean that is normally distributed, which that of 25 skewed values is not quite.
    """
    return images >= LOOKS[1]


def _ends() -> Iterator[int]:
    yield from LOOKS
    end = LOOKS[-1]
    while True:
        end *= 2
        yield end


def mean_figure(values: np.ndarray, level: float) -> Figure:
    """Return the mean of `values` (float N, one an image) with Student's t interval at `level`.

    NaN says that an image has no value; it is left out.

    >>> figure = mean_figure(np.array([0.0, 1, 0, 1, np.nan]), level=0.95)
    >>> print(figure.value, figure.n, f"{figure.low:.2f} {figure.high:.2f}")  # 3.18 standard errors of 0.289
    0.5 4 -0.42 1.42
    """
    counting = values[np.isfinite(values)].astype(float)
    n = len(counting)
    if not n:
        return Figure(np.nan, np.nan, np.nan, 0, level)
    mean = float(counting.mean())
    half = _quantile(n, level) * float(counting.std(ddof=1)) / n**0.5 if n > 1 else np.nan
    return Figure(mean, mean - half, mean + half, n, level)


def widening(n: int, level: float, comparisons: int) -> float:
    """Return by how much an interval grows where `comparisons` of them shall hold at once (Bonferroni's correction).

    n: images. level: that of the interval as it is.

    >>> print(f"{widening(500, 0.95, comparisons=20):.2f}")  # from 1.96 to 3.04 standard errors
    1.55
    """
    return _quantile(n, 1 - (1 - level) / comparisons) / _quantile(n, level)


@lru_cache(4096)
def _quantile(n: int, level: float) -> float:
    """Return how many standard errors of the mean of n values lie on each side of it."""
    from scipy.special import stdtrit  # takes a quarter of a second, which no first page waits for

    return float(stdtrit(n - 1, 1 - (1 - level) / 2))
