"""Images that are looked up when they are asked for, and read in chunks."""

import numpy as np
import pytest

from sightline.image_data import images
from sightline.image_data.images import Rows, in_chunks

WHOLE = np.arange(7 * 2 * 2 * 3, dtype=np.uint8).reshape(7, 2, 2, 3)
INDEX = np.array([5, 0, 3, 3])


@pytest.mark.parametrize(
    "rows", [slice(None), slice(1, 3), slice(None, None, 2), np.array([3, 0]), [1], 2, np.int64(-1)]
)
def test_rows_are_those_of_an_array(rows):
    chosen = Rows(WHOLE, INDEX)
    assert (chosen.shape, chosen.dtype, len(chosen)) == ((4, 2, 2, 3), np.uint8, 4)
    assert np.array_equal(chosen[rows], WHOLE[INDEX][rows])


def test_rows_of_rows():
    assert np.array_equal(Rows(Rows(WHOLE, INDEX), np.array([2, 0]))[:], WHOLE[[3, 5]])


def test_a_row_that_is_not_there_ends_a_loop():
    assert [image.tobytes() for image in Rows(WHOLE, INDEX)] == [WHOLE[row].tobytes() for row in INDEX]


@pytest.mark.parametrize(("held", "lengths"), [(36, [3, 3, 1]), (84, [7]), (1, [1] * 7)])
def test_chunks_hold_so_many_bytes_and_at_least_one_image(monkeypatch, held, lengths):
    monkeypatch.setattr(images, "CHUNK_BYTES", held)
    chunks = list(in_chunks(Rows(WHOLE, np.arange(7))))
    assert [len(chunk) for chunk in chunks] == lengths and np.array_equal(np.concatenate(chunks), WHOLE)


def test_there_are_no_chunks_of_nothing():
    assert list(in_chunks(WHOLE[:0])) == [] and list(in_chunks(np.empty((0, 0), np.float32))) == []
