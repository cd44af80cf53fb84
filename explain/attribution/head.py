"""Recognise a head that is exactly global average pooling and one linear layer."""

import re

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

# What autograd may have recorded between the layer and the linear layer: all of it linear.
_POOLING = re.compile("(Mean|AdaptiveAvgPool2D|View|UnsafeView|AsStrided|ReshapeAlias|Squeeze|Clone)Backward[0-9]")
_TOLERANCE = 1e-4  # of the logits, relative to their largest magnitude: rounding of float32


def pooled_head(model: nn.Module, logits: Tensor, output: Tensor) -> Tensor | None:
    """Return the weights W (C×K) if the logits are W · mean of `output` over its places + b, else None.

    output: N×K×h×w, recorded in the graph of `logits` N×C. The graph shows that nothing but pooling and one linear
    layer lies between them; the numbers, that the pooling is the mean over all places.
    """
    linear = logits.grad_fn
    if output.ndim != 4 or linear is None or linear.name() not in ("AddmmBackward0", "MmBackward0"):
        return None
    if not _is_pooling(linear, get_gradient_edge(output).node):
        return None
    for module in model.modules():
        weight, bias = (getattr(module, name, None) for name in ("weight", "bias"))
        if isinstance(weight, Tensor) and weight.shape == (logits.shape[1], output.shape[1]):
            with torch.no_grad():
                expected = nn.functional.linear(output.mean(dim=(2, 3)), weight, bias)
                if (expected - logits).abs().max() <= _TOLERANCE * logits.abs().max():  # never where one is not finite
                    return weight.detach()
    return None


def _is_pooling(linear: Node, layer: Node) -> bool:
    """Tell whether the one way back from `linear` reaches `layer` through pooling and reshaping alone."""
    node = linear
    while True:
        ways = [way for way, _ in node.next_functions if way is not None]
        if len(ways) != 1:
            return False
        (node,) = ways
        if node is layer:
            return True
        if not _POOLING.fullmatch(node.name()):
            return False
