"""Examples of Trust: a mosaic is laid out as it was measured, and the cell of the map's class is framed."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.app.views.trust.examples import as_mosaic, examples_of, paint_example
from sightline.explain.judging.localisation import assemble
from sightline.run_store.run import Run


@pytest.fixture
def run(fabricated):
    return Run(fabricated)


def test_a_mosaic_is_laid_out_as_it_was_measured(random_numbers):
    images = random_numbers.integers(0, 256, (4, 5, 5, 3), dtype=np.uint8)
    measured = assemble(torch.from_numpy(images).permute(0, 3, 1, 2)[None])[0]
    assert np.array_equal(as_mosaic(images), measured.permute(1, 2, 0).numpy())


def test_each_image_of_a_mosaic_is_an_example_of_its_class_in_its_cell(run):
    found = examples_of(run, [1, 2, 3, 4], is_mosaic=True)
    assert [(one.code, one.framed) for one in found] == [(1, 0), (2, 1), (0, 2), (1, 3)]
    assert len({id(one.subject) for one in found}) == 1 and found[0].subject.pixels.shape == (64, 64, 3)


def test_examples_of_a_measure_of_images_are_of_their_predicted_classes(run):
    found = examples_of(run, [1, 5], is_mosaic=False)
    assert [(one.subject.image, one.code, one.framed) for one in found] == [(1, 1, None), (5, 0, None)]


def test_a_mosaic_is_framed_where_the_class_is_and_nowhere_else(random_numbers):
    pixels, nothing = random_numbers.integers(0, 256, (64, 64, 3), dtype=np.uint8), np.zeros((4, 4), np.float32)
    appearance = ("positive", "true", "inferno", 0)
    plain, framed = (decoded(paint_example(pixels, nothing, appearance, place)) for place in (None, 3))
    changed = (plain != framed).any(axis=2)
    half = len(changed) // 2
    assert changed[half:, half:].mean() > 0.1 and not changed[:half].any() and not changed[:, :half].any()
    assert not changed[half + 20 : -20, half + 20 : -20].any()


def decoded(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def test_a_map_that_is_not_finite_leaves_its_image(random_numbers):
    pixels, values = random_numbers.integers(0, 256, (64, 64, 3), dtype=np.uint8), np.full((4, 4), np.nan, np.float32)
    found = (paint_example(pixels, values, ("positive", "true", "inferno", opacity), None) for opacity in (0, 60))
    assert len(set(found)) == 1
