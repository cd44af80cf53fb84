"""The interval of a mean: what it covers, and what counts."""

import numpy as np
import pytest

from sightline.explain.judging.bootstrap import bootstrap_mean


def test_values_that_all_agree_leave_no_doubt():
    figure = bootstrap_mean(np.full(20, 0.25))
    assert (figure.value, figure.low, figure.high, figure.n) == (0.25, 0.25, 0.25, 20)


def test_the_interval_is_that_of_the_normal_distribution_where_there_are_many_values(random_numbers):
    values = random_numbers.normal(3, 2, 1000)
    figure = bootstrap_mean(values)
    half = 1.96 * values.std() / np.sqrt(1000)
    assert figure.value == pytest.approx(values.mean())
    # The end of an interval from 2,000 draws has a standard error of 0.03 halves: √(0.025·0.975/2000)/φ(1.96)/1.96.
    assert (figure.low, figure.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.12 * half)


def test_about_nineteen_of_twenty_intervals_hold_the_truth(random_numbers):
    figures = [bootstrap_mean(random_numbers.uniform(0, 1, 40), seed) for seed in range(100)]
    assert 88 <= sum(figure.low <= 0.5 <= figure.high for figure in figures) <= 99


def test_an_image_without_a_value_does_not_count():
    figure = bootstrap_mean(np.array([1.0, np.nan, 3.0]))
    assert (figure.value, figure.n) == (2, 2)
    assert (figure.low, figure.high) == (1, 3)


def test_no_values_are_no_figure():
    figure = bootstrap_mean(np.array([np.nan]))
    assert figure.n == 0 and np.isnan([figure.value, figure.low, figure.high]).all()
