"""Whether a run's confidences can be taken at their word: reliability, calibration error, accuracy by coverage."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

BINS = 10  # of equal width
RESAMPLES, SEED = 2000, 0
STEPS = 100  # of coverage, between which a threshold is chosen


@dataclass(frozen=True)
class Bin:
    """The images whose confidence is above `low` and at most `high`, both 0–1: at least one.

    right: how many of them are; confidence: their mean one.
    """

    low: float
    high: float
    images: int
    right: int
    confidence: float

    @property
    def accuracy(self) -> float:
        """The share that is right, 0–1."""
        return self.right / self.images


@dataclass(frozen=True)
class Kept:
    """What is left of the images where those of a confidence up to `threshold` are put aside: at least one image."""

    threshold: float
    kept: int
    below: int
    right: int  # of those kept

    @property
    def coverage(self) -> float:
        """The share of the images that is kept, 0–1."""
        return self.kept / (self.kept + self.below)

    @property
    def accuracy(self) -> float:
        """The share of those kept that is right, 0–1."""
        return self.right / self.kept


@dataclass(frozen=True)
class Calibration:
    """N images, at least one, with the predicted class's confidence (float N, 0–1) and whether it is right (bool N).

    Confidence is sorted, the surest last.
    """

    confidence: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, confidence: np.ndarray, right: np.ndarray) -> "Calibration | None":
        """Return that of the images whose confidence is known; None where none is."""
        known = np.flatnonzero(np.isfinite(confidence))
        order = known[np.argsort(confidence[known], kind="stable")]
        return cls(confidence[order], right[order]) if len(order) else None

    def __len__(self) -> int:
        return len(self.confidence)

    @property
    def says(self) -> float:
        """The mean confidence, 0–1."""
        return float(self.confidence.mean(dtype=np.float64))

    @property
    def accuracy(self) -> float:
        """The share that is right, 0–1."""
        return float(self.right.mean())

    @cached_property
    def bins(self) -> tuple[Bin, ...]:
        """The bins that hold images, as in the reliability diagram of Guo et al. 2017: BINS of equal width."""
        images, right, says = (self._sums(values) for values in (None, self.right, self.confidence))
        return tuple(
            Bin(place / BINS, (place + 1) / BINS, int(images[place]), round(right[place]), says[place] / images[place])
            for place in np.flatnonzero(images).tolist()
        )

    @cached_property
    def error(self) -> float:
        """The expected calibration error, 0–1: how far confidence and accuracy lie apart in a bin, by its images.

        Σ n/N · |accuracy − mean confidence| over the bins (Naeini et al. 2015; Guo et al. 2017, equation 3). It is 0
        where, of what is said with 80 %, 80 % are right; chance alone makes it larger, see `by_chance`.
        """
        return float(np.abs(self._sums(self._gaps)).sum()) / len(self)

    @cached_property
    def by_chance(self) -> float:
        """How large an error chance makes in 19 of 20 runs on these images whose confidences are right, 0–1."""
        p = self.confidence.astype(np.float64)
        spread = np.sqrt(self._sums(p * (1 - p)).clip(min=0))  # of a bin's sum of coins that fall right as they say
        errors = np.abs(np.random.default_rng(SEED).standard_normal((RESAMPLES, BINS)) * spread).sum(axis=1) / len(self)
        return float(np.quantile(errors, 0.95))

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the error, 0–1: bootstrap, RESAMPLES resamples of the images in these bins.

        The sums of the bins of a resample are drawn from the normal distribution that they have for many images, with
        the mean and covariance of resampling, so that a million images take no longer than a thousand. Ends: the basic
        bootstrap's (Davison and Hinkley 1997, 5.6), since resamples have the bias of the error once more. Where the
        error is not larger than chance makes it, the lower end is 0.
        """
        sums, squares = self._sums(self._gaps), self._sums(self._gaps**2)
        spread, axes = np.linalg.eigh(np.diag(squares) - np.outer(sums, sums) / len(self))
        noise = np.random.default_rng(SEED).standard_normal((RESAMPLES, BINS))
        resampled = sums + (noise * np.sqrt(spread.clip(min=0))) @ axes.T
        low, high = np.quantile(np.abs(resampled).sum(axis=1) / len(self), (0.025, 0.975))
        lower = 0.0 if self.error <= self.by_chance else max(0.0, 2 * self.error - float(high))
        return min(lower, self.error), min(1.0, max(self.error, 2 * self.error - float(low)))

    def keep_above(self, threshold: float) -> Kept | None:
        """Return what is kept of a threshold; None where that is nothing."""
        below = int(np.searchsorted(self.confidence, self.confidence.dtype.type(threshold), side="right"))
        if below == len(self):
            return None
        return Kept(threshold, len(self) - below, below, int(self._right_from[below]))

    @cached_property
    def coverages(self) -> tuple[Kept, ...]:
        """Accuracy against coverage (El-Yaniv and Wiener 2010; Geifman and El-Yaniv 2017), fewest images first.

        The last puts nothing aside, the others at most STEPS thresholds of few digits, each another number of images.
        """
        places = np.unique(np.arange(STEPS) * len(self) // STEPS)
        thresholds = (_few_digits(confidence) for confidence in self.confidence[places].tolist())
        found = {kept.kept: kept for kept in map(self.keep_above, thresholds) if kept}
        everything = Kept(0.0, len(self), 0, int(self.right.sum()))
        return tuple((found | {len(self): everything})[images] for images in sorted({*found, len(self)}))

    @cached_property
    def _right_from(self) -> np.ndarray:
        """How many images are right from each place on, int64 N."""
        return np.cumsum(self.right[::-1])[::-1]

    @cached_property
    def _gaps(self) -> np.ndarray:
        return self.right - self.confidence.astype(np.float64)

    def _sums(self, values: np.ndarray | None) -> np.ndarray:
        """Sum values (N) in each bin, or count its images, float64 BINS."""
        return np.bincount(self._places, values, minlength=BINS).astype(np.float64)

    @cached_property
    def _places(self) -> np.ndarray:
        edges = np.arange(1, BINS) / BINS
        return np.searchsorted(edges.astype(self.confidence.dtype), self.confidence)


def _few_digits(confidence: float) -> float:
    """Return the next higher confidence whose distance from 1 has three digits: it stands in an address.

    >>> _few_digits(0.71326), _few_digits(0.99991237)
    (0.714, 0.9999124)
    """
    rest = 1 - confidence
    if rest <= 0:
        return confidence
    digits = min(2 - math.floor(math.log10(rest)), 12)  # the address has no more
    return round(1 - math.floor(rest * 10**digits) / 10**digits, digits)
