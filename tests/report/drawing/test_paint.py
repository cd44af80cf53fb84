"""Maps as pictures. The colours are the published ends of matplotlib's scales; the positions are computed by hand."""

import numpy as np
import pytest
from matplotlib import colormaps

from sightline.report.drawing.map_settings import COLOURS, SIGNS, colours_for
from sightline.report.drawing.paint import extremes, overlay, paint, strongest

INFERNO = {"low": (0, 0, 4), "high": (252, 255, 164)}  # (0.0015, 0.0005, 0.0139) and (0.9884, 0.9984, 0.6449)
RED_BLUE = {"low": (5, 48, 97), "middle": (247, 247, 247), "high": (103, 0, 31)}  # ColorBrewer's RdBu, turned round


def picture(height=4, width=4):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def drawn(values, sign="positive", cells="true", colours="inferno", opacity=1.0, image=None, largest=None):
    image = picture() if image is None else image
    how = {"sign": sign, "cells": cells, "colours": colours, "opacity": opacity, "largest": largest}
    return overlay(image, np.array(values, np.float32), **how)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("cells", ["true", "smooth"])
def test_at_opacity_0_the_image_is_left_as_it_is(sign, cells):
    image = picture()
    np.testing.assert_array_equal(drawn([[1, -2], [0, 4]], sign, cells, COLOURS[sign][0], 0.0, image), image)


def test_at_opacity_1_every_cell_is_a_square_in_the_colour_of_its_value():
    result = drawn([[0, 1], [2, 4]])
    for row, column, value in ((0, 0, 0.0), (0, 1, 0.25), (1, 0, 0.5), (1, 1, 1.0)):
        square = result[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert (square == np.rint(255 * np.array(colormaps["inferno"](value)[:3]))).all()
    assert tuple(result[0, 0]) == INFERNO["low"] and tuple(result[3, 3]) == INFERNO["high"]


def test_in_between_image_and_colour_are_mixed():
    grey = np.full((1, 1, 3), 100, np.uint8)
    # half of 100 and half of (252, 255, 164)
    assert drawn([[3]], opacity=0.5, image=grey).tolist() in ([[[176, half, 132]]] for half in (177, 178))


def test_a_positive_map_is_cut_at_zero_and_scaled_to_its_own_maximum():
    result = drawn([[-9, 0], [0.001, 0.002]])
    assert tuple(result[0, 0]) == tuple(result[0, 3]) == INFERNO["low"]
    assert tuple(result[3, 3]) == INFERNO["high"]


def test_a_signed_map_has_zero_in_the_middle_and_the_largest_magnitude_at_an_end():
    result = drawn([[-4, 0], [2, 1]], "signed", colours="RdBu_r").astype(int)
    assert tuple(result[0, 0]) == RED_BLUE["low"]
    assert np.abs(result[0, 3] - RED_BLUE["middle"]).max() <= 2  # 256 colours have no exact middle
    assert result[3, 0, 0] > result[3, 0, 2] and result[3, 3, 0] > result[3, 3, 2]  # positive is red …
    assert result[3, 3].sum() > result[3, 0].sum() > sum(RED_BLUE["high"])  # … paler for less, and +4 does not occur
    assert tuple(drawn([[-1, 4]], "signed", colours="RdBu_r")[0, 3]) == RED_BLUE["high"]


@pytest.mark.parametrize("cells", ["true", "smooth"])
def test_a_map_of_zeros_has_one_colour(cells):
    assert (drawn(np.zeros((2, 2)), cells=cells) == INFERNO["low"]).all()
    middle = drawn(np.zeros((2, 2)), "signed", cells, "RdBu_r").astype(int)
    assert len(np.unique(middle.reshape(-1, 3), axis=0)) == 1
    assert np.abs(middle - RED_BLUE["middle"]).max() <= 2


def test_cells_need_not_be_square():
    result = drawn([[0, 0, 1]], image=picture(4, 6))
    assert result.shape == (4, 6, 3)
    assert (result[:, :4] == INFERNO["low"]).all() and (result[:, 4:] == INFERNO["high"]).all()


@pytest.mark.parametrize("value, colour", [(2.0, "high"), (-2.0, "low"), (0.0, "low")])
@pytest.mark.parametrize("cells", ["true", "smooth"])
def test_a_single_cell_covers_the_image(value, colour, cells):
    assert (drawn([[value]], cells=cells) == INFERNO[colour]).all()


def test_smooth_cells_go_over_into_each_other_without_leaving_the_scale():
    # the green of viridis rises all the way, from 1 to 231
    green = drawn([[0, 1]], cells="smooth", colours="viridis", image=picture(2, 32))[0, :, 1].astype(int)
    assert len(np.unique(green)) > 8 and (np.diff(green) >= 0).all()
    assert green[0] == 1 and green[-1] == 231


def test_maps_of_half_precision_are_drawn_alike():
    values = np.array([[0.5, -1], [0.25, 2]], np.float16)
    as_single = values.astype(np.float32)
    for sign in SIGNS:
        how = {"sign": sign, "cells": "smooth", "colours": COLOURS[sign][0], "opacity": 0.6}
        np.testing.assert_array_equal(overlay(picture(), values, **how), overlay(picture(), as_single, **how))


def test_on_a_shared_scale_a_map_has_the_colours_of_its_share():
    half = np.rint(255 * np.array(colormaps["inferno"](0.5)[:3]))
    assert (drawn([[2]], largest=4.0) == half).all()
    assert tuple(drawn([[-4]], "signed", colours="RdBu_r", largest=4.0)[0, 0]) == RED_BLUE["low"]
    assert (drawn([[9]], largest=4.0) == INFERNO["high"]).all()  # what is above the scale has its last colour


def test_a_picture_for_the_browser_has_one_pixel_a_cell_or_is_smooth():
    values = np.array([[0, 1], [2, 4]], np.float32)
    how = {"sign": "positive", "colours": "inferno", "largest": 4.0}
    cells, smooth = paint(values, cells="true", **how), paint(values, cells="smooth", **how)
    assert cells.size == (2, 2) and cells.convert("RGB").getpixel((1, 1)) == INFERNO["high"]
    assert smooth.size == (160, 160) and len(smooth.getcolors()) > 100
    assert cells.mode == smooth.mode == "P"


@pytest.mark.parametrize(
    "values, sign, largest",
    [
        ([[1, -3]], "positive", 1.0),
        ([[1, -3]], "signed", 3.0),
        ([[-1, -3]], "positive", 0.0),
        ([[1, np.nan]], "signed", 0.0),
    ],
)
def test_the_strongest_value_is_the_maximum_or_of_a_signed_map_the_largest_magnitude(values, sign, largest):
    assert strongest(np.array(values, np.float32), sign) == largest


@pytest.mark.parametrize(
    "values, sign, words",
    [
        ([[1, 0.123456]], "positive", "max 1"),
        ([[-2, 0.123456]], "positive", "max 0.123"),
        ([[-2, 0.123456]], "signed", "−2 to 0.123"),
        ([[-2, -1]], "positive", "max −1"),
        ([[0, 0]], "signed", "0 to 0"),
        ([[1, np.nan]], "positive", ""),
        ([[np.inf]], "signed", ""),
    ],
)
def test_the_raw_extremes_are_said_in_words(values, sign, words):
    assert extremes(np.array(values, np.float32), sign) == words


def test_colours_that_do_not_fit_the_sign_give_way_to_the_first_that_do():
    assert colours_for("positive", "viridis") == "viridis"
    assert colours_for("positive", "RdBu_r") == colours_for("positive", None) == "inferno"
    assert colours_for("signed", "viridis") == "RdBu_r"


@pytest.mark.parametrize("colours", COLOURS["signed"])
def test_every_signed_scale_has_a_pale_middle(colours):
    ends, middle = colormaps[colours]([0.0, 1.0])[:, :3], colormaps[colours](0.5)[:3]
    assert min(middle) > 0.9 and ends.mean(axis=1).max() < 0.5
