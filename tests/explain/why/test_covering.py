"""Covering on a network that answers by one patch: without it, and only without it, its mistakes become right."""

import numpy as np
import pytest
import torch
from torch import nn

from sightline.explain.why import covering
from sightline.explain.why.covering import confirm
from sightline.run_store.comparison import mcnemar
from sightline.run_store.patterns import DISCOVERED, TESTED, Attended, Pattern, Patterns
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from tests.explain.test_precompute import make_run

IMAGES, SIDE, PATCH = 40, 20, (slice(4, 8), slice(12, 16))


class ByThePatch(nn.Module):
    """Takes for class 1 what is white in PATCH, else for class 0."""

    def forward(self, images):
        white = images[:, 0, *PATCH].mean(dim=(1, 2)) > 0.5
        return torch.nn.functional.one_hot(white.long(), 5).float()


@pytest.fixture
def run(tmp_path):
    """Black images with a white patch, all of class 0 and taken for class 1."""
    pixels = np.zeros((IMAGES, SIDE, SIDE, 3), np.uint8)
    pixels[:, *PATCH] = 255
    made = make_run(tmp_path / "some", pixels, SIDE)
    with RunWriter.reopen(made.path, made.record) as writer:
        logits = np.eye(5, dtype=np.float32)[np.ones(IMAGES, int)]
        writer.complete(predictions_table(logits, np.zeros(IMAGES, int), None), np.zeros((IMAGES, 1)))
    return Run(made.path)


def hot(place):
    maps = np.zeros((IMAGES, SIDE, SIDE), np.float32)
    rows, columns = place
    maps[:, max(0, rows.start - 1) : rows.stop + 1, max(0, columns.start - 1) : columns.stop + 1] = 1
    return maps


def patterns(*, numbers, half):
    attended = Attended((0, 0, 0), 0, 0, (0, 0), 0)
    found = tuple(
        Pattern(number, "pattern", 9, 9, 9, 1, 1, 1, 0, 0, 0, 0, 1, 1, attended) for number in sorted({*numbers} - {-1})
    )
    return Patterns("layer4", "gradcam", 2, "00", found, np.array(numbers), np.array(half, np.int8))


def test_mistakes_become_right_without_what_made_them(run):
    found = patterns(numbers=[1] * 30 + [-1] * 10, half=[TESTED] * 25 + [DISCOVERED] * 15)
    (one,) = confirm(run, ByThePatch(), found, hot(PATCH)).patterns
    assert (one.covered.mistakes, one.covered.right) == (25, 25)
    assert one.covered.right_at_random < 10
    assert one.covered.p_value == mcnemar(25 - one.covered.right_at_random, 0)


def test_covering_another_place_changes_nothing(run):
    found = patterns(numbers=[1] * IMAGES, half=[TESTED] * IMAGES)
    (one,) = confirm(run, ByThePatch(), found, hot((slice(12, 16), slice(2, 6)))).patterns
    assert (one.covered.mistakes, one.covered.right) == (40, 0)


def test_each_pattern_has_its_own_mistakes_and_the_same_ones_every_time(run):
    found = patterns(numbers=[1] * 12 + [2] * 28, half=[TESTED] * IMAGES)
    maps = hot(PATCH)
    maps[:12] = hot((slice(12, 16), slice(2, 6)))[:12]
    first, second = (one.covered for one in confirm(run, ByThePatch(), found, maps).patterns)
    assert (first.mistakes, first.right) == (12, 0) and (second.mistakes, second.right) == (28, 28)
    assert [one.covered for one in confirm(run, ByThePatch(), found, maps).patterns] == [first, second]


def test_at_most_fifty_are_tried_and_of_large_images_fewer(run, monkeypatch):
    found = patterns(numbers=[1] * IMAGES, half=[TESTED] * IMAGES)
    monkeypatch.setattr(covering, "MOST_MISTAKES", 15)
    assert confirm(run, ByThePatch(), found, hot(PATCH)).patterns[0].covered.mistakes == 15
    monkeypatch.setattr(covering, "_PIXELS", 1)
    assert confirm(run, ByThePatch(), found, hot(PATCH)).patterns[0].covered.mistakes == covering.FEWEST_MISTAKES


def test_where_no_pattern_was_found_nothing_is_covered(run):
    found = patterns(numbers=[-1] * IMAGES, half=[TESTED] * IMAGES)
    assert confirm(run, None, found, hot(PATCH)) is found
