"""Maps that explain nothing: what a measure says of them, it says of no explanation.

None knows the class, and none the model; but the mean map is fitted to where a model's maps lie on average.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sightline.explain.attribution.engine import upsample

Control = Callable[[Tensor, Sequence[int]], Tensor]  # images N×C×H×W and a seed for each → maps N×H×W
MEAN_MAP = "mean_map"
GAUSSIAN_WIDTH = 0.25  # standard deviation, as a share of a side: photographers put things in the middle


def uniform_random(images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Draw every pixel from 0–1, uniformly; the same for the same of `seeds`, of which every image has one."""
    draws = [torch.rand(images.shape[2:], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(draws).to(images)


def sobel_edges(images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Detect edges: the magnitude of the gradient of the mean over channels (Sobel and Feldman 1968)."""
    grey = functional.pad(images.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = images.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    slopes = functional.conv2d(grey, torch.stack([across, across.T])[:, None])
    return slopes.square().sum(dim=1).sqrt()


def centred_gaussian(images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Give every image the same blob: 1 in the middle, falling with the distance in units of the sides."""
    rows, columns = (
        ((torch.arange(side).to(images) + 0.5) / side - 0.5) / GAUSSIAN_WIDTH for side in (images.shape[2:])
    )
    bump = torch.exp(-(rows[:, None] ** 2 + columns[None, :] ** 2) / 2)
    return bump.expand(len(images), -1, -1)


def mean_map(maps: Tensor) -> Control:
    """Return the control that gives every image the mean of the signed `maps` N×h×w: where a run's objects are.

    Of each map only the positive part counts, scaled to the sum 1. Maps without any, or that are not finite, are left
    out; where all are, the mean is 0 everywhere.
    """
    positive = maps.clamp(min=0)
    sums = positive.sum(dim=(1, 2), keepdim=True)
    counting = (sums.isfinite() & (sums > 0)).flatten()
    shares = positive[counting] / sums[counting]
    mean = shares.mean(dim=0) if len(shares) else torch.zeros_like(positive[0])

    def mean_of_all(images: Tensor, seeds: Sequence[int]) -> Tensor:
        large = upsample(mean[None, None].to(images), (images.shape[2], images.shape[3]))[:, 0]
        return large.expand(len(images), -1, -1)

    return mean_of_all


# Maps that need to know the images alone, none of them negative.
CONTROLS: dict[str, Control] = {
    "random": uniform_random,
    "sobel": sobel_edges,
    "gaussian": centred_gaussian,
}
