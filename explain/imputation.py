"""Take pixels out of an image without leaving a shape that betrays where they were."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

# Noisy linear imputation, Rong et al. 2022 (ROAD, arXiv 2202.00449), section 4.2: a hidden pixel is the weighted mean
# of its eight neighbours, 1/6 each beside it and 1/12 each across, plus a little noise.
BESIDE, ACROSS = 1 / 6, 1 / 12
NOISE = 0.01  # standard deviation, in the units of the image (ROAD's, for normalised images)
TOLERANCE = 1e-4  # of the residual, relative to its start
MOST_STEPS = 1000


def impute(images: Tensor, hidden: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """`images` float N×C×H×W with the pixels `hidden` (bool N×H×W) filled in from those that are left.

    All hidden pixels of an image form one linear system (a discrete Laplace equation), solved for the whole batch by
    conjugate gradients. At the edge of the image the weights of the neighbours that exist are scaled up to 1.
    An image that is hidden whole becomes zero, plus the noise.
    """
    mask = hidden[:, None].to(images)
    kernel = images.new_tensor([[ACROSS, BESIDE, ACROSS], [BESIDE, 0, BESIDE], [ACROSS, BESIDE, ACROSS]])[None, None]

    def neighbours(values: Tensor) -> Tensor:
        count, channels, height, width = values.shape
        planes = values.reshape(count * channels, 1, height, width)
        return functional.conv2d(planes, kernel, padding=1).reshape(values.shape)

    shares = neighbours(torch.ones_like(images[:1, :1]))  # below 1 at the edge
    known = images * (1 - mask)
    # shares·x − neighbours(x) = neighbours(known) on the hidden pixels: symmetric and positive definite.
    solution = _conjugate_gradients(lambda x: mask * (shares * x - neighbours(x)), mask * neighbours(known))
    noise = NOISE * torch.randn(images.shape, generator=generator, dtype=images.dtype).to(images.device)
    return known + mask * (solution + noise)


def _conjugate_gradients(apply: Callable[[Tensor], Tensor], right: Tensor) -> Tensor:
    """Solve apply(x) = right for every image and channel at once (Hestenes and Stiefel 1952)."""
    solution, residual = torch.zeros_like(right), right
    direction, power = residual, residual.square().sum(dim=(2, 3), keepdim=True)
    enough = TOLERANCE**2 * power
    for _ in range(MOST_STEPS):
        if (power <= enough).all():
            break
        image = apply(direction)
        step = power / (direction * image).sum(dim=(2, 3), keepdim=True).clamp(min=torch.finfo(right.dtype).tiny)
        solution, residual = solution + step * direction, residual - step * image
        last, power = power, residual.square().sum(dim=(2, 3), keepdim=True)
        direction = residual + power / last.clamp(min=torch.finfo(right.dtype).tiny) * direction
    return solution
