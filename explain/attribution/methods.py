"""The attribution methods on offer. Torch-free: the app lists them before torch is loaded.

A layer method combines what one forward and one backward return: the layer's activation A and the gradient G of one
class's logit with respect to it, both N×K×h×w. A pixel method asks the model itself. To add one of either kind, write
its function and give it a row in LAYER_METHODS or PIXEL_METHODS; no other file needs to know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from sightline.explain.attribution.turns import Turns

Combine = Callable[["Tensor", "Tensor"], "Tensor"]  # A and G, N×K×h×w → the signed map, N×h×w
# A model, images N×C×H×W and a class code for each (int64 N) → the signed map of that class's logit, N×H×W. The model
# is asked in turns; whoever asks it otherwise has to be alone with it.
Attribute = Callable[["Turns", "Tensor", "Tensor"], "Tensor"]

INTEGRATION_STEPS = 50  # of the path of Integrated Gradients
WINDOWS_PER_SIDE = 8  # an occluding window is this share of a side; the next one starts half a window on
FORWARD_BATCH = 64  # images that a pixel method puts through the model at once


@dataclass(frozen=True)
class Method:
    """A row of the table: an attribution method, where it is from, and what its maps mean."""

    title: str
    source: str
    cost: str  # in forward passes, a backward counting as one, for L layers and T classes
    signed: bool  # whether negative values occur and mean evidence against the class
    linear: bool  # whether the map of a difference of two logits is the difference of their maps
    combine: Combine | None = None  # of a layer method; None: Captum computes it, see CAPTUM_CLASSES
    attribute: Attribute | None = None  # of a pixel method


def grad_cam(activation: "Tensor", gradient: "Tensor") -> "Tensor":
    """Weight each channel by its mean gradient: eq. 1 and 2 of the paper, without the ReLU.

    >>> from torch import tensor
    >>> activation = tensor([[[[1.0, 2], [3, 4]], [[5, 5], [5, 5]]]])  # two channels
    >>> gradient = tensor([[[[2.0, 2], [2, 2]], [[0, 0], [0, 0]]]])  # only the first is used
    >>> grad_cam(activation, gradient)
    tensor([[[2., 4.],
             [6., 8.]]])
    """
    return (gradient.mean(dim=(2, 3), keepdim=True) * activation).sum(dim=1)


def hires_cam(activation: "Tensor", gradient: "Tensor") -> "Tensor":
    """Multiply element by element (eq. 4), so that what is not used at a place does not light up there."""
    return (gradient * activation).sum(dim=1)


def layer_cam(activation: "Tensor", gradient: "Tensor") -> "Tensor":
    """Weight each place by its positive gradient: eq. 5 and 6, without the ReLU."""
    return (gradient.clamp(min=0) * activation).sum(dim=1)


def grad_cam_plus_plus(activation: "Tensor", gradient: "Tensor") -> "Tensor":
    """Weight each channel by Σ α·ReLU(G), where α = G² / (2·G² + G³·ΣA): eq. 10, 11 and 19, without the ReLU.

    α is divided by G², which neither underflows nor meets 0/0: where G is zero the place has no weight anyway. The
    factor exp(logit) of eq. 18 is common to all channels and left out.
    """
    alpha = 1 / (2 + gradient * activation.sum(dim=(2, 3), keepdim=True))
    weights = (alpha * gradient.clamp(min=0)).sum(dim=(2, 3), keepdim=True)
    return (weights * activation).sum(dim=1)


def integrated_gradients(turns: "Turns", images: "Tensor", target: "Tensor") -> "Tensor":
    """Average the gradient on the way from a grey image, times the image, summed over channels.

    A map adds up to the logit minus that of the baseline 0 (the mean colour of the training images), up to the error
    of Gauss and Legendre's 50 points.
    """
    import torch
    from numpy.polynomial.legendre import leggauss

    points, weights = (
        torch.as_tensor(values, dtype=images.dtype, device=images.device).reshape(-1, 1, 1, 1, 1) / 2
        for values in leggauss(INTEGRATION_STEPS)
    )
    gradient = torch.zeros_like(images)

    def add(part: slice) -> Callable[[], object]:
        steps = ((points[part] + 0.5) * images).detach().requires_grad_()
        score = _of_class(turns.model(steps.flatten(0, 1)), target).sum()
        return lambda: gradient.add_((weights[part] * torch.autograd.grad(score, steps)[0]).sum(dim=0))

    turns.each(INTEGRATION_STEPS, add, most=_at_once(len(images)))
    return (gradient * images).sum(dim=1)


def occlusion(turns: "Turns", images: "Tensor", target: "Tensor") -> "Tensor":
    """Measure by how much the logit falls, on average over the grey windows that hide a pixel, an eighth of a side."""
    windows = [(slice(0), slice(0)), *product(*map(_windows, images.shape[2:]))]  # the first hides nothing
    logits = images.new_empty(len(windows), len(images))

    def hide(part: slice) -> None:
        copies = images.repeat(part.stop - part.start, 1, 1, 1, 1)
        for copy, (rows, columns) in zip(copies, windows[part], strict=True):
            copy[..., rows, columns] = 0
        logits[part] = _of_class(turns.model(copies.flatten(0, 1)), target).reshape(len(copies), -1)

    turns.each(len(windows), hide, most=_at_once(len(images)))
    fallen, times = images.new_zeros(len(images), *images.shape[2:]), images.new_zeros(images.shape[2:])
    for (rows, columns), hidden in zip(windows[1:], logits[1:], strict=True):
        fallen[:, rows, columns] += (logits[0] - hidden)[:, None, None]
        times[rows, columns] += 1
    return fallen / times


def _windows(side: int) -> list[slice]:
    """Return where the windows lie along a side, in pixels; the last may reach beyond it.

    >>> _windows(20)[:2], _windows(20)[-1]
    ([slice(0, 2, None), slice(1, 3, None)], slice(18, 20, None))
    """
    length = max(1, side // WINDOWS_PER_SIDE)
    step = max(1, length // 2)
    return [slice(start, start + length) for start in range(0, side - length + step, step)]


def _of_class(logits: "Tensor", target: "Tensor") -> "Tensor":
    """Return each image's logit of its class, from those of several copies of all images, one copy after the other."""
    return logits.gather(1, target.repeat(len(logits) // len(target))[:, None])


def _at_once(images: int) -> int:
    """Return how many times so many images may go through the model at once."""
    return max(1, FORWARD_BATCH // images)


_ONE_PASS = "1 + T: one forward, and one backward a class for all layers; none where the head is pooling + linear"
_CAPTUM = "2·L·T: a forward and a backward for each layer and class"

LAYER_METHODS = {
    "gradcam": Method(
        "Grad-CAM", "Selvaraju et al. 2017, arXiv 1610.02391", _ONE_PASS, signed=True, linear=True, combine=grad_cam
    ),
    "hirescam": Method(
        "HiResCAM", "Draelos and Carin 2020, arXiv 2011.08891", _ONE_PASS, signed=True, linear=True, combine=hires_cam
    ),
    "layercam": Method(
        "LayerCAM", "Jiang et al. 2021, IEEE TIP 30", _ONE_PASS, signed=False, linear=False, combine=layer_cam
    ),
    "gradcam++": Method(
        "Grad-CAM++",
        "Chattopadhyay et al. 2018, arXiv 1710.11063",
        _ONE_PASS,
        signed=False,
        linear=False,
        combine=grad_cam_plus_plus,
    ),
    "captum_gradcam": Method(
        "Grad-CAM (Captum)", "captum.attr.LayerGradCam, the reference", _CAPTUM, signed=True, linear=True
    ),
    "gradient_x_activation": Method(
        "Gradient × activation (Captum)", "captum.attr.LayerGradientXActivation", _CAPTUM, signed=True, linear=True
    ),
}

PIXEL_METHODS = {
    "integrated_gradients": Method(
        "Integrated Gradients",
        "Sundararajan et al. 2017, arXiv 1703.01365",
        "100·T: 50 steps a class",
        signed=True,
        linear=True,
        attribute=integrated_gradients,
    ),
    "occlusion": Method(
        "Occlusion",
        "Zeiler and Fergus 2014, arXiv 1311.2901",
        "T·(1 + 225): windows of an eighth",
        signed=True,
        linear=True,
        attribute=occlusion,
    ),
}

METHODS = LAYER_METHODS | PIXEL_METHODS
