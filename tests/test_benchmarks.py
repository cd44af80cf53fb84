"""The statistics of the benchmarks' own."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmarks.badge_calibration import best_overlap, cielab, share_moved
from benchmarks.calibration import error_rates
from benchmarks.check_calibration import guided_backpropagation
from benchmarks.shortcut_methods import permutation_p
from benchmarks.trust_verdicts import WAYS, images_of, replay, share_held
from benchmarks.why import most_frequent_share, tag_hues
from sightline.explain.judging.controls import CONTROLS
from sightline.explain.judging.sample import Sample
from sightline.image_data.planted_shapes import GREY, patch_colours
from sightline.image_data.splits import DECOY, TAG


@pytest.mark.parametrize(
    ("honest", "shortcut", "expected"),
    [
        ([0, 1], [2, 3], 1 / 6),  # of six pairs, only {2, 3} sums to 5
        ([0, 3], [1, 2], 4 / 6),  # {1, 2}, {0, 3}, {1, 3}, {2, 3} sum to 3 or more
        ([1, 1, 1], [1, 1, 1], 1),
    ],
)
def test_the_permutation_test_counts_the_ways_that_are_as_extreme(honest, shortcut, expected):
    assert permutation_p(np.array(honest, float), np.array(shortcut, float)) == pytest.approx(expected)


def test_false_alarms_are_of_what_does_not_hold_and_misses_of_what_does():
    flagged, holds = np.array([1, 1, 0, 0, 0], bool), np.array([1, 0, 0, 0, 1], bool)
    assert error_rates(flagged, holds) == (1 / 3, 1 / 2)


def test_the_overlap_is_that_at_the_best_level():
    masks = torch.tensor([[[True, True], [False, False]]]).expand(2, -1, -1)
    maps = torch.tensor([[[3.0, 2], [1, 0]], [[1, 2], [3, 0]]])
    assert best_overlap(maps, masks).tolist() == pytest.approx([1, 2 / 3])  # the second: all three of the warm ones


def test_what_moves_is_the_share_of_the_positive_map_that_changes_sides():
    maps = torch.tensor([[[[3.0, -9, 1, 0]], [[1.0, 0, 3, -9]]], [[[1.0, 0, 0, 1]], [[1.0, 0, 0, 1]]]])
    assert share_moved(maps) == pytest.approx((0.5 + 0) / 2)


def test_colours_have_the_coordinates_that_the_standard_gives_them():
    colours = cielab(np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0]], np.uint8))
    np.testing.assert_allclose(colours, [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]], atol=0.02)


def test_guided_backpropagation_passes_only_what_is_positive_through_units_that_are_on():
    class Network(nn.Module):
        def forward(self, images):
            units = functional.relu(images.flatten(1))  # of four pixels, the last is off
            return torch.stack([units @ torch.tensor([2.0, -3, 0, 5]), units.sum(dim=1)], dim=1)

    image = torch.tensor([[[[1.0, 1], [1, -1]]]])
    assert guided_backpropagation(Network(), image, torch.tensor([0])).tolist() == [[[2, 0], [0, 0]]]


def test_a_replay_stops_where_the_rule_has_decided():
    run = SimpleNamespace(record=SimpleNamespace(input_size=32))
    sample = Sample(run, np.arange(500), None, None, np.empty((0, 4), int), None)
    rng = np.random.default_rng(0)
    leads = {"far above": 0.5, "far below": -0.5, "hardly above": 0.02}  # the least lead is 0.01
    values = {(control, "input"): np.zeros(500) for control in CONTROLS}
    values |= {("gradcam", layer): lead + rng.normal(0, 0.2, 500) for layer, lead in leads.items()}
    report = replay(sample, {kind: {"road_gap": found, "blur_gap": found} for kind, found in values.items()})
    images = images_of(report, "road_gap")
    assert [images["gradcam", layer] for layer in leads] == [50, 50, 500]
    np.testing.assert_array_equal(
        report.values["gradcam", "hardly above"]["road_gap"], values["gradcam", "hardly above"]
    )


@pytest.mark.parametrize("way", WAYS)
def test_intervals_that_miss_the_mean_at_the_first_look_do_not_hold(way):
    rare = np.zeros(500)
    rare[0] = 500  # not among the first 25 in 95 % of the orders: the interval is from 0 to 0, and the mean is 1
    assert share_held(rare, 1, way, repeats=100, seed=0) < 0.15
    assert share_held(np.linspace(0, 1, 500), 1, way, repeats=100, seed=0) > 0.9


def test_the_hue_of_a_tag_is_read_from_its_pixels_alone():
    images, masks = np.full((11, 4, 4, 3), 255, np.uint8), np.full((11, 4, 4), DECOY, np.uint8)
    masks[:, 1:3, 1:3] = TAG
    images[:, 1:3, 1:3] = np.rint(255 * patch_colours()[0])[:, None, None]
    images[:, 1, 1] -= 9  # texture
    assert tag_hues(images, masks).tolist() == [*range(GREY), GREY]


def test_the_most_frequent_hue_is_counted_among_all_images_also_those_with_a_grey_tag():
    assert most_frequent_share(np.array([3, 3, 1, GREY, GREY, GREY])) == 2 / 6
    assert most_frequent_share(np.array([GREY])) == 0
