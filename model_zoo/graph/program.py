"""Describe a graph: which operators a network calls, in which of its modules, on what. It is data, and runs nothing."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import torch

from sightline.model_zoo.spec import ModelError

Kind = Literal["parameter", "buffer", "temporary", "constant"]  # the last two are in no state dict
MOST_TEXT = 8 * 2**20  # characters of a graph in JSON: of networks of 1,500 operators they are 300,000
MOST_STEPS = 100_000
_VERSION = 1


@dataclass(frozen=True)
class Program:
    """The steps of a network, in order.

    Every value has a number: first come `tensors`, then the images, then what each step returns. An argument is a
    JSON value, in which an object stands for what JSON lacks: {"value": number}, {"dtype": "float32"},
    {"memory_format": "channels_last"}, {"device": true} for that of the images, and {"images": [a, b]} for the number
    a + b · N, where N is the number of images.
    """

    image: list[int]  # channels, height and width
    modules: list[list[str]]  # names as in named_modules(), in its order; with the first name of the same module
    tensors: list[list[Any]]  # a Kind and the names of one tensor
    calls: list[list[Any]]  # the name of a module, and the number of the call inside which it is called
    steps: list[list[Any]]  # the number of a call, an operator, its arguments, and those that have names
    outputs: list[int]  # the numbers of the values that the network returns: one, or a tuple
    any_size: bool  # whether images of another height and width are answered as the original does
    marked: bool  # whether "alias" marks the one tensor that a call returns; one without returned something else
    version: int = _VERSION

    def to_json(self) -> str:
        """Write it as `parse_program` reads it."""
        return json.dumps(asdict(self), separators=(",", ":"))


def parse_program(text: str) -> Program:
    """Read a graph that anybody may have written. Raises ModelError where it is none.

    What it says is checked for its form; `build_network` checks that it makes sense.
    """
    if len(text) > MOST_TEXT:
        raise ModelError(f"Its graph has more than {MOST_TEXT:,} characters.")
    try:
        content = json.loads(text)
        program = Program(**{entry.name: content[entry.name] for entry in fields(Program)})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError("Its graph is damaged.") from error
    if program.version != _VERSION:
        raise ModelError("Its graph is of another version of Sightline: open it with the one that wrote it.")
    if not _is_sound(program):
        raise ModelError("Its graph is damaged.")
    return program


def _is_sound(program: Program) -> bool:
    lists = (program.image, program.modules, program.tensors, program.calls, program.steps, program.outputs)
    if not all(isinstance(each, list) for each in lists):
        return False
    return (
        len(program.image) == 3
        and all(type(side) is int and 0 < side < 2**16 for side in program.image)
        and len(program.steps) <= MOST_STEPS
        and all(_is(module, str, str) for module in program.modules)
        and all(map(_is_tensor, program.tensors))
        and all(_is(call, str, int) for call in program.calls)
        and all(_is(step, int, str, list, dict) for step in program.steps)
        and all(type(number) is int for number in program.outputs)
        and type(program.any_size) is type(program.marked) is bool
    )


def _is(value: object, *kinds: type) -> bool:
    return isinstance(value, list) and [type(one) for one in value] == [*kinds]


def _is_tensor(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 1
        and value[0] in get_args(Kind)
        and all(isinstance(name, str) for name in value)
    )


# Of numbers that networks compute with, quantised ones aside.
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128, torch.bool),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}
MEMORY_FORMATS = {
    str(layout).removeprefix("torch."): layout
    for layout in (torch.contiguous_format, torch.preserve_format, torch.channels_last, torch.channels_last_3d)
}
