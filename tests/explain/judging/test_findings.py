"""Findings: each by the smallest map that earns it, the thresholds from both sides, and their order."""

import numpy as np
import pytest

from sightline.explain.judging.findings import COARSE_CELLS, FLAT_CONTRAST, SAME_CORRELATION, find

RAMP = np.arange(1.0, 17).reshape(4, 4)


def name_of(values, is_signed=False, **more):
    finding = find(np.array(values, float), is_signed=is_signed, **more)
    return finding and finding.name


def test_nothing_is_found_on_a_map_with_contrast_and_enough_cells():
    assert find(RAMP, is_signed=False) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite_says_where_it_arose(value):
    finding = find(np.where(RAMP == 1, value, RAMP), is_signed=True, origin="layer3.0.bn2")
    assert finding.name == "not finite" and "layer3.0.bn2" in finding.reason
    nowhere = np.full((4, 4), value)
    assert "gradient" in find(nowhere, is_signed=True, origin="").reason
    assert find(nowhere, is_signed=True).reason == "The map holds NaN or infinity."  # nobody looked


def test_blank_means_nothing_positive_or_nothing_at_all():
    assert name_of(-RAMP) == "blank" and "signed" in find(-RAMP, is_signed=False).advice
    assert name_of(np.zeros((4, 4))) == name_of(np.zeros((4, 4)), is_signed=True) == "blank"
    assert name_of(-RAMP, is_signed=True) is None  # the signed map shows the evidence against the class


def test_flat_means_one_cell_or_no_contrast():
    assert name_of([[3.0]]) == "flat" and name_of([[-3.0]], is_signed=True) == "flat"
    for contrast, name in ((0.9 * FLAT_CONTRAST, "flat"), (1.1 * FLAT_CONTRAST, None)):
        values = np.full((4, 4), 1.0)
        values[0, 0] = 1 - contrast
        assert name_of(values) == name


def test_same_for_all_means_that_the_two_likeliest_classes_correlate_above_the_bound():
    noise = np.random.default_rng(0).normal(size=(4, 4))
    noise -= noise.mean()
    ramp = RAMP - RAMP.mean()
    noise -= ramp * (noise * ramp).sum() / (ramp**2).sum()  # uncorrelated with the ramp
    noise *= np.linalg.norm(ramp) / np.linalg.norm(noise)
    for r, name in ((SAME_CORRELATION + 0.01, "same for all"), (SAME_CORRELATION - 0.01, None)):
        runner_up = r * ramp + np.sqrt(1 - r**2) * noise
        assert np.corrcoef(RAMP.ravel(), runner_up.ravel())[0, 1] == pytest.approx(r)
        assert name_of(RAMP.T, predicted=RAMP, runner_up=runner_up) == name  # whatever row is on screen


def test_maps_that_mirror_each_other_are_not_the_same_for_all():
    assert name_of(RAMP, predicted=RAMP, runner_up=-RAMP) is None


def test_coarse_means_fewer_cells_than_four_by_four():
    assert name_of(RAMP[: COARSE_CELLS - 1]) == name_of(RAMP[:, : COARSE_CELLS - 1]) == "coarse"
    assert find(RAMP[:2, :3], is_signed=False).reason == "The map has only 2×3 cells."


def test_the_first_finding_of_the_order_is_given():
    same = {"predicted": RAMP, "runner_up": 2 * RAMP}
    assert name_of([[np.nan]], **same) == "not finite"
    assert name_of([[-1.0]], **same) == "blank"
    assert name_of([[1.0]], **same) == "flat"
    assert name_of(RAMP[:2], **same) == "same for all"
    assert name_of(RAMP[:2]) == "coarse"


@pytest.mark.parametrize("other", [np.zeros((4, 4)), np.full((4, 4), 7.0), np.full((4, 4), np.nan)])
def test_a_map_that_says_nothing_is_not_like_another(other):
    assert name_of(RAMP, predicted=RAMP, runner_up=other) is name_of(RAMP, predicted=other, runner_up=RAMP) is None
