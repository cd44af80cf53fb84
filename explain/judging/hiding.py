"""Hide what a map calls hot, and see whether the model minds: more than when the same is hidden anywhere else?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sightline.explain.attribution.engine import probabilities, upsample
from sightline.explain.judging.imputation import impute
from sightline.model_zoo.device import device_of

SHARE = 0.1  # of the pixels are hidden
DRAWS = 16  # random places


@dataclass(frozen=True)
class Hidden:
    """The class probabilities of an image, float32 (C,), as it is and with places hidden."""

    before: np.ndarray  # with nothing hidden
    hottest: np.ndarray  # with the hottest places hidden
    random: np.ndarray  # with as many random places hidden: the mean over several draws
    image: np.ndarray  # the image without the hottest places, uint8 H×W×3


def hide_hottest(
    model: nn.Module,
    image: np.ndarray,
    values: np.ndarray,
    to_input: Callable[[np.ndarray], Tensor],
) -> Hidden:
    """Impute the tenth of the pixels where the map is hottest, and as many at random places; always the same places.

    image: uint8 H×W×3, what the model sees. values: float h×w, the signed map. to_input: uint8 N×H×W×3 → the model's
    input. The random places have the shape of the hot ones, moved round the image's edges by a random distance: a
    scatter of single pixels would be filled in from its neighbours and cost the model nothing.
    """
    rng = np.random.default_rng(0)
    height, width = image.shape[:2]
    hot = hottest(torch.from_numpy(values.astype(np.float32)), (height, width))
    moves = [(int(rng.integers(height)), int(rng.integers(width))) for _ in range(DRAWS)]
    masks = torch.stack([torch.zeros_like(hot), hot, *(hot.roll(move, (0, 1)) for move in moves)])
    pixels = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1).expand(len(masks), -1, -1, -1) / 255
    filled = impute(pixels, masks, torch.Generator().manual_seed(0))
    images = (filled.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    images[0] = image
    chances = probabilities(model, to_input(images).to(device_of(model))).cpu().numpy()
    return Hidden(chances[0], chances[1], chances[2:].mean(axis=0), images[1])


def hottest(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Mark the tenth of an image's pixels (bool H×W) where its map, float h×w, is hottest once it is upsampled."""
    places = upsample(values[None, None], size).flatten()
    mask = torch.zeros(len(places), dtype=torch.bool)
    mask[places.topk(round(SHARE * len(places))).indices] = True
    return mask.reshape(size)
