"""The statistics of the benchmarks' own."""

import numpy as np
import pytest

from benchmarks.shortcut_methods import permutation_p


@pytest.mark.parametrize(
    ("honest", "shortcut", "expected"),
    [
        ([0, 1], [2, 3], 1 / 6),  # of six pairs, only {2, 3} sums to 5
        ([0, 3], [1, 2], 4 / 6),  # {1, 2}, {0, 3}, {1, 3}, {2, 3} sum to 3 or more
        ([1, 1, 1], [1, 1, 1], 1),
    ],
)
def test_the_permutation_test_counts_the_ways_that_are_as_extreme(honest, shortcut, expected):
    assert permutation_p(np.array(honest, float), np.array(shortcut, float)) == pytest.approx(expected)
