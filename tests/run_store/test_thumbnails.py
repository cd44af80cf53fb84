"""What a run keeps of its images."""

import numpy as np

from sightline.run_store.thumbnails import thumbnails


def test_images_up_to_96_pixels_are_kept_as_they_are_and_larger_ones_averaged(tiny_data, random_numbers):
    assert thumbnails(tiny_data.test.images) is tiny_data.test.images
    large = random_numbers.integers(0, 256, (2, 192, 192, 3), dtype=np.uint8)
    means = large.reshape(2, 96, 2, 96, 2, 3).mean(axis=(2, 4))  # a box of 2×2 pixels becomes one
    found = thumbnails(large)
    assert (found.shape, found.dtype) == ((2, 96, 96, 3), np.uint8)
    np.testing.assert_allclose(found[:], means, atol=1)
    np.testing.assert_array_equal(found[1], found[:][1])
