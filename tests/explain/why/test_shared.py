"""What images share: colours, sizes and places that are known because they were put there."""

import numpy as np
import pytest
from PIL import Image

from sightline.explain.why.shared import enlarge, find_shared, normalised_heat, usual_colours

RED, GREY = (220, 30, 60), (100, 100, 100)


def patches(places, side=16, patch=4):
    """A red patch on grey at each place (left, top), in pixels, and a map of one value a pixel that marks it."""
    images = np.full((len(places), side, side, 3), GREY, np.uint8)
    maps = np.full((len(places), side, side), -0.5)
    for image, values, (left, top) in zip(images, maps, places, strict=True):
        image[top : top + patch, left : left + patch] = RED
        values[top : top + patch, left : left + patch] = 3
    return images, maps


def test_colour_size_and_place_are_those_of_the_marked_patches():
    found = find_shared(*patches([(2, 6), (10, 6)])).attended
    assert found.colour == pytest.approx(RED, abs=1e-3)
    assert found.excess == pytest.approx(1 - 1 / 16)
    assert found.size == (4 * 4) / (16 * 16)
    assert found.place == pytest.approx((8 / 16, 8 / 16))
    assert found.spread == pytest.approx(4 / 16)


def test_the_colour_is_the_one_that_stands_out_where_a_map_is_wider_than_what_it_marks():
    images, _ = patches([(4, 4)])
    wide = np.zeros((1, 4, 4))
    wide[0, :2, :2] = 1  # four cells, and the patch fills one
    found = find_shared(images, wide).attended
    assert found.colour == pytest.approx(RED, abs=1e-3) and found.stands_out


def test_a_colour_of_whole_images_stands_out_from_those_of_others():
    grey, maps = patches([(2, 6)])
    red = np.full_like(grey, RED)
    assert find_shared(red, maps).attended.excess == 0
    found = find_shared(red, maps, usual_colours(np.concatenate([red, grey]))).attended
    assert (found.colour, found.excess) == (pytest.approx(RED), pytest.approx(1 - (1 + 1 / 16) / 2))


def test_colours_of_many_images_are_counted_a_part_at_a_time(random_numbers, monkeypatch):
    images = random_numbers.integers(0, 256, (7, 8, 8, 3)).astype(np.uint8)
    at_once = usual_colours(images)
    monkeypatch.setattr("sightline.explain.why.shared._PIXELS_AT_ONCE", 2 * 8 * 8)
    assert np.array_equal(usual_colours(images), at_once) and at_once.sum() == pytest.approx(1)


def test_white_is_no_whiter_than_white(random_numbers):
    white, maps = np.full((40, 32, 32, 3), 255, np.uint8), random_numbers.random((40, 4, 4))
    colour = find_shared(white, maps).attended.colour
    assert colour == pytest.approx((255, 255, 255)) and max(colour) <= 255  # shares may add up to more than 1


def test_images_in_one_place_have_no_spread():
    assert find_shared(*patches([(2, 6), (2, 6)])).attended.spread == 0


def test_the_mean_image_and_the_mean_map_are_means():
    images, maps = patches([(0, 0), (8, 8)])
    found = find_shared(images, maps)
    assert found.image[0, 0].tolist() == [160, 65, 80] and found.image[5, 5].tolist() == [*GREY]
    assert found.map.sum() == pytest.approx(1) and found.map[0, 0] == pytest.approx(1 / 32)


def test_every_image_counts_alike_however_strong_its_map_is():
    images, maps = patches([(0, 0), (8, 8)])
    images[0, :4, :4] = 0
    maps[0] *= 1e30
    found = find_shared(images, maps).attended  # black has the heat of one, red that of the other
    assert (found.colour, found.excess) == ((0, 0, 0), pytest.approx(1 / 2 - 1 / 32))


@pytest.mark.parametrize("nothing", [0.0, -1.0, np.nan, np.inf])
def test_a_map_that_points_nowhere_counts_evenly(nothing):
    images, maps = patches([(2, 6)])
    maps[:] = -1
    maps[0, 0, 0] = nothing
    found = find_shared(images, maps).attended
    assert (found.size, found.place, found.excess) == (1, pytest.approx((0.5, 0.5)), pytest.approx(0, abs=1e-6))
    assert not found.stands_out


def test_many_images_are_looked_at_part_by_part(monkeypatch):
    images, maps = patches([(0, 0), (4, 8), (8, 2)])
    at_once = find_shared(images, maps)
    monkeypatch.setattr("sightline.explain.why.shared._PIXELS_AT_ONCE", 1)
    one_by_one = find_shared(images, maps)
    assert one_by_one.attended == at_once.attended and np.array_equal(one_by_one.image, at_once.image)


def test_no_images_share_nothing():
    with pytest.raises(ValueError, match="No images"):
        find_shared(np.zeros((0, 4, 4, 3), np.uint8), np.zeros((0, 2, 2)))


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (5, 7), (96, 90), (3, 2)])
def test_enlarging_is_pillows(size):
    values = np.random.default_rng(0).random((1, 7, 8)).astype(np.float32)
    expected = np.asarray(Image.fromarray(values[0]).resize(size[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_allclose(enlarge(values, size)[0], expected, atol=1e-6)


def test_the_heat_of_the_largest_numbers_is_finite():
    heat = normalised_heat(np.full((1, 2, 2), 3e38, np.float32))
    assert heat.tolist() == [[[0.25, 0.25], [0.25, 0.25]]]
