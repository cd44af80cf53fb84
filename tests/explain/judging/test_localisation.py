"""Shares by hand, and GridPG from its definition on a model whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.judging.controls import CONTROLS
from sightline.explain.judging.localisation import (
    assemble,
    choose_mosaics,
    gridpg,
    mosaic_cells,
    positive_share,
    tag_minus_decoy,
)


class ReadsColours(nn.Module):
    """Four channels, four classes: the logit of a class is the mean of its channel, at any size."""

    def __init__(self):
        super().__init__()
        self.colours = nn.Conv2d(4, 4, 1, bias=False)
        self.fc = nn.Linear(4, 4, bias=False)
        self.colours.weight.data = torch.eye(4).reshape(4, 4, 1, 1)
        self.fc.weight.data = torch.eye(4)

    def forward(self, x):
        return self.fc(self.colours(x).mean(dim=(2, 3)))


def mosaic_maps(images, classes):
    """HiResCAM of every cell's class, M×4×2H×2W, and the mosaics."""
    mosaics = assemble(images)
    return layer_attributions(ReadsColours(), mosaics, ["colours"], classes, "hirescam")["colours"], mosaics


def plain_images(strays=0.0):
    """One mosaic of 2×2-pixel images, the image of class k bright in channel k; that of class 0 also in channel 1."""
    images = torch.zeros(1, 4, 4, 2, 2)
    for k in range(4):
        images[0, k, k] = 1
    images[0, 0, 1] = strays
    return images


def by_definition(maps):
    """Rao et al. 2022: Σ of the positive attribution in the right cell over Σ in all, pixel by pixel."""
    scores = []
    for mosaic in maps.tolist():
        for k, values in enumerate(mosaic):
            side, right, total = len(values), 0.0, 0.0
            for y, row in enumerate(values):
                for x, value in enumerate(row):
                    total += max(value, 0)
                    if (y >= side // 2) * 2 + (x >= side // 2) == k:
                        right += max(value, 0)
            scores.append(right / total)
    return np.reshape(scores, (-1, 4)).mean(axis=1)


def test_a_mosaic_stands_row_by_row():
    images = torch.arange(4).reshape(1, 4, 1, 1, 1).expand(1, 4, 2, 3, 3)
    mosaic = assemble(images)
    assert mosaic.shape == (1, 2, 6, 6)
    for channel in mosaic[0]:
        assert channel.tolist() == [[0, 0, 0, 1, 1, 1]] * 3 + [[2, 2, 2, 3, 3, 3]] * 3
    assert [cells.nonzero()[0].tolist() for cells in mosaic_cells(torch.Size([6, 6]))] == [
        [0, 0],
        [0, 3],
        [3, 0],
        [3, 3],
    ]


def test_a_map_of_what_the_model_reads_lies_in_the_right_cell():
    maps, _ = mosaic_maps(plain_images(), torch.arange(4)[None])
    assert gridpg(maps).tolist() == [1.0]


def test_what_speaks_for_the_class_in_another_cell_counts_against_the_map():
    maps, _ = mosaic_maps(plain_images(strays=0.5), torch.arange(4)[None])
    # Class 1 has 4 × 1 in its cell and 4 × 0.5 in that of class 0: two thirds. The others have all of theirs.
    assert gridpg(maps).item() == pytest.approx((1 + 2 / 3 + 1 + 1) / 4)


def test_gridpg_is_its_definition_pixel_by_pixel():
    images = torch.randn(5, 4, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    maps, _ = mosaic_maps(images, torch.arange(4).expand(5, 4))
    np.testing.assert_allclose(gridpg(maps), by_definition(maps), rtol=1e-5)


@pytest.mark.parametrize("name", CONTROLS)
def test_a_map_that_knows_no_class_has_exactly_a_quarter(name):
    images = torch.randn(3, 4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    maps = CONTROLS[name](assemble(images), range(3))[:, None].expand(-1, 4, -1, -1)
    assert gridpg(maps).tolist() == pytest.approx([0.25] * 3)


def test_the_share_counts_what_is_positive():
    maps = torch.tensor([[[3.0, 1], [-8, 0]], [[-1, -2], [0, 0]], [[torch.nan, 1], [1, 1]], [[torch.inf, 1], [1, 1]]])
    places = torch.tensor([[True, False], [True, False]]).expand(4, 2, 2)
    shares = positive_share(maps, places)
    assert shares[:2].tolist() == [0.75, 0] and shares[2:].isnan().all()


def test_a_perfect_mask_is_told_from_the_random_control():
    masks = torch.zeros(20, 8, 8, dtype=torch.bool)
    masks[:, 2:4, 2:6] = True
    random = CONTROLS["random"](torch.zeros(20, 3, 8, 8), range(20))
    assert positive_share(masks.float(), masks).tolist() == [1] * 20
    assert positive_share(random, masks).mean().item() == pytest.approx(8 / 64, abs=0.02)
    decoys = masks.roll(4, 1)
    assert tag_minus_decoy(masks.float(), masks, decoys).tolist() == [1] * 20
    assert tag_minus_decoy((masks | decoys).float(), masks, decoys).tolist() == [0] * 20
    assert tag_minus_decoy(random, masks, decoys).mean().item() == pytest.approx(0, abs=0.03)


def test_mosaics_are_of_four_classes_right_and_among_the_more_confident_half(random_numbers):
    labels = np.repeat(np.arange(6), 10)
    predicted = labels.copy()
    predicted[::10] = (labels[::10] + 1) % 6  # the first of every class is wrong
    confidence = random_numbers.random(60)
    mosaics = choose_mosaics(labels, predicted, confidence, 50)
    assert mosaics.shape == (50, 4) and np.array_equal(mosaics, choose_mosaics(labels, predicted, confidence, 50))
    for mosaic in mosaics:
        assert len(set(labels[mosaic])) == 4 and (labels[mosaic] == predicted[mosaic]).all()
        for row in mosaic:
            others = np.flatnonzero((labels == labels[row]) & (predicted == labels))
            assert (confidence[others] > confidence[row]).sum() < 5  # of nine
    assert set(mosaics[:, 0]) != set(mosaics[:, 3])
    assert np.array_equal(choose_mosaics(labels, predicted, confidence, 20), mosaics[:20])  # more go on behind them


def test_without_four_classes_there_are_no_mosaics():
    labels = np.repeat(np.arange(4), 2)
    wrong = np.where(labels == 3, 0, labels)
    assert choose_mosaics(labels, wrong, np.ones(8), 5).shape == (0, 4)
    assert choose_mosaics(labels, labels, np.ones(8), 5).shape == (5, 4)
