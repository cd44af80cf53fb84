"""What a run keeps of its images."""

from dataclasses import replace

import numpy as np

from sightline.image_data import ImageSplit
from sightline.run_store.thumbnails import kept_images, thumbnails


def test_images_up_to_96_pixels_are_kept_as_they_are_and_larger_ones_averaged(tiny_data, random_numbers):
    assert thumbnails(tiny_data.test.images) is tiny_data.test.images
    large = random_numbers.integers(0, 256, (2, 192, 192, 3), dtype=np.uint8)
    means = large.reshape(2, 96, 2, 96, 2, 3).mean(axis=(2, 4))  # a box of 2×2 pixels becomes one
    found = thumbnails(large)
    assert (found.shape, found.dtype) == ((2, 96, 96, 3), np.uint8)
    np.testing.assert_allclose(found[:], means, atol=1)
    np.testing.assert_array_equal(found[1], found[:][1])


def test_images_that_no_file_has_and_those_with_masks_are_kept_as_the_model_sees_them():
    images, labels = np.zeros((1, 128, 128, 3), np.uint8), np.zeros(1, np.int64)
    split = ImageSplit(images, labels, ("cat",), "")
    masks = np.ones((1, 128, 128), np.uint8)
    assert kept_images(split) is images
    assert kept_images(replace(split, masks=masks, paths=("/a.png",))) is images
    assert kept_images(replace(split, paths=("/a.png",))).shape == (1, 96, 96, 3)
