"""Imputation against a direct solution of its linear system; hiding on models whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from sightline.explain.judging.hiding import hide_hottest, hottest
from sightline.explain.judging.imputation import NOISE, impute


def solved_directly(image, hidden):
    """The system of Rong et al. 2022 written out pixel by pixel, for one channel."""
    places = [tuple(place) for place in np.argwhere(hidden)]
    matrix, right = np.zeros((len(places), len(places))), np.zeros(len(places))
    for row, (y, x) in enumerate(places):
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                there = (y + dy, x + dx)
                if (dy, dx) == (0, 0) or not (0 <= there[0] < image.shape[0] and 0 <= there[1] < image.shape[1]):
                    continue
                weight = 1 / 12 if dy and dx else 1 / 6
                matrix[row, row] += weight
                if hidden[there]:
                    matrix[row, places.index(there)] -= weight
                else:
                    right[row] += weight * image[there]
    filled = image.copy()
    filled[tuple(np.array(places).T)] = np.linalg.solve(matrix, right)
    return filled


@pytest.fixture
def noiseless(monkeypatch):
    monkeypatch.setattr("sightline.explain.judging.imputation.NOISE", 0.0)


def test_hidden_pixels_agree_with_a_direct_solution(noiseless):
    rng = np.random.default_rng(0)
    images, hidden = rng.random((3, 2, 9, 7)), rng.random((3, 9, 7)) < 0.6
    filled = impute(torch.from_numpy(images), torch.from_numpy(hidden)).numpy()
    for image in range(3):
        for channel in range(2):
            expected = solved_directly(images[image, channel], hidden[image])
            np.testing.assert_allclose(filled[image, channel], expected, atol=1e-3)


def test_what_is_not_hidden_stays_and_a_constant_is_continued(noiseless):
    image = torch.full((1, 3, 8, 8), 0.25)
    hidden = torch.zeros(1, 8, 8, dtype=torch.bool)
    hidden[0, :4, :5] = True  # also corners and edges
    assert torch.allclose(impute(image, hidden), image, atol=1e-4)
    other = torch.rand(1, 3, 8, 8)
    assert torch.equal(
        impute(other, hidden)[~hidden[:, None].expand_as(other)], other[~hidden[:, None].expand_as(other)]
    )


def test_the_noise_lies_on_hidden_pixels_and_has_its_size():
    hidden = torch.zeros(1, 64, 64, dtype=torch.bool)
    hidden[:, 16:48, 16:48] = True
    filled = impute(torch.zeros(1, 3, 64, 64), hidden, torch.Generator().manual_seed(0))
    assert filled[:, :, hidden[0]].std().item() == pytest.approx(NOISE, rel=0.05)
    assert not filled[:, :, ~hidden[0]].any()


def test_an_image_hidden_whole_is_finite():
    assert impute(torch.rand(1, 3, 8, 8), torch.ones(1, 8, 8, dtype=torch.bool)).isfinite().all()


def test_the_hottest_tenth_is_a_tenth_and_the_hottest():
    values = torch.zeros(4, 4)
    values[3, 0] = 1
    mask = hottest(values, (20, 20))
    assert mask.sum() == 40 and mask[15:, :5].sum() == 25  # the whole of the hot cell, and its surroundings
    assert not mask[:10].any() and not mask[:, 10:].any()


def test_an_image_is_imputed_as_if_it_were_alone(noiseless):
    images = torch.randn(9, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    ranks = torch.randn(9, 12, 12, generator=torch.Generator().manual_seed(1)).flatten(1).argsort().argsort()
    hidden = (ranks < torch.arange(0, 144, 16)[:, None]).reshape(9, 12, 12)  # none to nearly all
    together = impute(images, hidden)
    for row in range(9):
        alone = impute(images[row : row + 1], hidden[row : row + 1])
        assert torch.allclose(alone[0], together[row], atol=1e-5)


class ReadsTheCorner(nn.Module):
    """Class 1 as far as the upper left 8×8 pixels are bright; the rest is not looked at."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(8.0))

    def forward(self, x):
        corner = x[:, :, :8, :8].mean(dim=(1, 2, 3))
        return torch.stack([self.gain * 0.5 * torch.ones_like(corner), self.gain * corner], dim=1)


@pytest.fixture
def bright_corner():
    image = np.zeros((32, 32, 3), np.uint8)
    image[:8, :8] = 255
    return image


def to_input(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def test_hiding_what_the_model_reads_costs_more_than_hiding_the_same_anywhere(bright_corner):
    values = np.zeros((8, 8), np.float32)
    values[:2, :2] = 1
    hidden = hide_hottest(ReadsTheCorner(), bright_corner, values, to_input)
    before = 1 / (1 + np.exp(-4))  # logits 4 and 8
    assert hidden.before.tolist() == pytest.approx([1 - before, before], abs=1e-6)
    assert hidden.hottest[1] < 0.5 < 0.9 < hidden.random[1] < before


def test_a_map_that_points_elsewhere_costs_no_more_than_chance(bright_corner):
    values = np.zeros((8, 8), np.float32)
    values[6:, 6:] = 1
    hidden = hide_hottest(ReadsTheCorner(), bright_corner, values, to_input)
    assert hidden.hottest[1] == pytest.approx(hidden.before[1], abs=1e-6)
    assert hidden.hottest[1] > hidden.random[1]


def test_hiding_is_the_same_every_time_and_leaves_the_image_alone(bright_corner):
    values = np.random.default_rng(0).random((4, 4))
    before = bright_corner.copy()
    one, other = (hide_hottest(ReadsTheCorner(), bright_corner, values, to_input) for _ in range(2))
    np.testing.assert_array_equal(one.random, other.random)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(before, bright_corner)
    assert (one.image != bright_corner).any(axis=2).sum() <= 102  # a tenth of 1,024
