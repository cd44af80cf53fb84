"""Augmentation moves, mirrors, covers and mixes what it says, over its whole range."""

from unittest.mock import Mock

import pytest
import torch
from torch.nn import functional

from sightline.training.augment import augment, mix


def augmented(images, padding=0, flip=False, cutout=0, seed=0):
    return augment(images, torch.Generator().manual_seed(seed), padding=padding, flip=flip, cutout=cutout)


def stacked(image, count):
    """uint8 H×W → count×H×W×3"""
    return torch.as_tensor(image, dtype=torch.uint8)[None, :, :, None].expand(count, -1, -1, 3).clone()


def test_augmentation_changes_the_pixels_of_real_images(tiny_data):
    images = torch.from_numpy(tiny_data.train.images.copy())
    changed = (augmented(images, padding=4, flip=True) != images).flatten(1).any(1)
    # One in 9·9·2 images keeps its place by chance.
    assert changed.float().mean() > 0.9


def test_every_shift_in_the_range_occurs_and_no_other():
    image = torch.zeros(9, 9)
    image[4, 4] = 255  # at the centre of 9 pixels, a shift of up to 3 shows no reflection of it
    bright = augmented(stacked(image, 2000), padding=3)[..., 0].nonzero()
    assert bright[:, 0].tolist() == list(range(2000))
    shifts = {(row - 4, column - 4) for _, row, column in bright.tolist()}
    assert shifts == {(down, right) for down in range(-3, 4) for right in range(-3, 4)}


def test_about_half_of_the_images_are_mirrored_left_to_right_and_none_upside_down():
    image = torch.arange(12).reshape(3, 4)
    result = augmented(stacked(image, 1000), flip=True)[..., 0]
    mirrored = (result == image.flip(1)).flatten(1).all(1)
    kept = (result == image).flatten(1).all(1)
    assert bool((mirrored | kept).all())
    assert 430 < mirrored.sum() < 570  # 500 ± 4.5 standard deviations


def test_shift_and_flip_are_drawn_independently():
    image = torch.zeros(9, 9)
    image[4, 4], image[4, 3] = 255, 100  # the dim pixel left of the bright one, or right of it in a mirror
    result = augmented(stacked(image, 3000), padding=2, flip=True)[..., 0]
    bright, dim = (result == 255).nonzero(), (result == 100).nonzero()
    seen = {(row - 4, column - 4, side) for (_, row, column), side in zip(
        bright.tolist(), (dim[:, 2] - bright[:, 2]).tolist(), strict=True)}  # fmt: skip
    assert len(seen) == 5 * 5 * 2


def test_what_comes_in_is_the_reflection_computed_by_hand():
    image = torch.tensor([10, 20, 30, 40]).expand(4, 4)
    rows = {tuple(row.tolist()) for row in augmented(stacked(image, 500), padding=2)[:, 0, :, 0]}
    assert rows == {
        (30, 20, 10, 20),
        (20, 10, 20, 30),
        (10, 20, 30, 40),
        (20, 30, 40, 30),
        (30, 40, 30, 20),
    }


def test_every_result_is_a_crop_of_the_image_that_torch_pads():
    image = torch.randint(0, 256, (3, 6, 5), generator=torch.Generator().manual_seed(0))
    padded = functional.pad(image.float(), (3, 3, 3, 3), mode="reflect")
    crops = {tuple(padded[:, y : y + 6, x : x + 5].flatten().tolist()) for y in range(7) for x in range(7)}
    images = image.permute(1, 2, 0).to(torch.uint8).expand(800, -1, -1, -1)
    results = {tuple(result.permute(2, 0, 1).flatten().tolist()) for result in augmented(images, padding=3).float()}
    assert results == crops


def test_no_pixel_of_another_image_leaks_in():
    images = torch.arange(100, dtype=torch.uint8)[:, None, None, None].expand(-1, 8, 8, 3)
    assert torch.equal(augmented(images, padding=4, flip=True), images)


def test_cutout_covers_a_square_of_its_side_cut_only_by_the_border():
    covered = augmented(stacked(torch.zeros(16, 16), 3000), cutout=4)[..., 0]
    assert set(covered.unique().tolist()) == {0, 128}
    grey = covered == 128
    height, width = grey.any(2).sum(1), grey.any(1).sum(1)
    assert torch.equal(grey.flatten(1).sum(1), height * width)  # a rectangle
    # The centre is any pixel: at 0 the square keeps 2 of its 4 rows, at 1 and at 15 it keeps 3.
    assert set(height.tolist()) == set(width.tolist()) == {2, 3, 4}
    assert grey.any(0).all()
    assert (height == 4).float().mean().item() == pytest.approx(13 / 16, abs=0.03)


def test_shape_type_and_the_given_images_stay_as_they_are():
    images = torch.randint(0, 256, (5, 6, 7, 3), dtype=torch.uint8)
    before = images.clone()
    result = augmented(images, padding=2, flip=True, cutout=3)
    assert (result.shape, result.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, before)


def test_nothing_asked_for_changes_nothing(tiny_data):
    images = torch.from_numpy(tiny_data.train.images.copy())
    assert torch.equal(augmented(images), images)


def test_the_same_seed_draws_the_same_and_another_seed_does_not(tiny_data):
    images = torch.from_numpy(tiny_data.train.images.copy())
    first, again, other = (augmented(images, padding=4, flip=True, cutout=8, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_images_named_are_mirrored_and_no_others():
    image = torch.arange(12).reshape(3, 4)
    named = torch.tensor([True, False, False, True])
    images = stacked(image, 4)
    result = augmented(images, flip=named)
    assert torch.equal(result[named], images[named].flip(2))
    assert torch.equal(result[~named], images[~named])


def mixed(how, seed=0, side=16):
    """Four images, each all of the number that is its class, mixed: B×side×side (one channel of it), targets."""
    images = torch.arange(4.0)[:, None, None, None].expand(-1, 3, side, side).clone()
    result, targets = mix(images, torch.arange(4), torch.Generator().manual_seed(seed), how=how, classes=5)
    assert torch.equal(images[:, 0, 0, 0], torch.arange(4.0))
    assert (result == result[:, :1]).all()
    return result[:, 0], targets


@pytest.mark.parametrize("how", ["mixup", "cutmix"])
def test_the_target_of_a_mixed_image_is_the_share_of_each_class_in_it(how):
    images, targets = mixed(how)
    assert targets.shape == (4, 5)
    assert torch.allclose(targets.sum(1), torch.ones(4))
    assert ((targets > 0).sum(1) == 2).all()  # its own and its neighbour's
    assert torch.allclose(images.mean((1, 2)), targets @ torch.arange(5.0))
    own = targets.diagonal()
    assert torch.equal(own, own[:1].expand(4))  # one share for the batch


def test_mixup_blends_and_cutmix_puts_in_a_rectangle():
    blended, _ = mixed("mixup")
    assert (blended == blended[:, :1, :1]).all()
    for seed in range(20):
        images, targets = mixed("cutmix", seed)
        foreign = images[1] == 0
        assert (foreign | (images[1] == 1)).all()
        assert foreign.sum() == foreign.any(0).sum() * foreign.any(1).sum()
        assert foreign.float().mean().item() == pytest.approx(targets[1, 0].item())


def test_shares_are_uniform_and_every_pixel_is_put_in():
    """Beta(1, 1) has the mean 1/2 and the variance 1/12."""
    shares = torch.stack([mixed("mixup", seed)[1][0, 0] for seed in range(1000)])
    assert shares.mean().item() == pytest.approx(1 / 2, abs=4 * (1 / 12 / 1000) ** 0.5)
    assert shares.var().item() == pytest.approx(1 / 12, rel=0.15)
    assert torch.stack([mixed("cutmix", seed)[0][1] == 0 for seed in range(50)]).any(0).all()


def test_mixing_is_drawn_from_its_generator_alone(monkeypatch):
    seeded = Mock()
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded)  # dropout on a GPU draws from there
    state = torch.get_rng_state()
    first, again, other = (mixed("cutmix", seed)[0] for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert not seeded.called
