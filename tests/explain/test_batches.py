"""Many things at a time: all of them, in order, and never more than allowed."""

import numpy as np
import pytest

from sightline.explain.batches import IMAGE_MEMORY, batches, image_batches


@pytest.mark.parametrize(
    ("count", "bytes_each", "most", "lengths"),
    [
        (10, 25, None, [4, 4, 2]),  # four of 25 bytes are 100
        (10, 25, 3, [3, 3, 3, 1]),
        (3, 1, None, [3]),
        (2, 1000, None, [1, 1]),  # more than the memory: one by one
        (0, 25, None, []),
    ],
)
def test_a_batch_is_as_long_as_its_memory_and_its_limit_allow(count, bytes_each, most, lengths):
    parts = list(batches(count, bytes_each, 100, most))
    assert [len(range(count)[part]) for part in parts] == lengths
    assert [place for part in parts for place in range(count)[part]] == list(range(count))


@pytest.mark.parametrize("side", [8, 32, 224, 1024])
def test_images_in_memory_are_bounded_whatever_their_side(side):
    parts = [np.arange(10_000)[part] for part in image_batches(10_000, side, most=4096)]
    assert np.array_equal(np.concatenate(parts), np.arange(10_000))
    uint8, float32 = (np.empty((len(parts[0]), 3, side, side), dtype).nbytes for dtype in (np.uint8, np.float32))
    assert uint8 + float32 <= IMAGE_MEMORY and len(parts[0]) <= 4096
