"""Build an architecture without its numbers."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sightline.model_zoo import build_model


class _NoDraws(TorchFunctionMode):
    """Leaves out `normal_`: without content, torch would load its compiler for it, which takes more than a second."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func is Tensor.normal_ else func(*args, **(kwargs or {}))


def build_shapes(name: str, num_classes: int, input_size: int) -> nn.Module:
    """Return what `build_model` does, on the device "meta": parameters of its shapes, which take no memory.

    Raises ModelError for an unknown name; NotImplementedError or RuntimeError for an architecture that computes with
    numbers while it is built.

    >>> build_shapes("resnet18", 10, 32).fc.weight.shape
    torch.Size([10, 512])
    """
    with torch.device("meta"), _NoDraws():
        return build_model(name, num_classes, input_size)
