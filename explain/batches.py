"""Many images at a time, but never more than fit into the memory."""

from collections.abc import Iterator

IMAGE_MEMORY = 64 * 2**20  # bytes of images at once; the engine divides them further, by what their activations take
FORWARD_PIXELS = 2**21  # of images that go forward at once: 41 of 224×224, whose activations take some 100 megabytes
BYTES_A_VALUE = 5  # of an image: uint8 and float32


def batches(count: int, bytes_each: int, memory: int, most: int | None = None) -> Iterator[slice]:
    """Yield the slices of `count` things that fit `memory` bytes, `most` of them at once, but always one at least.

    >>> list(batches(5, bytes_each=40, memory=100))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, min(memory // bytes_each, count if most is None else most))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def image_batches(count: int, side: int, most: int) -> Iterator[slice]:
    """Yield the slices of `count` RGB images, `side` pixels wide and high, that fit IMAGE_MEMORY, `most` at once."""
    return batches(count, side * side * 3 * BYTES_A_VALUE, IMAGE_MEMORY, most)
