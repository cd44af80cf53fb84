"""Remove what a map calls relevant, step by step, and see what becomes of the class's probability.

All removals of a batch of images go through one loop: every image at every step is a row of one large batch.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sightline.explain.attribution.engine import probabilities
from sightline.explain.batches import batches
from sightline.explain.judging.imputation import impute

STEPS = tuple(step / 10 for step in range(1, 10))  # shares of the pixels, of ROAD
ENDS_AND_STEPS = (0.0, *STEPS, 1.0)  # of insertion and deletion
REMOVED_BYTES = 2 * 2**20  # of the images that are changed at once: few enough for a processor's cache
BLUR_SIDE, BLUR_WIDTH = 11, 5.0  # pixels: the kernel and its standard deviation, as in the code of Petsiuk et al.

Replace = Callable[[Tensor, Tensor], Tensor]  # images N×C×H×W, bool N×H×W → images without those pixels


def removal_curve(
    model: nn.Module,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    replace: Replace,
    shares: Sequence[float] = STEPS,
) -> Tensor:
    """Return the probability of the class `targets` (int N) when the most relevant pixels are replaced: float N×S.

    images: float N×C×H×W, normalised, on the model's device. maps: float N×H×W, of which only the order counts; equal
    pixels go in reading order; with −maps the least relevant pixels are replaced first. shares: how much is replaced,
    S values from 0 to 1, rounded to whole pixels.
    """
    ranks = _ranks(maps)
    counts = torch.tensor([round(share * ranks[0].numel()) for share in shares], device=images.device)
    parts = []
    for part in batches(len(images), images[0].nbytes * len(shares), REMOVED_BYTES):
        hidden = ranks[part, None] < counts[None, :, None, None]  # n×S×H×W
        repeated = images[part, None].expand(-1, len(shares), -1, -1, -1)
        changed = replace(repeated.flatten(0, 1), hidden.flatten(0, 1))
        wanted = targets[part].repeat_interleave(len(shares))
        chances = probabilities(model, changed).gather(1, wanted[:, None])
        parts.append(chances.reshape(-1, len(shares)))
    return torch.cat(parts)


def road_gap(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor, seed: int = 0) -> Tensor:
    """Measure ROAD (Rong et al. 2022, arXiv 2202.00449): float N, −1 to 1; chance is 0, higher is better.

    The probability of the class with the least relevant 10, 20, … 90 % of the pixels imputed, minus that with the most
    relevant, mean over the nine steps. Arguments as in `removal_curve`. (pytorch-grad-cam's ROADCombined is half of
    it.) The noise of the imputation is the same for the same `seed`.
    """

    def replace(rows: Tensor, hidden: Tensor) -> Tensor:
        return impute(rows, hidden, torch.Generator().manual_seed(seed))

    most, least = (removal_curve(model, images, order, targets, replace) for order in (maps, -maps))
    return (least - most).mean(dim=1)


def deletion(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor) -> Tensor:
    """Measure the area under the deletion curve (Petsiuk et al. 2018, arXiv 1806.07421): float N, 0–1, lower is better.

    The most relevant pixels first become the mean colour (0), in eleven steps from none to all; trapezoids. Arguments
    as in `removal_curve`.
    """
    curve = removal_curve(model, images, maps, targets, _make_grey, ENDS_AND_STEPS)
    return torch.trapezoid(curve, dx=1 / (len(ENDS_AND_STEPS) - 1))


def insertion(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor) -> Tensor:
    """Measure the area under the insertion curve (Petsiuk et al. 2018): float N, 0–1, higher is better.

    The most relevant pixels first appear in the blurred image, in eleven steps from none to all; trapezoids. Arguments
    as in `removal_curve`. The blur is that of the paper's code, 11 pixels wide, also where images are small.
    """
    curve = removal_curve(model, images, -maps, targets, _make_blurred, ENDS_AND_STEPS)
    return torch.trapezoid(curve, dx=1 / (len(ENDS_AND_STEPS) - 1))


def drop_and_increase(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Measure average drop and increase in confidence (Chattopadhyay et al. 2018, arXiv 1710.11063), each float N.

    The image is multiplied by the positive part of its map, scaled to 1: `drop` is max(0, before − after) / before of
    the class's probability, 0–1, lower is better; `increase` is 1 where it rose, else 0. Arguments as in
    `removal_curve`.
    """
    positive = maps.clamp(min=0)
    largest = positive.amax(dim=(1, 2), keepdim=True)
    shown = images * (positive / largest.where(largest > 0, torch.ones_like(largest)))[:, None]
    before, after = (probabilities(model, rows).gather(1, targets[:, None])[:, 0] for rows in (images, shown))
    return (before - after).clamp(min=0) / before, (after > before).to(before)


def blurred(images: Tensor) -> Tensor:
    """Blur images N×C×H×W with a Gaussian of 11×11 pixels, σ = 5; the edge pixels are repeated outwards."""
    places = torch.arange(BLUR_SIDE).to(images) - BLUR_SIDE // 2
    line = torch.exp(-places.square() / (2 * BLUR_WIDTH**2))
    line = line / line.sum()
    planes = images.flatten(0, 1)[:, None]
    planes = functional.pad(planes, (BLUR_SIDE // 2,) * 4, mode="replicate")
    planes = functional.conv2d(functional.conv2d(planes, line[None, None, :, None]), line[None, None, None, :])
    return planes.reshape(images.shape)


def _make_grey(images: Tensor, hidden: Tensor) -> Tensor:
    return images.masked_fill(hidden[:, None], 0)


def _make_blurred(images: Tensor, hidden: Tensor) -> Tensor:
    return torch.where(hidden[:, None], blurred(images), images)


def _ranks(maps: Tensor) -> Tensor:
    """Rank every pixel among those of its image, int64 N×H×W: 0 is the largest value."""
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    ranks = torch.empty_like(order)
    ranks.scatter_(1, order, torch.arange(order.shape[1], device=maps.device).expand_as(order))
    return ranks.reshape(maps.shape)
