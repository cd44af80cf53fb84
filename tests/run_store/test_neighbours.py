"""Nearest images by the cosine of their features, by hand."""

import numpy as np
import pytest

from sightline.run_store.neighbours import nearest, unit_rows

FEATURES = np.array([[3, 4], [0, 2], [-3, -4], [4, 3], [0, 0], [6, 8], [np.inf, 1], [np.nan, 1]], np.float16)


def test_rows_have_length_one_or_zero():
    units = unit_rows(FEATURES)
    np.testing.assert_allclose(units[0], [0.6, 0.8], atol=1e-6)
    assert units[4].tolist() == units[6].tolist() == units[7].tolist() == [0, 0]
    assert units.dtype == np.float32


def test_the_nearest_come_first_and_ties_by_row():
    units = unit_rows(FEATURES)
    # cosines to row 0: 1, 0.8, -1, 0.96, 0, 1, 0, 0
    assert nearest(units, units[0], 4).tolist() == [0, 5, 3, 1]
    assert nearest(units, units[0], 100).tolist() == [0, 5, 3, 1, 4, 6, 7, 2]


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows_are_enough(count):
    assert nearest(unit_rows(FEATURES[:count]), np.array([1, 0], np.float32), 3).tolist() == list(range(count))
