"""Correlations against NumPy's, and against ranks by hand."""

import numpy as np
import pytest

from sightline.explain.judging.similarity import pearson, spearman


def test_pearson_is_numpys_image_by_image():
    one, other = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype(np.float32)
    other = other + one
    expected = [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(one, other, strict=True)]
    assert pearson(one, other).tolist() == pytest.approx(expected)


def test_equal_cells_share_the_mean_of_their_ranks():
    one, other = np.array([[[1.0, 2], [2, 3]]]), np.array([[[10.0, 20], [30, 40]]])
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
    assert spearman(one, other).item() == pytest.approx(4.5 / np.sqrt(4.5 * 5))


def test_spearman_sees_the_order_only():
    one = np.random.default_rng(0).normal(size=(3, 4, 4))
    assert spearman(one, np.exp(one)).tolist() == pytest.approx([1, 1, 1])
    assert spearman(one, -one * 1e-30).tolist() == pytest.approx([-1, -1, -1])


def test_tiny_maps_are_as_good_as_large_ones():
    one, other = np.random.default_rng(0).normal(size=(2, 1, 4, 4))
    assert pearson(one * 1e-300, other * 1e300).item() == pytest.approx(pearson(one, other).item(), abs=1e-12)
    one, other = one.astype(np.float32), other.astype(np.float32)
    assert pearson(one * np.float32(1e-38), other * np.float32(1e30)).item() == pytest.approx(
        pearson(one, other).item(), abs=1e-4
    )


RAMP = np.arange(9.0).reshape(1, 3, 3)
WITHOUT = [np.full((1, 3, 3), -0.1), np.zeros((1, 3, 3)), *(np.where(RAMP == 4, bad, RAMP) for bad in (np.nan, np.inf))]


@pytest.mark.parametrize("correlate", [pearson, spearman])
@pytest.mark.parametrize("wrong", WITHOUT, ids=["constant", "zero", "NaN", "infinite"])
def test_what_is_constant_or_not_finite_has_no_correlation_and_leaves_the_others_theirs(correlate, wrong):
    one, other = np.concatenate([wrong, RAMP, RAMP]), np.concatenate([RAMP, wrong, RAMP])
    assert np.isnan(correlate(one, other)).tolist() == [True, True, False]
    assert correlate(RAMP[0], RAMP[0]) == 1
