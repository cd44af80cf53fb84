"""The control maps: what they are, and that they explain nothing."""

import pytest
import torch

from sightline.explain.judging.controls import CONTROLS, centred_gaussian, mean_map, sobel_edges, uniform_random


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_has_a_map_for_every_image_and_is_never_negative(name):
    images = torch.randn(3, 3, 6, 8)
    maps = CONTROLS[name](images, range(3))
    assert maps.shape == (3, 6, 8) and (maps >= 0).all()


def test_a_random_map_follows_its_seed_not_its_batch():
    images = torch.randn(3, 3, 6, 8)
    maps = uniform_random(images, [7, 8, 9])
    assert torch.equal(uniform_random(images[1:2] * 2, [8]), maps[1:2])
    assert not torch.equal(maps[0], maps[1])


def test_sobel_marks_the_edge_and_nothing_else():
    image = torch.zeros(1, 3, 5, 6)
    image[..., 3:] = 1
    edges = sobel_edges(image, [0])[0]
    assert edges.tolist() == [[0, 0, 4, 4, 0, 0]] * 5  # (1 + 2 + 1) × a step of 1
    assert torch.equal(sobel_edges(image.transpose(2, 3), [0])[0], edges.T)


def test_the_gaussian_stands_in_the_middle_and_is_the_same_for_all():
    one, other = centred_gaussian(torch.randn(2, 3, 9, 9), range(2))
    assert torch.equal(one, other) and one.argmax() == 40 and one[4, 4] == 1
    assert torch.allclose(one, one.flip(0)) and torch.allclose(one, one.T)
    # Two of nine pixels from the middle are 2/9 of a side: z = 2/9 / 0.25.
    assert one[4, 6].item() == pytest.approx(torch.tensor(-((8 / 9) ** 2) / 2).exp().item())


def test_the_mean_map_is_the_mean_of_positive_parts_of_equal_weight():
    maps = torch.tensor([[[4.0, 0], [0, -9]], [[1, 1], [1, 1]], [[-1, -1], [-1, -1]], [[torch.nan, 1], [1, 1]]])
    found = mean_map(maps)(torch.zeros(3, 3, 2, 2), [0, 1, 2])
    expected = torch.tensor([[1 + 0.25, 0.25], [0.25, 0.25]]) / 2  # of the first two: the others point nowhere
    assert found.shape == (3, 2, 2) and torch.allclose(found, expected.expand(3, 2, 2))


def test_where_no_map_points_anywhere_the_mean_map_is_zero():
    assert not mean_map(-torch.ones(2, 3, 3))(torch.zeros(1, 3, 6, 6), [0]).any()
