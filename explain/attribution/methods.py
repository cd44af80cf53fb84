"""The attribution methods on offer. Torch-free: the app lists them before torch is loaded.

A layer method combines what one forward and one backward return: the layer's activation A and the gradient G of one
class's logit with respect to it, both N×K×h×w. To add one, write the function and give it a line in LAYER_METHODS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Combine = Callable[["Tensor", "Tensor"], "Tensor"]  # A and G, N×K×h×w → the signed map, N×h×w


@dataclass(frozen=True)
class Method:
    """One row of the table. `cost` is in forward passes, a backward counting as one, for L layers and T classes."""

    title: str
    source: str
    cost: str
    signed: bool  # whether negative values occur and mean evidence against the class
    linear: bool  # whether the map of a difference of two logits is the difference of their maps
    combine: Combine | None = None  # None: Captum computes it, see CAPTUM_CLASSES


def grad_cam(activation: "Tensor", gradient: "Tensor") -> "Tensor":
    """Eq. 1 and 2 of the paper, without the ReLU."""
    return (gradient.mean(dim=(2, 3), keepdim=True) * activation).sum(dim=1)


def hires_cam(activation: "Tensor", gradient: "Tensor") -> "Tensor":
    """Eq. 4: element by element, so that what is not used at a place does not light up there."""
    return (gradient * activation).sum(dim=1)


def layer_cam(activation: "Tensor", gradient: "Tensor") -> "Tensor":
    """Eq. 5 and 6, without the ReLU: each place weighted by its positive gradient."""
    return (gradient.clamp(min=0) * activation).sum(dim=1)


def grad_cam_plus_plus(activation: "Tensor", gradient: "Tensor") -> "Tensor":
    """Eq. 10, 11 and 19, without the ReLU: the weights are Σ α·ReLU(G), where α = G² / (2·G² + G³·ΣA).

    Divided by G², which neither underflows nor meets 0/0: where G is zero the place has no weight anyway. The factor
    exp(logit) of eq. 18 is common to all channels and left out.
    """
    alpha = 1 / (2 + gradient * activation.sum(dim=(2, 3), keepdim=True))
    weights = (alpha * gradient.clamp(min=0)).sum(dim=(2, 3), keepdim=True)
    return (weights * activation).sum(dim=1)


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
    ),
    "occlusion": Method(
        "Occlusion",
        "Zeiler and Fergus 2014, arXiv 1311.2901",
        "T·(1 + 225): windows of an eighth",
        signed=True,
        linear=True,
    ),
}

METHODS = LAYER_METHODS | PIXEL_METHODS
