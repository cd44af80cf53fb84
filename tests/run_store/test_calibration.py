"""Whether confidences can be taken at their word, by hand, by scikit-learn, and by resampling image after image."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from sightline.run_store.calibration import Bin, Calibration, Kept


def calibration(confidence, right):
    return Calibration.of(np.array(confidence, np.float32), np.array(right, bool))


@pytest.fixture
def by_hand():
    """Two images 60 % sure of which one is right, two 90 % sure that are, and one 95 % sure that is wrong."""
    return calibration([0.9, 0.6, 0.95, 0.6, 0.9], [1, 0, 0, 1, 1])


def drawn(images, says_more=0.0, seed=0):
    """So many images, mostly sure, that are right as often as they say, or less often by so much."""
    random = np.random.default_rng(seed)
    confidence = 1 - 0.9 * random.beta(1, 6, images)
    return confidence, random.random(images) < np.clip(confidence - says_more, 0, 1)


def test_a_bin_holds_what_is_above_its_lower_end_up_to_its_upper_one(by_hand):
    first, second, third = by_hand.bins
    assert (first.low, first.high, first.images, first.right, first.accuracy) == (0.5, 0.6, 2, 1, 0.5)
    assert (second.low, second.high, second.images, second.right) == (0.8, 0.9, 2, 2)
    assert third == Bin(0.9, 1.0, 1, 0, pytest.approx(0.95))


def test_the_error_is_the_mean_distance_of_confidence_and_accuracy_by_the_images_of_a_bin(by_hand):
    assert by_hand.error == pytest.approx(2 / 5 * 0.1 + 2 / 5 * 0.1 + 1 / 5 * 0.95)
    assert (by_hand.says, by_hand.accuracy) == (pytest.approx(0.79), 0.6)


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_a_model_that_guesses_and_says_so_has_no_error(classes):
    right = np.arange(classes * 3) % classes == 0  # of each class as many images, all taken for the first one
    assert calibration(np.full(classes * 3, 1 / classes), right).error == pytest.approx(0, abs=1e-6)


def test_a_model_that_is_sure_of_what_is_always_wrong_has_the_largest_error():
    found = calibration(np.ones(50), np.zeros(50))
    assert found.error == 1 and found.interval == (1, 1) and found.by_chance == 0


def test_bins_are_those_of_scikit_learn():
    confidence, right = drawn(5000, says_more=0.1)
    accuracy, says = calibration_curve(right, confidence, n_bins=10)
    bins = Calibration.of(confidence, right).bins
    assert [one.accuracy for one in bins] == pytest.approx(accuracy)
    assert [one.confidence for one in bins] == pytest.approx(says)


def test_images_whose_confidence_nobody_knows_are_left_out():
    found = calibration([np.nan, 0.5, np.nan], [1, 1, 0])
    assert len(found) == 1 and found.accuracy == 1
    assert calibration([np.nan, np.nan], [1, 0]) is None and calibration([], []) is None


def test_a_single_image_has_figures():
    found = calibration([0.75], [1])
    low, high = found.interval
    assert found.error == 0.25 and 0 <= low <= 0.25 <= high <= 1 and found.coverages == (Kept(0.0, 1, 0, 1),)


def test_what_chance_makes_is_what_coins_that_fall_as_they_say_make():
    confidence, _ = drawn(800)
    random = np.random.default_rng(1)
    errors = [Calibration.of(confidence, random.random(800) < confidence).error for _ in range(1000)]
    assert Calibration.of(confidence, confidence > 0).by_chance == pytest.approx(np.quantile(errors, 0.95), rel=0.06)


def test_the_interval_is_that_of_resampling_the_images_one_by_one():
    found = Calibration.of(*drawn(600, says_more=0.15))
    random = np.random.default_rng(1)
    errors = []
    for _ in range(2000):
        rows = np.sort(random.integers(len(found), size=len(found)))
        errors.append(Calibration(found.confidence[rows], found.right[rows]).error)
    low, high = np.quantile(errors, (0.025, 0.975))
    assert found.interval == pytest.approx((2 * found.error - high, 2 * found.error - low), abs=0.004)


@pytest.mark.parametrize("images, says_more", [(200, 0), (200, 0.2), (2000, 0), (2000, 0.05), (2000, 0.2)])
def test_most_intervals_hold_the_error_that_the_model_has(images, says_more):
    """By hand: the model is right less often than it says by `says_more`, or never."""
    held = []
    for seed in range(100):
        found = Calibration.of(*drawn(images, says_more, seed))
        gaps = found.confidence - np.clip(found.confidence - says_more, 0, 1)
        low, high = found.interval
        held.append(low <= gaps.mean() <= high)
    assert np.mean(held) >= 0.85


def test_an_error_that_chance_alone_could_make_is_not_held_to_be_more_than_none():
    found = Calibration.of(*drawn(500))
    assert found.error <= found.by_chance and found.interval[0] == 0
    worse = Calibration.of(*drawn(500, says_more=0.2))
    assert worse.error > worse.by_chance and worse.interval[0] > 0


def test_a_threshold_puts_aside_what_is_at_most_as_sure(by_hand):
    assert by_hand.keep_above(0.6) == Kept(0.6, kept=3, below=2, right=2)
    assert by_hand.keep_above(0.9) == Kept(0.9, kept=1, below=4, right=0)
    assert by_hand.keep_above(0.1) == Kept(0.1, kept=5, below=0, right=3)
    assert by_hand.keep_above(0.95) is None
    kept = by_hand.keep_above(0.6)
    assert (kept.coverage, kept.accuracy) == (3 / 5, 2 / 3)


def test_accuracy_against_coverage_ends_with_all_images_and_keeps_those_equally_sure_together(by_hand):
    assert [(one.kept, one.right) for one in by_hand.coverages] == [(1, 0), (3, 2), (5, 3)]
    assert by_hand.coverages[-1].below == 0


def test_thresholds_of_many_images_are_a_hundred_and_have_few_digits():
    confidence, right = drawn(20_000)
    found = Calibration.of(1 - (1 - confidence) ** 3, right)  # most of them more than 99 % sure
    assert 95 <= len(found.coverages) <= 101
    assert max(np.diff([one.coverage for one in found.coverages])) < 0.02
    assert all(float(f"{one.threshold:.12g}") == one.threshold for one in found.coverages)  # as the address has it
    for one in found.coverages[:-1]:
        assert one.below == (found.confidence <= one.threshold).sum()


def test_a_confidence_that_rounding_took_above_one_leaves_chance_a_number():
    assert Calibration.of(np.array([np.nextafter(np.float32(1), np.float32(2))]), np.array([True])).by_chance == 0
