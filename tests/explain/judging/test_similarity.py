"""Correlations against NumPy's, and against ranks by hand."""

import numpy as np
import pytest
import torch

from sightline.explain.judging.similarity import pearson, spearman


def test_pearson_is_numpys_image_by_image():
    one, other = torch.randn(2, 5, 4, 3, generator=torch.Generator().manual_seed(0))
    other = other + one
    expected = [np.corrcoef(a.flatten(), b.flatten())[0, 1] for a, b in zip(one, other, strict=True)]
    assert pearson(one, other).tolist() == pytest.approx(expected)


def test_equal_cells_share_the_mean_of_their_ranks():
    one, other = torch.tensor([[[1.0, 2], [2, 3]]]), torch.tensor([[[10.0, 20], [30, 40]]])
    # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
    assert spearman(one, other).item() == pytest.approx(4.5 / np.sqrt(4.5 * 5))


def test_spearman_sees_the_order_only():
    one = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert spearman(one, one.exp()).tolist() == pytest.approx([1, 1, 1])
    assert spearman(one, -one * 1e-30).tolist() == pytest.approx([-1, -1, -1])


def test_tiny_maps_are_as_good_as_large_ones():
    one, other = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert pearson(one * 1e-38, other * 1e30).item() == pytest.approx(pearson(one, other).item(), abs=1e-4)


@pytest.mark.parametrize("correlate", [pearson, spearman])
@pytest.mark.parametrize("wrong", [torch.full((1, 2, 2), 0.1), torch.tensor([[[1.0, torch.nan], [2, 3]]])])
def test_what_is_constant_or_not_finite_has_no_correlation(correlate, wrong):
    right = torch.tensor([[[1.0, 2], [3, 4]]])
    assert correlate(wrong, right).isnan().all() and correlate(right, wrong).isnan().all()
