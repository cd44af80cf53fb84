"""Curves against loops over pixels, on models whose answer is known; perfect maps beside random ones."""

import numpy as np
import pytest
import torch
from torch import nn

from sightline.explain.judging import removal
from sightline.explain.judging.controls import CONTROLS
from sightline.explain.judging.removal import (
    ENDS_AND_STEPS,
    STEPS,
    blurred,
    blurring,
    drop_and_increase,
    removal_curve,
    road_gap,
)

SIDE = 10


class Linear(nn.Module):
    """Two classes: logit 0 is Σ w·x, logit 1 is zero."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x):
        score = (x * self.weights).sum(dim=(1, 2, 3))
        return torch.stack([score, torch.zeros_like(score)], dim=1)


@pytest.fixture
def reads_a_corner():
    """A model of the upper left 3×3 pixels alone, bright images, the class it sees, and the corner's mask."""
    weights = torch.zeros(3, SIDE, SIDE)
    weights[:, :3, :3] = 4 / 27
    images = 0.05 * torch.randn(12, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) - 0.5
    images[:, :, :3, :3] += 1.5
    mask = torch.zeros(12, SIDE, SIDE)
    mask[:, :3, :3] = 1
    return Linear(weights), images, torch.zeros(12, dtype=torch.int64), mask


@pytest.fixture
def anything():
    """A random linear model, images and maps."""
    generator = torch.Generator().manual_seed(0)
    images, maps = torch.randn(6, 3, SIDE, SIDE, generator=generator), torch.randn(6, SIDE, SIDE, generator=generator)
    model = Linear(torch.randn(3, SIDE, SIDE, generator=generator) / 10)
    return model, images, torch.tensor([0, 1, 0, 1, 1, 0]), maps


def chance(model, image, target):
    """Sigmoid of the one logit that is not zero."""
    score = float((image * model.weights.detach().numpy()).sum())
    return 1 / (1 + np.exp(-score if target == 0 else score))


def curve_by_loop(model, image, values, target, shares, replacement, least_first=False):
    order = np.argsort(values.flatten() if least_first else -values.flatten(), kind="stable")
    chances = []
    for share in shares:
        changed = image.copy()
        for place in order[: round(share * len(order))]:
            changed[:, place // SIDE, place % SIDE] = replacement[:, place // SIDE, place % SIDE]
        chances.append(chance(model, changed, target))
    return chances


def test_blurring_is_a_loop_over_pixels(anything):
    model, images, targets, maps = anything
    soft = blurred(images, SIDE / 4, 8).numpy()  # three standard deviations are 7.5 pixels
    gaps, insertions, deletions = [], [], []
    for image, blur, values, target in zip(images.numpy(), soft, maps.numpy(), targets.tolist(), strict=True):
        most, least = (
            curve_by_loop(model, image, values, target, ENDS_AND_STEPS, blur, first) for first in (False, True)
        )
        sharpened = curve_by_loop(model, blur, values, target, ENDS_AND_STEPS, image)  # the image comes in
        gaps.append(np.mean(least[1:-1]) - np.mean(most[1:-1]))
        insertions.append(np.trapezoid(sharpened, ENDS_AND_STEPS))
        deletions.append(np.trapezoid(most, ENDS_AND_STEPS))
    found = blurring(model, images, maps, targets)
    assert found.gap.tolist() == pytest.approx(gaps, abs=1e-5)
    assert found.insertion.tolist() == pytest.approx(insertions, abs=1e-5)
    assert found.deletion.tolist() == pytest.approx(deletions, abs=1e-5)


@pytest.mark.parametrize(("more_relevant", "steps"), [(0, 9), (33, 3), (99, -9)])
def test_the_blur_gap_by_hand(more_relevant, steps):
    """The model reads one bright pixel; 33 more relevant: it is soft in 6 steps of most first, in 3 of least first."""
    images, maps = torch.zeros(1, 3, SIDE, SIDE), torch.arange(100.0, 0, -1).reshape(1, SIDE, SIDE)
    place = more_relevant // SIDE, more_relevant % SIDE
    maps[0, 5, 5], maps[0, *place] = maps[0, *place].item(), maps[0, 5, 5].item()
    images[:, :, 5, 5] = 2
    weights = torch.zeros(3, SIDE, SIDE)
    weights[:, 5, 5] = 1 / 3  # logit 2, of the soft pixel 2·k²
    k = 1 / sum(np.exp(-(step**2) / (2 * 2.5**2)) for step in range(-8, 9))
    sharp, soft = (1 / (1 + np.exp(-logit)) for logit in (2, 2 * k**2))
    gap = blurring(Linear(weights), images, maps, torch.tensor([0])).gap
    assert gap.item() == pytest.approx(steps / 9 * (sharp - soft), abs=1e-6)


@pytest.mark.parametrize("side", [32, 160])
def test_the_blur_gap_hides_a_pattern_that_repeats_twice_in_images_of_any_size(side):
    seen = []

    class Seeing(Linear):
        def forward(self, x):
            seen.append(x)
            return super().forward(x)

    waves = torch.cos(2 * torch.pi * 2 * torch.arange(side) / side).expand(1, 3, side, side)
    rows_from_the_middle = (torch.arange(side) - side // 2).abs()[None, :, None].expand(1, side, side)
    blurring(Seeing(torch.zeros(3, side, side)), waves, -rows_from_the_middle, torch.tensor([0]))
    middle = torch.cat(seen)[9, 0, side // 2, side // 4 : 3 * side // 4]  # nine tenths hidden, most relevant first
    assert middle.max() - middle.min() == pytest.approx(2 * 0.044, abs=0.002)


def test_the_blur_is_a_weighted_mean_of_eleven_by_eleven_pixels():
    image = np.random.default_rng(0).normal(size=(2, 3, SIDE, SIDE)).astype(np.float32)
    padded = np.pad(image, ((0, 0), (0, 0), (5, 5), (5, 5)), mode="edge")
    weights = np.exp(-(np.arange(-5, 6) ** 2) / 50)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    expected = sum(weights[y, x] * padded[:, :, y : y + SIDE, x : x + SIDE] for y in range(11) for x in range(11))
    np.testing.assert_allclose(blurred(torch.from_numpy(image), 5, 5), expected, atol=1e-5)


def test_of_equal_pixels_those_in_relevant_surroundings_are_more_relevant():
    patch = torch.zeros(1, 16, 16)
    patch[0, 2:6, 8:12] = 1
    hidden = []

    def replace(images, pixels):
        hidden.append(pixels[0])
        return images[:, None].expand(-1, pixels.shape[1], -1, -1, -1)

    for order in (patch, -patch):
        removal_curve(
            Linear(torch.zeros(3, 16, 16)), torch.zeros(1, 3, 16, 16), order, torch.tensor([0]), replace, (0.25,)
        )
    most, least = (set(map(tuple, pixels[0].nonzero().tolist())) for pixels in hidden)
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    distance = torch.hypot(rows - 3.5, columns - 9.5)
    assert max(distance[place] for place in most) < 6  # 64 pixels round the patch, which has 16
    assert min(distance[place] for place in least) > 8


@pytest.mark.parametrize("least_first", [False, True])
def test_a_step_removes_its_share_and_no_pixel_more(anything, least_first):
    model, images, targets, maps = anything
    seen = []

    def replace(images, hidden):
        seen.append(hidden)
        return images[:, None].expand(-1, hidden.shape[1], -1, -1, -1)

    removal_curve(model, images, -maps if least_first else maps, targets, replace)
    hidden = torch.cat(seen).reshape(len(images), len(STEPS), -1)
    assert hidden.sum(dim=2).tolist() == [[10, 20, 30, 40, 50, 60, 70, 80, 90]] * len(images)
    for image in range(len(images)):
        for places in hidden[image]:
            kept, taken = maps[image].flatten()[~places], maps[image].flatten()[places]
            assert (taken.max() < kept.min()) if least_first else (taken.min() > kept.max())


def test_the_division_into_batches_changes_nothing(anything, monkeypatch):
    model, images, targets, maps = anything

    def replace(images, hidden):
        return images[:, None] * ~hidden[:, :, None]

    whole = removal_curve(model, images, maps, targets, replace)
    monkeypatch.setattr(removal, "REMOVED_BYTES", 1)
    assert torch.allclose(removal_curve(model, images, maps, targets, replace), whole, atol=1e-6)


def test_road_tells_a_perfect_map_from_a_random_one_and_from_its_reverse(reads_a_corner):
    *subject, targets, mask = reads_a_corner
    perfect, reverse = road_gap(*subject, mask, targets), road_gap(*subject, -mask, targets)
    random = road_gap(*subject, CONTROLS["random"](subject[1], range(12)), targets)
    assert perfect.min() > 0.8 and reverse.max() < -0.8
    assert random.abs().max() < 0.4 and random.mean().abs() < 0.15  # three standard errors of twelve images
    assert torch.allclose(perfect, -reverse, atol=0.02)


def test_blurring_tells_a_perfect_map_from_a_random_one_and_from_its_reverse(reads_a_corner):
    *subject, targets, mask = reads_a_corner
    perfect, reverse, random = (
        blurring(*subject, maps, targets) for maps in (mask, -mask, CONTROLS["random"](subject[1], range(12)))
    )
    # Little, since a blurred corner keeps most of its brightness, and that is all the model reads.
    assert perfect.gap.min() > 0.2 and torch.allclose(perfect.gap, -reverse.gap, atol=0.02)
    assert random.gap.abs().max() < 0.1 and random.gap.mean().abs() < 0.05
    assert (perfect.insertion > random.insertion).all() and (perfect.deletion < random.deletion).all()


def test_road_is_the_same_every_time(reads_a_corner):
    *subject, targets, mask = reads_a_corner
    assert torch.equal(road_gap(*subject, mask, targets, seed=3), road_gap(*subject, mask, targets, seed=3))


def test_showing_only_what_the_model_reads_costs_nothing_and_a_random_half_costs_much(reads_a_corner):
    *subject, targets, mask = reads_a_corner
    perfect, _ = drop_and_increase(*subject, mask, targets)
    random, _ = drop_and_increase(*subject, CONTROLS["random"](subject[1], range(12)), targets)
    assert perfect.abs().max() < 1e-6 < 0.05 < random.min()


def test_confidence_rises_where_the_map_leaves_out_what_speaks_against_the_class():
    generator = torch.Generator().manual_seed(0)
    model = Linear(torch.randn(3, SIDE, SIDE, generator=generator) / 10)
    images = torch.rand(60, 3, SIDE, SIDE, generator=generator)
    targets = (model(images)[:, 0] < 0).long()
    evidence = (images * model.weights.detach()).sum(dim=1) * torch.where(targets == 0, 1, -1)[:, None, None]
    _, perfect = drop_and_increase(model, images, evidence, targets)
    _, random = drop_and_increase(model, images, CONTROLS["random"](images, range(60)), targets)
    assert perfect.mean() == 1 and random.mean() < 0.75


def test_drop_and_increase_by_hand():
    model = Linear(torch.tensor([[[2.0, -2]]]))
    images = torch.tensor([[[[1.0, 0.5]]]]).expand(3, 1, 1, 2)  # logit 1
    maps = torch.tensor([[[4.0, -3]], [[0, 7]], [[-1, -1]]])  # shows the first pixel, the second, none
    drop, increase = drop_and_increase(model, images, maps, torch.zeros(3, dtype=torch.int64))
    before, only_second, none = (1 / (1 + np.exp(-logit)) for logit in (1, -1, 0))
    assert drop.tolist() == pytest.approx([0, 1 - only_second / before, 1 - none / before])
    assert increase.tolist() == [1, 0, 0]


def test_a_map_that_is_not_finite_has_no_figure_and_spoils_no_other(anything):
    model, images, targets, maps = anything
    broken = maps.clone()
    broken[1, 0, 0], broken[2, 3, 3] = torch.nan, torch.inf
    for measured in (
        road_gap,
        lambda *words: blurring(*words).gap,
        lambda *words: blurring(*words).insertion,
        lambda *words: drop_and_increase(*words)[0],
        lambda *words: drop_and_increase(*words)[1],
    ):
        expected, found = measured(model, images, maps, targets), measured(model, images, broken, targets)
        assert found.isnan().tolist() == [False, True, True, False, False, False]
        assert torch.equal(found[[0, 3, 4, 5]], expected[[0, 3, 4, 5]])
