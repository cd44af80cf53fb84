"""What is known of an architecture before it is built."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


class ModelError(Exception):
    """A sentence for the user: what was wrong, what is allowed, what to do."""


@dataclass(frozen=True)
class ModelSpec:
    """How to build a network and where to look into it; layers are `named_modules()` names."""

    build: Callable[[int], nn.Module]  # number of classes → network with random weights
    layers: tuple[str, ...] = ("layer1", "layer2", "layer3", "layer4")  # shallow to deep; empty: to be suggested
    input_size: int = 32  # side of the square input, pixels
    mean: tuple[float, ...] | None = None  # a value a channel, 0–1, where the published weights fix them
    std: tuple[float, ...] | None = None


def find_head(model: nn.Module, num_classes: int) -> str | None:
    """The layer whose input is the penultimate features: the last one, linear or a convolution, with `num_classes`
    outputs. None where there is none."""
    heads = [
        name
        for name, module in model.named_modules()
        if (isinstance(module, nn.Linear) and module.out_features == num_classes)
        or (isinstance(module, nn.Conv2d) and module.out_channels == num_classes)
    ]
    return heads[-1] if heads else None
