"""Read a layer's output as a grid of cells, by its shape."""

import math

from torch import Tensor

MOST_PREFIX_TOKENS = 8  # class, distillation and register tokens stand before those of the image


def fold(output: Tensor, size: tuple[int, int]) -> Tensor | None:
    """Return a layer's output as N×K×h×w, a view; None where it has no height and width.

    size: height and width of the input images, whose proportions the grid must have. N×K×h×w is returned as it is;
    N×h×w×K (Swin) is turned; of N×tokens×K (ViT, DeiT) the class, distillation and register tokens are dropped.

    >>> import torch
    >>> fold(torch.zeros(2, 1 + 14 * 14, 384), (224, 224)).shape  # a vision transformer: one class token
    torch.Size([2, 384, 14, 14])
    """
    if output.ndim == 4:
        return output.movedim(3, 1) if _is_channels_last(output, size) else output
    if output.ndim == 3:
        height, width = size
        for prefix in range(min(MOST_PREFIX_TOKENS, output.shape[1] - 1) + 1):
            tokens = output.shape[1] - prefix
            rows = round(math.sqrt(tokens * height / width))
            if rows > 1 and tokens % rows == 0 and fits(rows, tokens // rows, size):
                return output[:, prefix:].transpose(1, 2).unflatten(2, (rows, tokens // rows))
    return None


def fits(rows: int, columns: int, size: tuple[int, int]) -> bool:
    """Tell whether a grid has the proportions of the images, but for a part of a row or column that was rounded."""
    return _mismatch(rows, columns, size) < max(size)


def _is_channels_last(output: Tensor, size: tuple[int, int]) -> bool:
    """Tell whether N×a×b×c has the proportions of the images in a×b, and more so than in b×c."""
    _, rows, columns, channels = output.shape
    return fits(rows, columns, size) and _mismatch(rows, columns, size) < _mismatch(columns, channels, size)


def _mismatch(rows: int, columns: int, size: tuple[int, int]) -> int:
    """Say how far a grid is from the proportions of the images: 0 where it has them."""
    return abs(rows * size[1] - columns * size[0])
