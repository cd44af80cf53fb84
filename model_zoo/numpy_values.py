"""Read arrays and numbers of numpy's out of a pickle of which nothing was made."""

import math
from typing import Any

import numpy as np

from sightline.model_zoo.pickled import Made

_KINDS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
MOST_DIGITS = 30
_BYTES = ("_codecs.encode", "builtins.bytes", "__builtin__.bytes", "builtins.bytearray", "__builtin__.bytearray")


def is_array(value: object) -> bool:
    """Tell whether an object was to be an array of numpy's."""
    return isinstance(value, Made) and _function(value) in ("_reconstruct", "_frombuffer")


def read_array(made: Made) -> np.ndarray:
    """Return the array that an object was to be, in memory of its own.

    Raises many kinds of Exception where it is not what it says.
    """
    if _function(made) == "_frombuffer":
        data, dtype, shape, order = _four(made.arguments)
    else:
        _, shape, dtype, in_fortran_s, data = made.state if isinstance(made.state, tuple) else ()
        order = "F" if in_fortran_s is True else "C"
    kind, content = _dtype(dtype), as_bytes(data)
    if not all(type(side) is int and side >= 0 for side in shape) or math.prod(shape) * kind.itemsize != len(content):
        raise ValueError("an array of another size than its bytes")
    values = np.frombuffer(content, kind).reshape(shape, order="F" if order == "F" else "C")
    return values.astype(kind.newbyteorder("="))


def read_number(value: object) -> float | None:
    """Return the number that one of Python or numpy, text, or an array of one stands for; None for anything else."""
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value[:MOST_DIGITS] if isinstance(value, str) else value)
        if not isinstance(value, Made):
            return None
        if is_array(value):
            return float(read_array(value).item())
        dtype, data = value.arguments if _function(value) == "scalar" else ()
        return float(np.frombuffer(as_bytes(data), _dtype(dtype)).item())
    except Exception:  # of text, of what is damaged, or of more than one number
        return None


def _function(made: Made) -> str:
    return made.by.rpartition(".")[2] if made.by.startswith(("numpy.core.", "numpy._core.")) else ""


def _four(arguments: tuple[Any, ...]) -> tuple[Any, Any, Any, Any]:
    data, dtype, shape, order = arguments
    return data, dtype, shape, order


def _dtype(made: Any) -> np.dtype:
    """Return a kind of number. Raises ValueError for any other kind, such as Python's objects."""
    kind, order = made.arguments[0], made.state[1]
    if made.by != "numpy.dtype" or kind not in _KINDS or order not in ("<", ">", "|", "="):
        raise ValueError("an array of something else than numbers")
    return np.dtype(order + kind)


def as_bytes(data: Any) -> bytes:
    """Return bytes, which older protocols write as a call that makes them of text. Raises ValueError for others."""
    if isinstance(data, (bytes, bytearray)):
        return bytes(data)
    text = data.arguments[0] if data.arguments else ""
    if data.by not in _BYTES or not isinstance(text, str):
        raise ValueError("an array whose bytes are made by something else")
    return text.encode("latin1")
