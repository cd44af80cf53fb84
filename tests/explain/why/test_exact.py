"""Exact tests of counts against SciPy's, and against sums that are written out."""

from itertools import product
from math import comb, isclose

import numpy as np
import pytest
from scipy.stats import fisher_exact, kstest

from sightline.explain.why.exact import more_mistakes_p


@pytest.mark.parametrize(
    "images, mistakes, others, theirs", [(4, 3, 4, 1), (30, 20, 50, 12), (7, 0, 9, 9), (5, 5, 3, 0)]
)
def test_one_stratum_is_fishers_exact_test(images, mistakes, others, theirs):
    table = [[mistakes, images - mistakes], [theirs, others - theirs]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert more_mistakes_p([(images, mistakes, others, theirs)]) == pytest.approx(expected)


def test_several_strata_sum_over_all_tables_with_their_margins():
    strata = [(3, 2, 4, 1), (2, 2, 5, 2), (4, 1, 2, 1)]
    found = sum(mistakes for _, mistakes, _, _ in strata)
    chance = 0.0
    for mistakes in product(*(range(images + 1) for images, *_ in strata)):
        if sum(mistakes) >= found:
            ways = [
                comb(images, k) * comb(others, wrong + theirs - k) / comb(images + others, wrong + theirs)
                for k, (images, wrong, others, theirs) in zip(mistakes, strata, strict=True)
                if wrong + theirs >= k
            ]
            chance += float(np.prod(ways)) * (len(ways) == len(strata))
    assert isclose(more_mistakes_p(strata), chance)


def test_a_stratum_without_others_or_without_mistakes_says_nothing():
    alone, faultless = (5, 4, 0, 0), (6, 0, 9, 0)
    assert more_mistakes_p([alone, faultless]) == pytest.approx(1)
    assert more_mistakes_p([(4, 3, 4, 1), alone, faultless]) == pytest.approx(17 / 70)


def test_a_class_that_is_hard_as_a_whole_explains_its_group():
    """In either class the group errs as often as the others; it holds more of the hard one."""
    strata = [(40, 32, 10, 8), (10, 1, 90, 9)]
    together = tuple(map(sum, zip(*strata, strict=True)))
    assert more_mistakes_p([together]) < 1e-8 and more_mistakes_p(strata) > 0.4


def test_p_values_are_uniform_where_mistakes_fall_by_chance():
    """Randomised within what is found, as a test of counts must be, or it would only be at most uniform."""
    rng = np.random.default_rng(0)
    strata, p_values = [(20, 30), (10, 60)], []  # images of the group, and others
    for _ in range(400):
        wrong = [rng.hypergeometric(12, images + others - 12, images) for images, others in strata]
        tables = [(n, int(k), others, 12 - int(k)) for (n, others), k in zip(strata, wrong, strict=True)]
        at_least = more_mistakes_p(tables)
        more = _more_than_found(tables)
        p_values.append(more + rng.random() * (at_least - more))
    assert kstest(p_values, "uniform").pvalue > 0.05


def _more_than_found(tables):
    """P(more than found): that of a table with one mistake more, in whichever stratum has room for it."""
    for place, (images, mistakes, others, theirs) in enumerate(tables):
        if mistakes < images and theirs:
            moved = [*tables]
            moved[place] = (images, mistakes + 1, others, theirs - 1)
            return more_mistakes_p(moved)
    return 0.0
