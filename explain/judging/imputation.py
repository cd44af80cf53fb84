"""Take pixels out of an image without leaving a shape that betrays where they were."""

import torch
from torch import Tensor

# Noisy linear imputation, Rong et al. 2022 (ROAD, arXiv 2202.00449), section 4.2: a hidden pixel is the weighted mean
# of its eight neighbours, 1/6 each beside it and 1/12 each across, plus a little noise.
ACROSS = 1 / 12
NOISE = 0.01  # standard deviation, in the units of the image (ROAD's, for normalised images)
TOLERANCE = 1e-4  # of the residual, relative to its start
MOST_STEPS = 1000
STEPS_BETWEEN_CHECKS = 5


def impute(images: Tensor, hidden: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fill in the pixels `hidden` (bool N×H×W) of `images` (float N×C×H×W) from those that are left.

    All hidden pixels of an image form one linear system (a discrete Laplace equation), solved for the whole batch by
    conjugate gradients. At the edge of the image the weights of the neighbours that exist are scaled up to 1.
    An image that is hidden whole becomes zero, plus the noise.

    >>> hidden = torch.zeros(1, 8, 8, dtype=torch.bool)
    >>> hidden[:, 2:5, 2:5] = True
    >>> filled = impute(torch.ones(1, 3, 8, 8), hidden)
    >>> print(f"{filled[0, 0, 3, 3]:.1f}")  # as its surroundings
    1.0
    """
    mask = hidden[:, None].to(images)
    shares = _neighbours(torch.ones_like(images[:1, :1]))  # below 1 at the edge
    known = images * (1 - mask)
    # shares·x − neighbours(x) = neighbours(known) on the hidden pixels: symmetric and positive definite.
    solution = _conjugate_gradients(mask, shares, mask * _neighbours(known))
    noise = NOISE * torch.randn(images.shape, generator=generator, dtype=images.dtype).to(images.device)
    return known + mask * (solution + noise)


def _neighbours(values: Tensor) -> Tensor:
    """Return the weighted sum over the eight neighbours of every pixel, zero outside the image.

    The weights are those of (1 2 1)ᵀ·(1 2 1) without its middle, over 12: two sums along the sides and a subtraction,
    several times faster than a convolution.
    """
    down = 2 * values
    down[..., 1:, :] += values[..., :-1, :]
    down[..., :-1, :] += values[..., 1:, :]
    across = 2 * down
    across[..., 1:] += down[..., :-1]
    across[..., :-1] += down[..., 1:]
    return across.sub_(values, alpha=4).mul_(ACROSS)


def _conjugate_gradients(mask: Tensor, shares: Tensor, right: Tensor) -> Tensor:
    """Solve mask · (shares·x − neighbours(x)) = right for every image and channel (Hestenes and Stiefel 1952).

    mask: N×1×H×W. right: N×C×H×W, zero outside the mask. Images that are solved leave the batch, now and then: a few
    hidden pixels take some ten steps, nearly all of them a hundred.
    """
    solved = torch.zeros_like(right)
    rows = torch.arange(len(right), device=right.device)
    tiny = torch.finfo(right.dtype).tiny
    solution, residual, direction = torch.zeros_like(right), right.clone(), right.clone()
    power = _power(residual)
    enough = TOLERANCE**2 * power
    for number in range(MOST_STEPS):
        if number % STEPS_BETWEEN_CHECKS == 0:
            going = (power > enough).any(dim=1).flatten()
            if not going.all():
                solved[rows[~going]] = solution[~going]
                rows, mask, solution, residual, direction, power, enough = (
                    values[going] for values in (rows, mask, solution, residual, direction, power, enough)
                )
            if not len(rows):
                return solved
        image = (shares * direction).sub_(_neighbours(direction)).mul_(mask)
        step = power / (direction * image).sum(dim=(2, 3), keepdim=True).clamp(min=tiny)
        solution.addcmul_(step, direction)
        residual.addcmul_(step, image, value=-1)
        last, power = power, _power(residual)
        direction.mul_(power / last.clamp(min=tiny)).add_(residual)
    solved[rows] = solution
    return solved


def _power(residual: Tensor) -> Tensor:
    """Return the sum of squares of every image and channel, N×C×1×1."""
    return residual.square().sum(dim=(2, 3), keepdim=True)
