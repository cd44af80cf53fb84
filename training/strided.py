"""Convolve the pixels that a stride leaves, where torch's own kernel would write beyond its memory."""

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

LANES = 16  # float32 numbers in the widest vector register


class StridedPoints(TorchFunctionMode):
    """A mode in which a 1×1 convolution with a stride takes the pixels it looks at first, on the CPU.

    oneDNN's gradient of the weights of such a convolution of fewer than 16 channels in channels_last (RepVGG, MobileOne
    and FastViT have one on RGB) overruns its buffer from some 66 pixels a side on, and the process dies, then or later.
    Only those are computed otherwise, to the same values: for others, to take the pixels first would be slower.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (_conv2d if function is torch.conv2d else function)(*args, **(kwargs or {}))


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    steps = (stride, stride) if isinstance(stride, int) else (*stride, *stride)[:2]
    overruns = input.device.type == "cpu" and weight.shape[1] < LANES and weight.shape[2:] == (1, 1) and max(steps) > 1
    if overruns and padding in (0, (0,), (0, 0), "valid"):
        input, stride = input[..., :: steps[0], :: steps[1]], (1, 1)
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
