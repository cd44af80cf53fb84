"""Arrays of numpy's in the place of tensors: read as numpy reads them, without it making any."""

import io
import os
import pickle
import random

import numpy as np
import pytest
import torch

from sightline.model_zoo import ModelError, read_weights
from sightline.model_zoo.numpy_values import is_array, read_array, read_number
from sightline.model_zoo.pickled import read_pickle

PROTOCOLS = pytest.mark.parametrize("protocol", [2, 3, 4, 5])


def read(value, protocol=2):
    return read_pickle(io.BytesIO(pickle.dumps(value, protocol)))


ARRAYS = {
    "rows": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big-endian": np.arange(3, dtype=">i4"),
    "none": np.zeros((0, 3), np.float32),
    "one": np.array(1.5),
    "truths": np.array([True, False]),
    "every other": np.arange(10, dtype=np.float16)[::2],
}


@PROTOCOLS
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_read_as_numpy_reads_it(name, protocol):
    made = read(ARRAYS[name], protocol)
    found = read_array(made)
    assert is_array(made) and found.dtype == ARRAYS[name].dtype.newbyteorder("=")
    assert np.array_equal(found, ARRAYS[name])


@PROTOCOLS
@pytest.mark.parametrize("values", [np.array(["a"]), np.array([object()]), np.zeros(2, "i4,f4"), np.array([1j])])
def test_an_array_of_something_else_is_an_error(values, protocol):
    with pytest.raises(Exception):  # noqa: B017 (of many kinds, all of which a reader of weights takes)
        read_array(read(values, protocol))


@PROTOCOLS
@pytest.mark.parametrize(
    ("value", "number"),
    [
        (np.float32(0.5), 0.5), (np.int64(3), 3), (7, 7), (0.5, 0.5), (np.array(2.0), 2), (np.array([[2.0]]), 2),
        ("0.25", 0.25), (True, None), (10**400, None), (np.ones(2), None), ("x", None), (None, None), ([1], None),
    ],
)  # fmt: skip
def test_one_number_is_read_whatever_it_is_in(value, number, protocol):
    assert read_number(read(value, protocol)) == number


class Call:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_state_dict_of_arrays_is_read(tmp_path, zipped):
    weights = {"fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "fc.bias": np.ones(2, np.float16)}
    torch.save({"state_dict": weights}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    found = read_weights(tmp_path / "w.pt").weights
    assert all(np.array_equal(found[name].numpy(), weights[name]) for name in weights)


RECONSTRUCT, FROM_BUFFER, SCALAR = (value.__reduce_ex__(p)[0] for value, p in (
    (np.ones(1), 2), (np.ones(1), 5), (np.float32(1), 2)
))  # fmt: skip


@pytest.mark.parametrize(
    ("call", "state"),
    [
        ((RECONSTRUCT, (np.ndarray, (0,), b"b")), None),
        ((RECONSTRUCT, (np.ndarray, (0,), b"b")), (1, (2**40,), np.dtype("f4"), False, b"1234")),
        ((RECONSTRUCT, (np.ndarray, (0,), b"b")), (1, (-1,), np.dtype("f4"), False, b"1234")),
        ((RECONSTRUCT, (np.ndarray, (0,), b"b")), (1, (2**40, 0), np.dtype("O"), False, [])),
        ((RECONSTRUCT, (np.ndarray, (0,), b"b")), (1, (10**9,), np.dtype("u1"), False, Call(bytes, (10**9,)))),
        ((FROM_BUFFER, (b"1234", np.dtype("f4"), (2,), "C")), None),
        ((FROM_BUFFER, (b"1234", Call(os.getpid, ()), (1,), "C")), None),
        ((FROM_BUFFER, (b"1234", np.dtype("f4"), 1, "C")), None),
        ((SCALAR, (np.dtype("f4"), b"1")), None),
    ],
)
def test_an_array_that_is_not_what_it_says_is_a_sentence(tmp_path, call, state):
    torch.save({"fc.weight": Call(*call, state)}, tmp_path / "w.pt")
    with pytest.raises(ModelError):
        read_weights(tmp_path / "w.pt")


def test_one_array_under_many_names_does_not_become_gigabytes(tmp_path):
    values = np.zeros(20_000, np.float32)
    torch.save({f"{place}.weight": values for place in range(1000)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="cannot be read"):
        read_weights(tmp_path / "w.pt")


@PROTOCOLS
def test_changed_bytes_end_in_an_array_or_an_error(protocol):
    content, numbers, read = pickle.dumps(ARRAYS, protocol), random.Random(0), 0
    for _ in range(500):
        damaged = bytearray(content)
        damaged[numbers.randrange(len(damaged))] = numbers.randrange(256)
        try:
            for made in read_pickle(io.BytesIO(bytes(damaged))).values():
                read += isinstance(read_array(made), np.ndarray)
        except Exception:  # of many kinds, all of which a reader of weights takes
            continue
    assert read > 100
