"""Attended features: what a layer says of the places that a map calls hot."""

import torch
from torch import Tensor, nn

from sightline.explain.attribution.engine import combined
from sightline.explain.attribution.methods import grad_cam

METHOD = "gradcam"  # of the maps


def attended_features(model: nn.Module, images: Tensor, layer: str, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return z = Σₚ cam(p)·a(p) of a layer's activation a, float N×K, and the signed maps it is pooled by, N×h×w.

    cam is the positive part of the Grad-CAM map of each image's class (int64 N), scaled to the sum 1. A map that is
    nowhere positive pools evenly. images: float N×C×H×W, normalised, on the model's device. layer: any that has a map.
    Raises ExplainError as `layer_attributions` does.
    """
    found = combined(model, images, [layer], classes, {"features": attend, "maps": grad_cam})
    return found["features"][layer][:, 0], found["maps"][layer][:, 0]


def attend(activation: Tensor, gradient: Tensor) -> Tensor:
    """Pool an activation with the positive part of its map, both N×K×h×w → N×K.

    >>> activation = torch.tensor([[[[1.0, 3], [0, 4]], [[5, 9], [5, 5]]]])  # two channels
    >>> gradient = torch.tensor([1.0, 0])[None, :, None, None].expand_as(activation)  # the map is the first of them
    >>> attend(activation, gradient)  # (1·1 + 3·3 + 4·4)/8 and (1·5 + 3·9 + 4·5)/8
    tensor([[3.2500, 6.5000]])
    """
    cam = grad_cam(activation, gradient).clamp(min=0)
    total = cam.sum(dim=(1, 2), keepdim=True)
    even = torch.full_like(cam, 1 / cam[0].numel())
    return ((cam / total).where(total > 0, even)[:, None] * activation).sum(dim=(2, 3))
