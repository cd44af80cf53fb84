"""In which further columns of the predictions some images differ from the others. Torch-free."""

import math
from dataclasses import dataclass

import numpy as np

from sightline.run_store.comparison import holm
from sightline.run_store.predictions import REQUIRED_COLUMNS, Predictions, Words

LIKELY = 0.05  # what chance does as often as this, or more often, is no difference


@dataclass(frozen=True)
class Differing:
    """A column in which some images differ from the others.

    word: of a column of words, the one whose excess chance explains least; here and elsewhere are its shares, 0–1. None
    of a column of numbers: then they are medians. p_value: corrected for the number of words and of columns.
    """

    column: str
    word: str | None
    here: float
    elsewhere: float
    p_value: float


def find_differing(predictions: Predictions, rows: np.ndarray) -> list[Differing]:
    """Return the columns in which the images `rows` (int n) differ from all others (p < LIKELY), the surest first.

    The columns are those that are not Sightline's own. Numbers go by the Mann–Whitney test (Mann and Whitney 1947),
    two-sided; words by Fisher's exact test of each that it is more frequent among the rows, times the number of words.
    All columns together are corrected for their number (Holm 1979). Images without a value are left out.
    """
    is_in = np.zeros(len(predictions), bool)
    is_in[rows] = True
    found = [_of_numbers(name, predictions.column(name), is_in) for name in _further(predictions.numbers)]
    found += [_of_words(name, predictions.words[name], is_in) for name in _further(predictions.words)]
    known = [one for one in found if not math.isnan(one.p_value)]
    corrected = holm(np.array([one.p_value for one in known])).tolist()
    differing = [
        Differing(one.column, one.word, one.here, one.elsewhere, p)
        for one, p in zip(known, corrected, strict=True)
        if p < LIKELY
    ]
    return sorted(differing, key=lambda one: one.p_value)


def _further(names: "tuple[str, ...] | dict[str, Words]") -> list[str]:
    return [name for name in names if name not in REQUIRED_COLUMNS]


def _of_numbers(name: str, values: np.ndarray, is_in: np.ndarray) -> Differing:
    from scipy.stats import mannwhitneyu

    known = np.isfinite(values)
    here, elsewhere = (values[known & part].astype(float) for part in (is_in, ~is_in))
    if not len(here) or not len(elsewhere):
        return Differing(name, None, math.nan, math.nan, math.nan)
    p = float(mannwhitneyu(here, elsewhere, method="asymptotic").pvalue)  # NaN where all are equal
    return Differing(name, None, float(np.median(here)), float(np.median(elsewhere)), p)


def _of_words(name: str, words: Words, is_in: np.ndarray) -> Differing:
    from scipy.stats import hypergeom

    known = words.codes >= 0
    here, elsewhere = (np.bincount(words.codes[known & part], minlength=len(words.words)) for part in (is_in, ~is_in))
    if not here.sum() or not elsewhere.sum():
        return Differing(name, None, math.nan, math.nan, math.nan)
    codes, both = np.flatnonzero(here), here + elsewhere
    p = hypergeom.sf(here[codes] - 1, both.sum(), both[codes], here.sum())
    code, times = codes[np.argmin(p)], np.count_nonzero(both)
    share, other = (float(counts[code] / counts.sum()) for counts in (here, elsewhere))
    return Differing(name, words.words[code], share, other, min(1.0, float(times * p.min())))
