"""Imputation against a direct solution of its linear system; hiding on models whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from sightline.explain.judging.hiding import DRAWS, enlarged, hide, hottest
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


@pytest.fixture
def corner():
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[:8, :8] = True
    return mask


SURE = 1 / (1 + np.exp(-4))  # of logits 4 and 8: nothing is hidden
NEVER = 1 / (1 + np.exp(4))  # of logits 4 and 0: what was bright is filled in with black


def test_hiding_what_the_model_reads_costs_more_than_hiding_the_same_anywhere(bright_corner, corner, noiseless):
    hidden = hide(ReadsTheCorner(), bright_corner, corner, to_input)
    assert hidden.before.tolist() == pytest.approx([1 - SURE, SURE], abs=1e-6)
    assert hidden.after.tolist() == pytest.approx([1 - NEVER, NEVER], abs=1e-3)
    assert hidden.elsewhere.shape == (DRAWS, 2) and hidden.elsewhere[:, 1].min() > NEVER + 0.1
    assert not hidden.image.any()


def test_the_other_places_are_the_same_shape_moved_round_the_edges_and_never_the_place_itself(bright_corner, corner):
    noise = np.random.default_rng(1).integers(50, 200, (32, 32, 3), dtype=np.uint8)
    hidden = hide(ReadsTheCorner(), noise, corner, to_input)
    rows, columns = ((hidden.example != noise).any(axis=(axis, 2)).nonzero()[0] for axis in (1, 0))
    assert set(np.diff(rows)) | set(np.diff(columns)) <= {1, 32 - 7}  # eight in a row, perhaps over the edge
    assert len(rows) == len(columns) == 8 and (rows[0], columns[0]) != (0, 0)


def test_where_no_other_place_touches_what_the_model_reads_the_answer_stays(bright_corner, corner):
    far = corner.roll((16, 16), (0, 1))
    hidden = hide(ReadsTheCorner(), bright_corner, far, to_input)
    assert hidden.after[1] == pytest.approx(SURE, abs=1e-6)
    down, right = np.divmod(np.random.default_rng(0).integers(1, 32 * 32, DRAWS), 32)
    overlaps = np.array([[-8 < (16 + move + 16) % 32 - 16 < 8 for move in moves] for moves in (down, right)]).all(
        axis=0
    )
    assert overlaps.any() and not overlaps.all()
    np.testing.assert_array_equal(np.isclose(hidden.elsewhere[:, 1], SURE, atol=1e-6), ~overlaps)


def test_hiding_is_the_same_every_time_and_leaves_the_image_alone(bright_corner):
    mask = hottest(torch.rand(4, 4, generator=torch.Generator().manual_seed(0)), (32, 32))
    before = bright_corner.copy()
    one, other = (hide(ReadsTheCorner(), bright_corner, mask, to_input) for _ in range(2))
    np.testing.assert_array_equal(one.elsewhere, other.elsewhere)
    np.testing.assert_array_equal(one.image, other.image)
    np.testing.assert_array_equal(before, bright_corner)
    np.testing.assert_array_equal(one.image[~mask.numpy()], bright_corner[~mask.numpy()])


def test_an_answer_that_is_not_finite_is_handed_on_and_told(bright_corner, corner):
    model = ReadsTheCorner()
    assert hide(model, bright_corner, corner, to_input).is_finite
    model.gain.data.fill_(torch.nan)
    hidden = hide(model, bright_corner, corner, to_input)
    assert np.isnan(hidden.after).all() and not hidden.is_finite


def test_the_network_is_asked_of_few_large_images_at_a_time_so_that_nobody_waits_for_one_who_has_gone(corner):
    asked = []

    class Counting(ReadsTheCorner):
        def forward(self, x):
            asked.append(len(x))
            return super().forward(x)

    def leave(done, total):
        if done:
            raise InterruptedError

    image = np.zeros((256, 256, 3), np.uint8)
    with pytest.raises(InterruptedError):
        hide(Counting(), image, enlarged(corner.numpy(), (256, 256)), to_input, leave)
    assert asked == [1]
    hide(Counting(), image[:32, :32], corner, to_input)
    assert asked == [1, 2 + DRAWS]


def test_what_is_painted_on_a_picture_is_enlarged_or_shrunk_to_where_it_lies():
    mask = np.array([[True, False, False], [False, False, True]])
    larger = enlarged(mask, (4, 6)).numpy()
    np.testing.assert_array_equal(larger, mask.repeat(2, axis=0).repeat(2, axis=1))
    np.testing.assert_array_equal(enlarged(larger, (2, 3)).numpy(), mask)
    # Of five pixels over three, the middles lie at 0.3, 0.9, 1.5, 2.1 and 2.7.
    assert enlarged(mask, (2, 5))[1].tolist() == [False, False, False, True, True]
