"""Mend torch's backward of batch normalisation on the CPU, which is wrong for one image whose layout is ambiguous."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def mend_batch_norms(_: nn.Module, __: object, logits: object) -> None:
    """Let every batch normalisation in the graph of `logits` get its gradient in the layout of its input.

    A forward hook of a whole model, for every backward that follows. Of one image, the strides of the batch do not
    count, so a tensor made of tokens (LeViT, XCiT, EfficientFormer) passes as channels-last by one of torch's tests and
    not by another; where input and gradient then differ, the kernel for contiguous memory reads channels-last memory
    (torch 2.14 and before). Instance normalisation is computed as the batch normalisation of one image, and mended too.
    """
    if not isinstance(logits, Tensor) or logits.device.type != "cpu":
        return
    waiting: list[Any] = [logits.grad_fn]  # nodes: their saved tensors have no types
    seen: set[Any] = {None}
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        waiting += [before for before, _ in node.next_functions]
        if node.name() == "NativeBatchNormBackward0" and node._saved_input.shape[0] == 1:
            # The strides alone: a hook that held the node would keep the graph alive.
            strides = torch.empty_like(node._saved_input, device="meta").stride()
            node.register_prehook(partial(_laid_out, strides))


def _laid_out(strides: tuple[int, ...], gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    gradient, *rest = gradients
    if gradient is None or gradient.stride() == strides:
        return None
    return (gradient.new_empty_strided(gradient.shape, strides).copy_(gradient), *rest)
