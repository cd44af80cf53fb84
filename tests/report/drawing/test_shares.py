"""How much of a map lies on what a mask says is there."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sightline.report.drawing.cells import Cell, Row
from sightline.report.drawing.shares import shares_on, with_shares

ROW = Row("predicted", "Predicted", "cat", (0, None), "positive")
CORNERS = np.array([[1, 2], [4, 0]], np.uint8)  # object, tag / decoy, nothing


def test_the_share_is_that_of_the_positive_values_inside_the_mask():
    """6 + 3 + 1 are positive: 60 % on the object, 30 % on the tag, 10 % on nothing, and what is negative counts not."""
    cell = Cell("layer4", ROW, np.array([[6, 3], [-5, 1]], np.float32))
    assert dict(with_shares([[cell]], CORNERS)[0][0].shares) == pytest.approx({"object": 0.6, "tag": 0.3, "decoy": 0})


def test_a_pixel_that_is_both_counts_for_both():
    assert dict(with_shares([[Cell("l", ROW, np.ones((1, 1)))]], np.full((2, 2), 3, np.uint8))[0][0].shares) == {
        "object": 1.0,
        "tag": 1.0,
    }


def test_a_coarse_map_is_enlarged_to_the_mask():
    """Of one cell all pixels are alike: half of them are inside."""
    places = {"object": np.array([[True, False]] * 4)}
    assert shares_on(np.array([[2.0]]), places) == (("object", 0.5),)


def test_what_is_not_in_the_image_has_no_share_and_a_map_without_positive_values_none_at_all():
    cell = Cell("layer4", ROW, np.ones((2, 2), np.float32))
    assert [name for name, _ in with_shares([[cell]], CORNERS & 1)[0][0].shares] == ["object"]
    for values in (-np.ones((2, 2)), np.full((2, 2), np.nan)):
        assert with_shares([[replace(cell, values=values)]], CORNERS)[0][0].shares == ()


def test_a_map_that_is_not_there_yet_has_the_place_of_its_shares_kept():
    ((cell,),) = with_shares([[Cell("layer4", ROW)]], CORNERS)
    assert [name for name, _ in cell.shares] == ["object", "tag", "decoy"]
    assert all(math.isnan(share) for _, share in cell.shares)


def test_it_is_what_trust_measures_up_to_how_the_map_is_enlarged():
    import torch

    from sightline.explain.attribution.engine import upsample
    from sightline.explain.judging.localisation import positive_share

    rng = np.random.default_rng(0)
    values, place = rng.normal(size=(4, 4)).astype(np.float32), rng.random((32, 32)) < 0.3
    enlarged = upsample(torch.from_numpy(values)[None, None], (32, 32))[:, 0]
    expected = positive_share(enlarged, torch.from_numpy(place)[None]).item()
    assert dict(shares_on(values, {"tag": place}))["tag"] == pytest.approx(expected, abs=0.02)
