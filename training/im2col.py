"""Compute convolutions to few pixels as matrix multiplications: on a CPU those are up to four times faster."""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_input
from torch.overrides import TorchFunctionMode


@cache
def most_pixels() -> int:
    """Return the largest H × W of a result that is multiplied.

    benchmarks/RESULTS.md ("Where a training step's time goes") says why.
    """
    return 4**2 if torch.cpu.get_capabilities().get("amx_bf16") else 3**2


class Im2col(TorchFunctionMode):
    """A mode in which torch.conv2d of CPU tensors gathers the image patches (im2col) and multiplies matrices.

    Only where nn.Conv2d calls it, the result has at most `most_pixels` and is in channels_last, there is one group, no
    dilation, and the stride and the zero padding are the same in both directions; all other calls go their usual way.
    Values and gradients are those of torch.conv2d but for rounding, and the result may be changed in place, as any. The
    arithmetic follows autocast, as that of torch.conv2d does. Second derivatives and torch.func are refused.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is not torch.conv2d or len(args) != 7 or not _pays(*args):
            return function(*args, **(kwargs or {}))
        images, weight, bias, stride, padding, *_ = args
        if torch.is_autocast_enabled("cpu") and images.dtype != torch.float64:  # which autocast leaves alone
            images, weight = (tensor.to(torch.get_autocast_dtype("cpu")) for tensor in (images, weight))
        result: Tensor = _Convolution.apply(images, weight, stride[0], padding[0])
        return result if bias is None else result + bias.to(result.dtype)[:, None, None]


def _pays(images: Tensor, weight: Tensor, _bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    pairs = (stride, padding, dilation)  # where it is nn.Conv2d that calls; padding may also be a word
    if images.device.type != "cpu" or images.ndim != 4 or groups != 1 or not all(isinstance(p, tuple) for p in pairs):
        return False
    if not any(tensor.stride(1) == 1 < tensor.stride(2) for tensor in (images, weight)):  # neither is in channels_last
        return False
    if dilation != (1, 1) or stride[0] != stride[1] or padding[0] != padding[1]:
        return False
    height, width = (
        (side + 2 * padding[0] - kernel) // stride[0] + 1
        for side, kernel in zip(images.shape[2:], weight.shape[2:], strict=True)
    )
    return 0 < height * width <= most_pixels()


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        matrix = _places(weight).flatten(1).T
        return _convolve(images, matrix, weight.shape[2:], stride, (padding, padding))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        images, weight = ctx.saved_tensors
        kernel, stride, padding = weight.shape[2:], ctx.stride, ctx.padding
        to_images = to_weight = None
        if ctx.needs_input_grad[1]:
            patches, _ = _patches(images, kernel, stride, (padding, padding))
            to_weight = (_places(gradient).flatten(0, 2).T @ patches).view(-1, *kernel, images.shape[1])
            to_weight = to_weight.permute(0, 3, 1, 2)
        if ctx.needs_input_grad[0]:
            if stride == 1:
                around = (kernel[0] - 1 - padding, kernel[1] - 1 - padding)
                matrix = _places(weight).flip(1, 2).permute(1, 2, 0, 3).flatten(0, 2)
                to_images = _convolve(gradient, matrix, kernel, 1, around)
            else:
                to_images = conv2d_input(images.shape, weight, gradient, stride, padding)
        return to_images, to_weight, None, None


def _convolve(images: Tensor, matrix: Tensor, kernel: torch.Size, stride: int, padding: tuple[int, int]) -> Tensor:
    """Return N×C×H×W in channels_last, and no view: autograd lets nobody change a view that a Function returns."""
    patches, (height, width) = _patches(images, kernel, stride, padding)
    size = (len(images), matrix.shape[1], height, width)
    result = torch.empty(size, dtype=images.dtype, memory_format=torch.channels_last)
    torch.mm(patches, matrix, out=_places(result).view(-1, matrix.shape[1]))
    return result


def _patches(
    images: Tensor, kernel: torch.Size, stride: int, padding: tuple[int, int]
) -> tuple[Tensor, tuple[int, int]]:
    """Return what the kernel sees at each of N×H×W places, a row each, channels fastest; and H and W."""
    rows, columns = padding
    padded = functional.pad(_places(images), (0, 0, columns, columns, rows, rows))
    windows = padded.unfold(1, kernel[0], stride).unfold(2, kernel[1], stride).permute(0, 1, 2, 4, 5, 3)
    return windows.flatten(0, 2).flatten(1), (windows.shape[1], windows.shape[2])


def _places(images: Tensor) -> Tensor:
    """Turn N×C×H×W into N×H×W×C, without a copy where the memory is in channels_last."""
    return images.permute(0, 2, 3, 1)
