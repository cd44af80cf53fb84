"""Exact tests of counts: does one group of images err more often than others?"""

from collections.abc import Iterable

import numpy as np

Stratum = tuple[int, int, int, int]  # images of the group, mistakes among them; other images, mistakes among those


def more_mistakes_p(strata: Iterable[Stratum]) -> float:
    """Return the one-sided p-value, 0–1, of the group's mistakes, given how many there are in each stratum.

    Where a stratum has so many mistakes, and they fall on its images by chance, those of the group are
    hypergeometric, and their sum over the strata is compared with the one found. One stratum: Fisher's exact test
    (Fisher 1935). Several: the exact form of the test of Mantel and Haenszel (Birch 1964).

    >>> print(f"{more_mistakes_p([(4, 3, 4, 1)]):.4f}")  # the lady who tastes tea: 17/70
    0.2429
    """
    from scipy.stats import hypergeom  # takes a second

    chances, least, found = np.ones(1), 0, 0  # of least, least + 1, … mistakes in the group
    for images, mistakes, others, their_mistakes in strata:
        every, wrong = images + others, mistakes + their_mistakes
        low, high = max(0, images + wrong - every), min(images, wrong)
        chances = np.convolve(chances, hypergeom.pmf(np.arange(low, high + 1), every, wrong, images))
        least, found = least + low, found + mistakes
    return float(min(1.0, chances[found - least :].sum()))
