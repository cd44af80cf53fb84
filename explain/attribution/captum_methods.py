"""Captum's own layer methods, one layer and one class at a time: the reference for the engine's."""

from collections.abc import Sequence

import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torch import Tensor, nn

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.folding import fold

CAPTUM_CLASSES = {"captum_gradcam": LayerGradCam, "gradient_x_activation": LayerGradientXActivation}


def captum_layer_maps(
    model: nn.Module, images: Tensor, layers: Sequence[str], targets: Tensor, minus: Tensor | None, method: str
) -> dict[str, Tensor]:
    """Compute `layer_attributions` of one batch, targets N×T, by a method of CAPTUM_CLASSES; called inside `exclusive`.

    Both methods are linear in the logit, so the map of a difference is the difference of the maps.
    """
    # The model is frozen; without a gradient at the input autograd would record nothing.
    inputs = images.detach().clone().requires_grad_(True)

    def maps(layer: str, codes: Tensor) -> Tensor:
        attribution = CAPTUM_CLASSES[method](model, model.get_submodule(layer))
        columns = [attribution.attribute(inputs, target=column) for column in codes.T]
        return torch.stack([_one_map(values, images, layer, method) for values in columns], dim=1).float()

    found = {layer: maps(layer, targets) for layer in layers}
    return found if minus is None else {layer: values - maps(layer, minus) for layer, values in found.items()}


def _one_map(values: Tensor, images: Tensor, layer: str, method: str) -> Tensor:
    """Sum N×K×h×w over channels: N×h×w (LayerGradCam has done so: K is 1)."""
    size = (images.shape[2], images.shape[3])
    grid = fold(values, size)
    if grid is None or (method == "captum_gradcam" and grid.shape != values.shape):
        # It would average over what it takes for places: the channels of a token, or the width of a Swin block.
        raise ExplainError(f"Captum's LayerGradCam cannot read layer {layer!r}, whose channels come last; use gradcam.")
    return grid.sum(dim=1).detach()
