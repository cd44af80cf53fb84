"""The statistics of the benchmarks' own."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmarks.badge_calibration import best_overlap, cielab, share_moved
from benchmarks.calibration import error_rates
from benchmarks.check_calibration import guided_backpropagation
from benchmarks.shortcut_methods import permutation_p


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
