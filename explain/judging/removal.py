"""Remove what a map calls relevant, step by step, and see what becomes of the class's probability.

All removals of a batch of images go through one loop: every image at every step is a row of one large batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil

import torch
from torch import Tensor, nn

from sightline.explain.attribution.engine import probabilities
from sightline.explain.batches import batches
from sightline.explain.judging.imputation import impute

STEPS = tuple(step / 10 for step in range(1, 10))  # shares of the pixels, of ROAD
ENDS_AND_STEPS = (0.0, *STEPS, 1.0)  # of insertion and deletion
REMOVED_BYTES = 2 * 2**20  # of the images that are changed at once: few enough for a processor's cache
BLUR_WIDTH = 1 / 4  # of a side; see `blur_gap`
BLUR_REACH = 3  # standard deviations

# Images N×C×H×W and bool N×S×H×W → S images of each without those pixels, N×S×C×H×W.
Replace = Callable[[Tensor, Tensor], Tensor]


def removal_curve(
    model: nn.Module,
    images: Tensor,
    maps: Tensor,
    targets: Tensor,
    replace: Replace,
    shares: Sequence[float] = STEPS,
) -> Tensor:
    """Return the probability of the class `targets` (int N) when the most relevant pixels are replaced: float N×S.

    images: float N×C×H×W, normalised, on the model's device. maps: float N×H×W, of which only the order counts; with
    −maps the least relevant pixels are replaced first. Of equal pixels, those in relevant surroundings count as more
    relevant. shares: how much is replaced, S values from 0 to 1, rounded to whole pixels. NaN for a map that is not
    finite, which has no order.
    """
    ranks = _ranks(maps)
    counts = torch.tensor([round(share * ranks[0].numel()) for share in shares], device=images.device)
    parts = []
    for part in batches(len(images), images[0].nbytes * len(shares), REMOVED_BYTES):
        hidden = ranks[part, None] < counts[None, :, None, None]  # n×S×H×W
        changed = replace(images[part], hidden).flatten(0, 1)
        wanted = targets[part].repeat_interleave(len(shares))
        chances = probabilities(model, changed).gather(1, wanted[:, None])
        parts.append(chances.reshape(-1, len(shares)))
    has_order = maps.isfinite().flatten(1).all(dim=1)
    return torch.cat(parts).where(has_order[:, None], torch.nan)


def road_gap(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor, seed: int = 0) -> Tensor:
    """Measure ROAD (Rong et al. 2022, arXiv 2202.00449): float N, −1 to 1; chance is 0, higher is better.

    The probability of the class with the least relevant 10, 20, … 90 % of the pixels imputed, minus that with the most
    relevant, mean over the nine steps. Arguments as in `removal_curve`. (pytorch-grad-cam's ROADCombined is half of
    it.) The noise of the imputation is the same for the same `seed`.
    """

    def replace(images: Tensor, hidden: Tensor) -> Tensor:
        rows = images[:, None].expand(-1, hidden.shape[1], -1, -1, -1)
        filled = impute(rows.flatten(0, 1), hidden.flatten(0, 1), torch.Generator().manual_seed(seed))
        return filled.unflatten(0, hidden.shape[:2])

    most, least = (removal_curve(model, images, order, targets, replace) for order in (maps, -maps))
    return (least - most).mean(dim=1)


@dataclass(frozen=True)
class Blurring:
    """What becomes of the class's probability when pixels are blurred; each float N, of N images.

    gap: −1 to 1, higher is better, chance is 0: as `road_gap`. insertion: 0–1, higher is better: the area under its
    probability when the most relevant pixels first become sharp. deletion: 0–1, lower is better: when they first become
    soft. Both go in eleven steps from none to all; trapezoids.
    """

    gap: Tensor
    insertion: Tensor
    deletion: Tensor


def blurring(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor, width: float = BLUR_WIDTH) -> Blurring:
    """Measure insertion and deletion (Petsiuk et al. 2018, arXiv 1806.07421), both by blurring, and their gap.

    Hidden pixels become those of the blurred image. Arguments as in `removal_curve`. width: the blur's standard
    deviation, as a share of the image's shorter side. That of Petsiuk et al. is 11 pixels wide, and they delete by
    grey; that of Fong and Vedaldi (2017, arXiv 1704.03296) has 10 of 224. At a quarter of a side, a pattern that
    repeats twice across an image of any size keeps less than 5 % of its contrast, and the demo's models see no more
    than in a grey image (benchmarks/RESULTS.md). Mean colours remain: a model that knows a class by them minds little.
    DiFull (Rao et al. 2022) would be another choice, but needs a network whose heads are disconnected.
    """
    deviation = width * min(images.shape[2:])
    soften = partial(_soften, width=deviation, reach=ceil(BLUR_REACH * deviation))
    most = removal_curve(model, images, maps, targets, soften, ENDS_AND_STEPS)
    inner = removal_curve(model, images, -maps, targets, soften, STEPS)
    least = torch.cat([most[:, :1], inner, most[:, -1:]], dim=1)  # both begin sharp and end soft
    step = 1 / (len(ENDS_AND_STEPS) - 1)
    insertion, deletion = (torch.trapezoid(curve, dx=step) for curve in (least, most))
    return Blurring((inner - most[:, 1:-1]).mean(dim=1), insertion, deletion)


def drop_and_increase(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Measure average drop and increase in confidence (Chattopadhyay et al. 2018, arXiv 1710.11063), each float N.

    The image is multiplied by the positive part of its map, scaled to 1: `drop` is max(0, before − after) / before of
    the class's probability, 0–1, lower is better; `increase` is 1 where it rose, else 0. Arguments as in
    `removal_curve`. NaN for a map whose positive part is not finite.
    """
    positive = maps.clamp(min=0)
    largest = positive.amax(dim=(1, 2), keepdim=True)
    shown = images * (positive / largest.where(largest > 0, torch.ones_like(largest)))[:, None]
    before, after = (probabilities(model, rows).gather(1, targets[:, None])[:, 0] for rows in (images, shown))
    return (before - after).clamp(min=0) / before, (after > before).to(before).where(after.isfinite(), torch.nan)


def blurred(images: Tensor, width: float, reach: int) -> Tensor:
    """Blur images N×C×H×W with a Gaussian; the edge pixels are repeated outwards.

    width: its standard deviation in pixels. reach: how many pixels it goes to each side.
    """
    down, across = (_means(side, width, reach).to(images) for side in images.shape[2:])
    return down @ images @ across.T


def _means(side: int, width: float, reach: int) -> Tensor:
    """Return the matrix that makes of a line of pixels their weighted means, side×side.

    A product costs far less than a convolution with a kernel that is larger than the image.
    """
    places = torch.arange(-reach, reach + 1)
    weights = torch.exp(-places.square() / (2 * width**2))
    sources = (torch.arange(side)[:, None] + places).clamp(0, side - 1)
    return torch.zeros(side, side).scatter_add_(1, sources, (weights / weights.sum()).expand_as(sources))


def _soften(images: Tensor, hidden: Tensor, width: float, reach: int) -> Tensor:
    return torch.where(hidden[:, :, None], blurred(images, width, reach)[:, None], images[:, None])


def _ranks(maps: Tensor) -> Tensor:
    """Rank every pixel among those of its image, int64 N×H×W: 0 is the largest value.

    Of equal pixels that one is higher whose surroundings are. In reading order, say, a mask's background would go from
    the top downwards, and leave a hole that no imputation fills.
    """
    width = BLUR_WIDTH * min(maps.shape[1:])
    surroundings = blurred(maps[:, None].float(), width, ceil(BLUR_REACH * width)).flatten(1)
    order = surroundings.argsort(dim=1, descending=True, stable=True)
    order = order.gather(1, maps.flatten(1).gather(1, order).argsort(dim=1, descending=True, stable=True))
    ranks = torch.empty_like(order)
    ranks.scatter_(1, order, torch.arange(order.shape[1], device=maps.device).expand_as(order))
    return ranks.reshape(maps.shape)
