"""Crop, flip, cover and mix a whole batch at random and at once, on the device that holds the images."""

from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms.v2 import CutMix, MixUp

from sightline.explain.world import ALONE, World


def augment(
    images: Tensor,
    generator: torch.Generator,
    *,
    padding: int,
    flip: bool | Tensor,
    cutout: int,
    world: World = ALONE,
) -> Tensor:
    """Move, mirror and cover every image on its own: uint8 N×H×W×C → the same shape and type.

    padding: each image is shifted by −padding … +padding pixels down and right, uniformly; what comes in is the
    image's reflection (without repeating the edge). flip: mirrored left to right, with probability ½, or
    those that a tensor, bool N, names.
    cutout: side in pixels of a square set to mid grey, centred anywhere in the image (DeVries & Taylor 2017); 0: none.
    The generator lives on the CPU, so the same seed draws the same numbers for every device, and it draws for a whole
    batch, of which `images` and `flip` are this process's part: so they are the same for any number of processes.

    >>> image = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 4, 1)
    >>> augment(image, torch.Generator(), padding=0, flip=torch.tensor([True]), cutout=0).flatten().tolist()
    [3, 2, 1, 0]
    """
    count, height, width, _ = images.shape
    draw = _Draw(count, generator, images.device, world)
    rows = _reflect(torch.arange(height, device=images.device) + draw.integers(-padding, padding), height)
    columns = _reflect(torch.arange(width, device=images.device) + draw.integers(-padding, padding), width)
    if flip is not False:
        mirror = draw.integers(0, 1) == 1 if flip is True else flip[:, None]
        columns = torch.where(mirror, columns.flip(1), columns)
    index = torch.arange(count, device=images.device)
    moved = images[index[:, None, None], rows[:, :, None], columns[:, None, :]]
    return _cut_out(moved, draw, cutout) if cutout else moved


def mix(
    images: Tensor, labels: Tensor, generator: torch.Generator, *, how: Literal["mixup", "cutmix"], classes: int
) -> tuple[Tensor, Tensor]:
    """Mix every image with its neighbour in the batch: float B×C×H×W, int64 B → the same shape, and B×classes.

    The latter is the share of each class in an image. mixup: their mean, weighted by a share that is uniform in 0–1
    (Zhang et al. 2018); cutmix: a rectangle that covers such a share, or less at the border, comes from the neighbour
    (Yun et al. 2019). Share and place are one for the batch. `generator` as in `augment`.
    """
    mixing = {"mixup": MixUp, "cutmix": CutMix}[how](alpha=1.0, num_classes=classes)
    with torch.random.fork_rng(devices=[]):  # torchvision draws from the CPU's global one
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=generator)))
        return mixing(images, labels)


class _Draw:
    """A source of uniform integers, one for each image, as a column N×1."""

    def __init__(self, count: int, generator: torch.Generator, device: torch.device, world: World):
        self.count, self.generator, self.device, self.world = count, generator, device, world

    def integers(self, low: int, high: int) -> Tensor:
        """Draw from low … high, both included."""
        drawn = torch.randint(low, high + 1, (self.count * self.world.size, 1), generator=self.generator)
        # Without blocking, or every draw would wait for the GPU's last step.
        return self.world.part(drawn).to(self.device, non_blocking=True)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Fold indices outside 0 … size−1 back at the borders: −1 → 1, size → size−2."""
    folded = index.abs()
    return (size - 1) - (size - 1 - folded).abs()


def _cut_out(images: Tensor, draw: _Draw, side: int) -> Tensor:
    _, height, width, _ = images.shape

    def covered(size: int) -> Tensor:
        start = draw.integers(0, size - 1) - side // 2
        position = torch.arange(size, device=images.device)
        return (position >= start) & (position < start + side)

    square = covered(height)[:, :, None] & covered(width)[:, None, :]
    return images.masked_fill(square[..., None], 128)
