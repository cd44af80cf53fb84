"""Columns in which a set of images differs: what SciPy's own tests say of them, and nothing of what chance does."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import fisher_exact, mannwhitneyu

from sightline.explain.why.differing import find_differing
from sightline.run_store.predictions import Predictions
from sightline.run_store.predictions_file import predictions_table

IMAGES, ROWS = 60, np.arange(20)


def with_columns(**columns):
    logits = np.eye(2, dtype=np.float32)[np.arange(IMAGES) % 2]
    table = predictions_table(logits, np.zeros(IMAGES, int))
    names = [name for name in table.column_names if name != "probabilities"]
    return Predictions(("a", "b"), table.select(names), None).with_columns(
        {name: pa.array(values) for name, values in columns.items()}
    )


def test_a_word_that_is_more_frequent_is_found_by_fishers_exact_test():
    left = ["left"] * 18 + ["right"] * 2 + ["left"] * 10 + ["right"] * 30
    (found,) = find_differing(with_columns(camera=left), ROWS)
    expected = 2 * fisher_exact([[18, 2], [10, 30]], "greater").pvalue  # of two words
    assert (found.column, found.word, found.here, found.elsewhere) == ("camera", "left", 0.9, 0.25)
    assert found.p_value == pytest.approx(expected)


def test_numbers_that_differ_are_found_by_the_mann_whitney_test():
    values = np.concatenate([np.arange(20) + 50.0, np.arange(40)])
    (found,) = find_differing(with_columns(brightness=values), ROWS)
    assert (found.word, found.here, found.elsewhere) == (None, 59.5, 19.5)
    assert found.p_value == pytest.approx(mannwhitneyu(values[:20], values[20:], method="asymptotic").pvalue)


def test_every_further_column_costs_each_of_the_others_some_certainty():
    left = ["left"] * 18 + ["right"] * 2 + ["left"] * 10 + ["right"] * 30
    alone = find_differing(with_columns(camera=left), ROWS)[0].p_value
    found = find_differing(with_columns(camera=left, day=np.arange(IMAGES) % 7, night=np.arange(IMAGES) % 5), ROWS)
    assert [one.column for one in found] == ["camera"] and found[0].p_value == pytest.approx(3 * alone)


def test_the_surest_difference_comes_first():
    left = ["left"] * 16 + ["right"] * 4 + ["left"] * 12 + ["right"] * 28
    found = find_differing(with_columns(camera=left, brightness=np.arange(IMAGES)), ROWS)
    assert [one.column for one in found] == ["brightness", "camera"]


def test_images_without_a_value_are_left_out_and_columns_without_any_are_no_difference():
    values = np.concatenate([np.arange(20) + 50.0, np.arange(40)])
    values[::2] = np.nan
    nothing = pa.array([None] * IMAGES, pa.string())
    found = find_differing(with_columns(brightness=values, nothing=nothing, same=np.zeros(IMAGES)), ROWS)
    half = values[1::2]
    p = mannwhitneyu(half[:10], half[10:], method="asymptotic").pvalue
    assert [one.column for one in found] == ["brightness"] and p < found[0].p_value <= 2.0001 * p


def test_the_figures_of_the_prediction_are_no_columns_that_differ():
    assert find_differing(with_columns(), ROWS) == []


def test_columns_that_have_nothing_to_do_with_the_images_are_seldom_found(random_numbers):
    found = 0
    for _ in range(100):
        columns = {"number": random_numbers.normal(size=IMAGES), "word": random_numbers.choice(list("abc"), IMAGES)}
        found += bool(find_differing(with_columns(**columns), ROWS))
    assert found <= 12  # of 100, where 5 are to be expected: more happen once in 500 times
