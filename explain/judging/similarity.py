"""How alike two maps of one image are."""

import torch
from torch import Tensor


def pearson(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's correlation over the cells of each pair: float N×h×w twice → float64 N, −1 to 1.

    NaN where a map is constant or not finite, since then it is not defined.
    """
    a, b = (maps.flatten(1).double() for maps in (one, other))
    defined = ~(_is_constant(a) | _is_constant(b))
    a, b = a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True)
    a, b = (values / values.abs().amax(dim=1, keepdim=True) for values in (a, b))  # tiny maps: squares underflow
    result = (a * b).sum(dim=1) / (a.square().sum(dim=1) * b.square().sum(dim=1)).sqrt()
    return result.clamp(-1, 1).where(defined & result.isfinite(), torch.nan)


def spearman(one: Tensor, other: Tensor) -> Tensor:
    """Spearman's rank correlation, as `pearson`; equal cells share the mean of their ranks."""
    defined = one.flatten(1).isfinite().all(dim=1) & other.flatten(1).isfinite().all(dim=1)
    return pearson(_mean_ranks(one), _mean_ranks(other)).where(defined, torch.nan)


def _mean_ranks(maps: Tensor) -> Tensor:
    values = maps.flatten(1).contiguous()
    ordered = values.sort(dim=1).values
    first, behind = (torch.searchsorted(ordered, values, right=right) for right in (False, True))
    return (first + behind).double() / 2


def _is_constant(values: Tensor) -> Tensor:
    return values.amax(dim=1) == values.amin(dim=1)
