"""Hide part of an image, and see whether the model minds: more than when the same is hidden anywhere else?"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sightline.explain.attribution.engine import probabilities, upsample
from sightline.explain.batches import batches
from sightline.explain.judging.imputation import impute
from sightline.image_data import Progress
from sightline.model_zoo.device import device_of

SHARE = 0.1  # of the pixels are the hottest
DRAWS = 5  # random other places
_PIXELS_AT_ONCE = 2**16  # of the images that the model is asked of between two looks at who waits


@dataclass(frozen=True)
class Hidden:
    """The class probabilities of an image as it is and with pixels hidden, float32; NaN where the model's answer is.

    Images are uint8 H×W×3.
    """

    before: np.ndarray  # (C,), with nothing hidden
    after: np.ndarray  # (C,), with the pixels hidden
    elsewhere: np.ndarray  # (DRAWS, C), with the same shape hidden at random other places
    image: np.ndarray  # without those pixels
    example: np.ndarray  # without those at the first of the other places

    @property
    def is_finite(self) -> bool:
        """Whether all probabilities are numbers."""
        return all(np.isfinite(values).all() for values in (self.before, self.after, self.elsewhere))


def hide(
    model: nn.Module,
    image: np.ndarray,
    mask: Tensor,
    to_input: Callable[[np.ndarray], Tensor],
    progress: Progress = lambda done, total: None,
) -> Hidden:
    """Impute the pixels of `mask`, and those of the same shape at random other places; always the same places.

    image: uint8 H×W×3, what the model sees. mask: bool H×W, some but not all. to_input: uint8 N×H×W×3 → the model's
    input. The other places are the shape itself, moved down and to the right by a random distance, what leaves the
    image coming in again on the other side; all distances but none at all are equally likely, seed 0. A scatter of
    single pixels would be filled in from its neighbours and cost the model nothing.
    """
    height, width = mask.shape
    draws = np.random.default_rng(0).integers(1, height * width, DRAWS)
    moved = [mask.roll((int(draw) // width, int(draw) % width), (0, 1)) for draw in draws]
    masks = torch.stack([mask, *moved])
    pixels = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1).expand(len(masks), -1, -1, -1) / 255
    filled = impute(pixels, masks, torch.Generator().manual_seed(0))
    hidden = (filled.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    images = np.concatenate([image[None], hidden])
    chances = []
    for part in batches(len(images), height * width, _PIXELS_AT_ONCE):
        progress(part.start, len(images))
        chances.append(probabilities(model, to_input(images[part]).to(device_of(model))).cpu().numpy())
    before, after, *elsewhere = np.concatenate(chances)
    return Hidden(before, after, np.stack(elsewhere), images[1], images[2])


def hottest(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Mark the tenth of an image's pixels (bool H×W) where its map, float h×w, is hottest once it is upsampled."""
    places = upsample(values[None, None], size).flatten()
    mask = torch.zeros(len(places), dtype=torch.bool)
    mask[places.topk(round(SHARE * len(places))).indices] = True
    return mask.reshape(size)


def enlarged(mask: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Bring a mask painted on a picture, bool h×w, to the pixels that the model sees, H×W, smaller or larger.

    A pixel is marked where its middle lies on a marked pixel of the picture.

    >>> enlarged(np.array([[True, False]]), (1, 4)).tolist()
    [[True, True, False, False]]
    """
    rows, columns = (
        ((np.arange(many) + 0.5) * few / many).astype(int) for many, few in zip(size, mask.shape, strict=True)
    )
    return torch.from_numpy(mask[np.ix_(rows, columns)])
