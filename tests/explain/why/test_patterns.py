"""Patterns of constructed features: those that were put there are found, and where nothing was put nothing is."""

from dataclasses import replace

import numpy as np
import pytest

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.why.patterns import SIGNIFICANT, divide_images, judge_groups
from sightline.explain.why.space import nearest_pattern
from sightline.run_store.patterns import TESTED, Attended

IMAGES, BLOBS, WIDTH = 1000, 10, 24


@pytest.fixture(scope="module")
def features():
    """Images round ten places, far apart: of image i, place i mod 10."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(BLOBS, WIDTH))
    return (places[np.arange(IMAGES) % BLOBS] + 0.2 * rng.normal(size=(IMAGES, WIDTH))).astype(np.float32)


@pytest.fixture(scope="module")
def division(features):
    return divide_images(features, 10)


def place(rows):
    return np.asarray(rows) % BLOBS


def nowhere(rows):
    return Attended((0, 0, 0), 0, 0, (0.5, 0.5), 0)


def test_the_halves_are_as_large_and_the_groups_hold_one_place_each(division):
    assert np.bincount(division.half).tolist() == [IMAGES / 2, IMAGES / 2]
    for group in range(len(division.space.centres)):
        assert len({*place(np.flatnonzero(division.group == group)).tolist()}) == 1


def test_the_other_half_has_no_say_in_the_groups(features, division):
    changed = features.copy()
    changed[division.half == TESTED] = 1e3
    assert np.array_equal(divide_images(changed, 10).space.centres, division.space.centres)


def test_the_division_is_always_the_same(features, division):
    again = divide_images(features, 10)
    assert np.array_equal(again.group, division.group) and np.array_equal(again.stability, division.stability)


def test_a_place_with_more_mistakes_is_a_pattern_and_nothing_else_is(division):
    rng = np.random.default_rng(1)
    wrong = rng.random(IMAGES) < np.where(place(range(IMAGES)) == 3, 0.8, 0.1)
    predicted = rng.integers(0, 4, IMAGES)  # has nothing to do with it
    predicted[wrong & (place(range(IMAGES)) == 3)] = 2
    seen = []
    patterns, space = judge_groups(division, predicted, wrong, lambda rows: seen.append(rows) or nowhere(rows))
    assert patterns and {one.kind for one in patterns} == {"pattern"} and {one.taken_for for one in patterns} == {2}
    for one, rows in zip(patterns, seen, strict=True):
        assert {*place(rows).tolist()} == {3} and one.images == len(rows)
        tested = rows[division.half[rows] == TESTED]
        assert (one.tested, one.mistakes) == (len(tested), wrong[tested].sum())
        rest = np.setdiff1d(np.flatnonzero(division.half == TESTED), tested)
        assert one.rest_rate == pytest.approx(wrong[rest].mean()) and one.low < one.error_rate < one.high
    assert sorted(space.numbers[space.numbers > 0].tolist()) == [one.number for one in patterns]


def test_a_class_that_is_hard_wherever_is_told_apart(division):
    """Two places are mostly taken for class 0, of which 70 % are mistakes there and everywhere."""
    rng = np.random.default_rng(2)
    is_there = np.isin(place(range(IMAGES)), (3, 5))
    predicted = np.where(rng.random(IMAGES) < np.where(is_there, 0.9, 0.05), 0, rng.integers(1, 4, IMAGES))
    wrong = rng.random(IMAGES) < np.where(predicted == 0, 0.7, 0.05)
    patterns, _ = judge_groups(division, predicted, wrong, nowhere)
    assert patterns and {one.kind for one in patterns} == {"hard class"}
    assert all(one.p_value < SIGNIFICANT <= one.p_same_classes for one in patterns)
    assert all(one.same_classes_rate > one.rest_rate for one in patterns)


def test_without_others_of_its_classes_a_group_is_a_hard_class_with_no_rate(division):
    predicted = place(range(IMAGES))
    wrong = np.random.default_rng(3).random(IMAGES) < np.where(predicted == 3, 0.8, 0.1)
    alone = divide_images_of_places(division)
    (one,), _ = judge_groups(alone, predicted, wrong, nowhere)
    assert one.kind == "hard class" and one.p_same_classes == 1 and np.isnan(one.same_classes_rate)


def divide_images_of_places(division):
    """The same, with a group for each place."""
    space = replace(division.space, numbers=np.zeros(BLOBS, np.int64))
    return replace(division, space=space, group=place(range(IMAGES)), stability=np.ones(BLOBS))


def test_the_strongest_has_most_mistakes_beyond_the_rest_and_patterns_go_before_hard_classes(division):
    rng = np.random.default_rng(4)
    places = place(range(IMAGES))
    rates = np.select([places == 1, places == 2, places == 3], [0.95, 0.6, 0.8], 0.1)
    predicted = rng.integers(1, 4, IMAGES)
    predicted[places == 1] = 0  # and nothing else: the strongest of all, and a hard class
    patterns, space = judge_groups(divide_images_of_places(division), predicted, rng.random(IMAGES) < rates, nowhere)
    assert [(one.number, one.kind) for one in patterns] == [(1, "pattern"), (2, "pattern"), (3, "hard class")]
    assert space.numbers.tolist() == [0, 3, 2, 1, *[0] * 6]


def test_p_values_are_those_of_chance_where_mistakes_have_nothing_to_do_with_attention(division):
    """By their smallest corrected value: at most 5 % of the times below 5 %."""
    rng = np.random.default_rng(5)
    predicted = rng.integers(0, 4, IMAGES)
    found = [
        len(judge_groups(division, predicted, rng.permutation(np.arange(IMAGES) < 300), nowhere)[0]) for _ in range(100)
    ]
    assert np.count_nonzero(found) <= 5


def test_an_image_falls_into_the_pattern_in_which_it_lies(features, division):
    wrong = place(range(IMAGES)) == 3
    patterns, space = judge_groups(division, np.zeros(IMAGES, int), wrong, nowhere)
    numbers, similarity = nearest_pattern(space, features)
    assert np.array_equal(numbers > 0, wrong) and {*numbers[wrong]} == {one.number for one in patterns}
    assert {*numbers[~wrong]} == {-1} and similarity.min() > 0.5 and similarity.max() <= 1 + 1e-6
    point, centre = space.points(features[:1])[0], space.centres[division.group[0]]
    assert similarity[0] == pytest.approx(point @ centre / np.linalg.norm(point) / np.linalg.norm(centre))


@pytest.mark.parametrize("images", [80, 130])
def test_a_small_split_has_few_groups(images):
    features = np.random.default_rng(0).normal(size=(images, 3)).astype(np.float32)
    division = divide_images(features, 10)
    assert len(division.space.centres) == images // 2 // 20
    assert division.space.components.shape == (3, 3)  # as many as there are


@pytest.mark.parametrize("classes, groups", [(2, 25), (10, 25), (20, 50), (100, 75), (1000, 75)])
def test_many_classes_have_more_groups_as_far_as_there_are_images(classes, groups, monkeypatch):
    monkeypatch.setattr("sightline.explain.why.patterns.MOST_GROUPS", 75)
    features = np.random.default_rng(0).normal(size=(3200, 3)).astype(np.float32)
    assert len(divide_images(features, classes).space.centres) == groups


def test_images_that_are_all_the_same_are_one_group():
    division = divide_images(np.ones((100, 5), np.float32), 10)
    patterns, _ = judge_groups(division, np.zeros(100, int), np.arange(100) % 2 == 0, nowhere)
    assert {*division.group} == {0} and patterns == ()


def test_too_few_images_are_refused():
    with pytest.raises(ExplainError, match="79 test images, and patterns need 80 or more"):
        divide_images(np.zeros((79, 5), np.float32), 10)


def test_features_that_are_not_finite_are_refused(features):
    broken = features.copy()
    broken[[4, 7], 0] = np.nan, np.inf
    with pytest.raises(ExplainError, match="Of 2 test images the layer returns numbers that are not finite"):
        divide_images(broken, 10)
