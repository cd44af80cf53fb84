"""The interval of a mean: what it covers, however often one looks."""

import numpy as np
import pytest

from sightline.explain.judging.intervals import ERROR, LOOKS, level_of, looks, mean_figure, widening


def test_the_interval_is_that_of_student(random_numbers):
    values = random_numbers.normal(3, 2, 12)
    figure = mean_figure(values, 0.99)
    half = 3.10581 * values.std(ddof=1) / np.sqrt(12)  # the quantile for 11 degrees of freedom, from a table
    assert (figure.low, figure.high) == pytest.approx((values.mean() - half, values.mean() + half), rel=1e-5)
    assert (figure.value, figure.n, figure.level) == (pytest.approx(values.mean()), 12, 0.99)


def test_values_that_all_agree_leave_no_doubt():
    figure = mean_figure(np.full(20, 0.25), 0.95)
    assert (figure.value, figure.low, figure.high, figure.n) == (0.25, 0.25, 0.25, 20)


def test_an_image_without_a_value_does_not_count():
    figure = mean_figure(np.array([1.0, np.nan, 3.0]), 0.95)
    assert (figure.value, figure.n) == (2, 2)
    assert (figure.low, figure.high) == pytest.approx((2 - 12.706, 2 + 12.706), abs=1e-3)  # one degree of freedom


def test_one_value_has_no_interval_and_none_is_no_figure():
    alone, none = mean_figure(np.array([0.5]), 0.95), mean_figure(np.array([np.nan]), 0.95)
    assert (alone.value, alone.n) == (0.5, 1) and np.isnan([alone.low, alone.high]).all()
    assert none.n == 0 and np.isnan([none.value, none.low, none.high]).all()


@pytest.mark.parametrize("images", [3, 25, 120, 500, 501, 9_999])
def test_the_looks_at_a_sample_end_with_all_of_it_and_spend_no_more_error_than_there_is(images):
    ends = list(looks(images))
    assert (
        ends[-1] == images
        and ends == sorted(set(ends))
        and set(ends[:-1]) <= {25, 50, 100, 250, 500, 1000, 2000, 4000, 8000}
    )
    assert sum(1 - level_of(end) for end in ends) < ERROR


def test_whoever_looks_again_and_again_is_wrong_in_one_of_twenty_cases_at_most(random_numbers):
    """And would be in many more with the intervals of a single look. The values are skewed, and their mean is 2/7."""

    def missed(level):
        """Tell for each of 200 samples whether some look's interval does not hold the mean."""
        times = 0
        for _ in range(200):
            values = random_numbers.beta(2, 5, LOOKS[-1])
            figures = [mean_figure(values[:end], level or level_of(end)) for end in LOOKS]
            times += any(not figure.low <= 2 / 7 <= figure.high for figure in figures)
        return times / 200

    assert missed(None) <= 0.06 < 0.10 < missed(0.95)


def test_twenty_intervals_at_once_are_wider():
    """1.96 standard errors become those of 1 − 0.05/20: 3.023, of the normal distribution."""
    assert widening(10**6, 0.95, comparisons=20) == pytest.approx(3.0233 / 1.9600, abs=1e-4)
    assert widening(30, 0.95, comparisons=1) == 1
