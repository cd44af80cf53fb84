"""Build the network of a graph: modules that are called as the original ones were, and that anybody can hook."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Key = int | str  # of a value: its number, or a word for what follows from the images


class Part(nn.Module):
    """A module of an opened network. Its forward does the steps of one of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self._graph_calls: list[Call] = []
        self.graph_image: tuple[int, ...] = ()  # of a whole network: channels, height and width of its images
        self.graph_any_size = True  # or only those of this height and width
        self.graph_answer: tuple[int, ...] = ()  # the shape of its answer to two images; () where that is no tensor

    def forward(self, *inputs: Any, call: "Call | None" = None, images: Tensor | None = None) -> Any:
        """Return what the module returned in `call`, by default its first; images: those that the network sees.

        inputs: what the steps of the call take from outside, in the order in which they first do.
        """
        if call is None:
            if not self._graph_calls:
                raise NotImplementedError("This module was not called when the network was exported.")
            if not self.graph_any_size and tuple(inputs[0].shape[1:]) != self.graph_image:
                raise ValueError(f"The network takes images of {'×'.join(map(str, self.graph_image))} only.")
            call = self._graph_calls[0]
        images = inputs[0] if images is None else images
        values = call.begin(inputs, images)
        for step in call.steps:
            step.run(values, images)
        return call.end(values)


class Layer(Part):
    """A part whose own parameters are a weight, and perhaps a bias, as of PyTorch's own layers."""

    def reset_parameters(self) -> None:
        """Draw the weight, and the bias, as PyTorch does for a layer of this shape; forget running statistics.

        A weight of one dimension is a normalisation's: ones, and zeros for the bias. One of more is a linear layer's or
        a convolution's: uniform, within 1/√fan-in, as is the bias (He et al. 2015 with a = √5: `nn.Linear`).
        """
        weight, bias = self._parameters["weight"], self._parameters.get("bias")
        if weight is None or weight.ndim < 2:
            _fill(weight, 1)
            _fill(bias, 0)
        else:
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))
            if bias is not None:
                bound = 1 / math.sqrt(max(weight[0].numel(), 1))
                nn.init.uniform_(bias, -bound, bound)
        for name, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
            _fill(self._buffers.get(name), value)


def _fill(tensor: Tensor | None, value: float) -> None:
    if tensor is not None:
        with torch.no_grad():
            tensor.fill_(value)


@dataclass(frozen=True)
class Value:
    """Stands in an argument for a value, until there is one."""

    key: Key


@dataclass
class Step:
    """One operator and its arguments: tuples are numbers, lists have a Value in them."""

    function: Callable[..., Any]
    arguments: list[Any]
    named: dict[str, Any]
    result: int
    unused: list[int] = field(default_factory=list)  # values that nothing needs any more
    places: list[tuple[int, Any]] = field(default_factory=list)  # the arguments that are values, or have some

    def __post_init__(self) -> None:
        self.places = [(place, one) for place, one in enumerate(self.arguments) if isinstance(one, Value | list)]

    def run(self, values: dict[Key, Any], _: Tensor) -> None:
        """Call the operator."""
        arguments = self.arguments.copy()
        for place, argument in self.places:
            arguments[place] = values[argument.key] if type(argument) is Value else _filled(argument, values)
        if self.named:
            named = {name: _filled(argument, values) for name, argument in self.named.items()}
            values[self.result] = self.function(*arguments, **named)
        else:
            values[self.result] = self.function(*arguments)
        for number in self.unused:
            del values[number]


@dataclass
class Call:
    """A call of a module: a step of the call around it, and its own steps."""

    module: Part
    steps: "list[Step | Call]" = field(default_factory=list)
    tensors: list[tuple[int, dict[str, Any], str]] = field(
        default_factory=list
    )  # that its steps use, and where they are
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)  # numbers a + b · N
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)  # of the call around it
    returned: list[int] = field(default_factory=list)  # the same values, as they are called inside
    is_one_tensor: bool = True  # else it returns a tuple
    unused: list[int] = field(default_factory=list)

    def begin(self, inputs: tuple[Any, ...], images: Tensor) -> dict[Key, Any]:
        """Return the values that are there before the first step."""
        values: dict[Key, Any] = dict(zip(self.inputs, inputs, strict=True))
        for number, tensors, name in self.tensors:
            values[number] = tensors[name]
        for word, (start, factor) in self.counts.items():
            values[word] = start + factor * len(images)
        values["device"] = images.device
        return values

    def run(self, values: dict[Key, Any], images: Tensor) -> None:
        """Call the module."""
        inputs = [values[number] for number in self.inputs]
        for number in self.unused:
            values.pop(number, None)
        returned = self.module(*inputs, call=self, images=images)
        if self.is_one_tensor:
            values[self.outputs[0]] = returned
        else:
            values.update(zip(self.outputs, returned, strict=True))

    def end(self, values: dict[Key, Any]) -> Any:
        """Return what the call returns, once its steps are done."""
        return values[self.returned[0]] if self.is_one_tensor else tuple(values[number] for number in self.returned)


def _filled(argument: Any, values: Mapping[Key, Any]) -> Any:
    kind = type(argument)
    if kind is Value:
        return values[argument.key]
    if kind is list:
        return [_filled(one, values) for one in argument]
    return argument
