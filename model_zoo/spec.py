"""Say what is known of an architecture before it is built."""

from collections.abc import Callable
from dataclasses import dataclass
from reprlib import Repr

from torch import nn


class ModelError(Exception):
    """A sentence for the user: what was wrong, what is allowed, what to do."""


@dataclass(frozen=True)
class ModelSpec:
    """A way to build a network, and the layers to look into, named as in `named_modules()`."""

    build: Callable[[int], nn.Module]  # a number of classes → a network with random weights
    layers: tuple[str, ...] = ("layer1", "layer2", "layer3", "layer4")  # shallow to deep; empty: to be suggested
    input_size: int = 32  # side of the square input, pixels
    mean: tuple[float, ...] | None = None  # a value a channel, 0–1, where the published weights fix them
    std: tuple[float, ...] | None = None


def find_head(model: nn.Module, num_classes: int) -> str | None:
    """Find the head: the last layer, linear or a convolution, with `num_classes` outputs. None where there is none.

    Its input is the penultimate features.

    >>> find_head(nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)), num_classes=3)
    '3'
    """
    heads = [
        name
        for name, module in model.named_modules()
        if (isinstance(module, nn.Linear) and module.out_features == num_classes)
        or (isinstance(module, nn.Conv2d) and module.out_channels == num_classes)
    ]
    return heads[-1] if heads else None


def quoted(name: str) -> str:
    """Write a name that somebody has given in a message; of a long one the beginning and the end.

    >>> quoted("resnet19"), len(quoted("x" * 8000))
    ("'resnet19'", 100)
    """
    shortened = Repr()
    shortened.maxstring = 100
    return shortened.repr(name)
