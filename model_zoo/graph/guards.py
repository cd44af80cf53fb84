"""Call with care the operators whose arguments PyTorch does not check: it would read beyond a tensor, or crash."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

MODES = range(3)  # of `grid_sampler`: bilinear, nearest, bicubic; zeros, border, reflection

Operator = Callable[..., Any]


def guarded(base: str, function: Operator) -> Operator:
    """Return what is called for an operator of this name, with the same arguments. It raises ValueError for wrong ones.

    An in-place variant has the name of its operator here.
    """
    guard = _GUARDS.get(base.removesuffix("_"))
    return function if guard is None else partial(guard, function)


def check_codes(operator: OpOverload, arguments: list[Any], named: dict[str, Any]) -> None:
    """Raise ValueError where a number stands for a type or a layout: PyTorch looks it up, also beyond its tables.

    arguments, named: JSON values as in a `Program`.
    """
    known = operator._schema.arguments
    given = {each.name: value for each, value in zip(known, arguments, strict=False)} | named
    for each in known:
        value = given.get(each.name)
        is_named = value is None or (isinstance(value, dict) and value.keys() <= {"dtype", "memory_format"})
        if any(kind in str(each.real_type) for kind in _CODES) and not is_named:
            raise ValueError("a number for a type")


_CODES = ("ScalarType", "Layout", "MemoryFormat")


def _batch_norm(function: Operator, images: Tensor, *arguments: Any, **named: Any) -> Any:
    for one in arguments[:4]:  # weight, bias, mean and variance
        if isinstance(one, Tensor) and one.shape != images.shape[1:2]:
            raise ValueError("a normalisation of another number of channels")
    return function(images, *arguments, **named)


def _grid_sampler(function: Operator, images: Tensor, grid: Tensor, mode: int, padding: int, *rest: Any) -> Any:
    if mode not in MODES or padding not in MODES:
        raise ValueError("no way to sample")
    return function(images, grid, mode, padding, *rest)


def _lstm(
    function: Operator, inputs: Tensor, states: list[Tensor], weights: list[Tensor], has_biases: bool, layers: int,
    dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> Any:  # fmt: skip
    side, ways = states[1].shape[-1], 2 if bidirectional else 1
    first, later = (
        [(4 * side, size), (4 * side, side), *([(4 * side,)] * 2 if has_biases else [])] * ways
        for size in (inputs.shape[-1], ways * side)
    )
    if len(weights) != len(first) * layers or [tuple(one.shape) for one in weights] != first + later * (layers - 1):
        raise ValueError("weights of another shape")
    batch = inputs.shape[0 if batch_first else 1]
    if any(tuple(one.shape) != (ways * layers, batch, side) for one in states):
        raise ValueError("states of another shape")
    return function(inputs, states, weights, has_biases, layers, dropout, train, bidirectional, batch_first)


def _attention(function: Operator, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **named: Any) -> Any:
    if key.shape[-2] != value.shape[-2] or query.shape[-1] != key.shape[-1]:
        raise ValueError("an attention whose keys and values differ in number")
    return function(query, key, value, *rest, **named)


def _divide(function: Operator, first: Any, second: Any, **named: Any) -> Any:
    """The smallest of all whole numbers has no quotient by −1: to cut that off ends the program."""
    if named.get("rounding_mode") == "trunc" and isinstance(first, Tensor) and not first.is_meta:
        smallest = None if first.is_floating_point() else torch.iinfo(first.dtype).min
        if smallest is not None and first.eq(smallest).any() and torch.as_tensor(second).eq(-1).any():
            raise ValueError("a quotient that is no number")
    return function(first, second, **named)


_GUARDS: dict[str, Callable[..., Any]] = {
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "grid_sampler": _grid_sampler,
    "grid_sampler_2d": _grid_sampler,
    "lstm": _lstm,
    "scaled_dot_product_attention": _attention,
    "div": _divide,
    "divide": _divide,
}
