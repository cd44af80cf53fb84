"""Attribution of single pixels of the input, by Captum."""

import torch
from captum.attr import IntegratedGradients, Occlusion
from torch import Tensor, nn

from sightline.explain.attribution.engine import check_logits, class_columns
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.methods import PIXEL_METHODS
from sightline.explain.attribution.recording import eager, exclusive

STEPS = 50  # of the path of Integrated Gradients
WINDOWS_PER_SIDE = 8  # an occluding window is this share of a side; the next one starts half a window on
FORWARD_BATCH = 64  # images that Captum puts through the model at once


def pixel_attributions(
    model: nn.Module, images: Tensor, targets: Tensor, method: str = "integrated_gradients"
) -> Tensor:
    """Maps of the logits of the classes `targets` at the input's own resolution.

    images: float32 N×C×H×W, normalised, on the model's device. targets: int64, N or N×T. method: a key of
    PIXEL_METHODS. Returns a signed float32 tensor N×T×H×W (T = 1 for targets of shape N). The baseline is 0, the mean
    colour of the training images. "integrated_gradients": the sum over channels, so that a map adds up to the logit
    minus that of the baseline, up to the error of 50 steps. "occlusion": by how much the logit falls, on average over
    the windows that hide a pixel, each an eighth of a side. Raises ExplainError as `layer_attributions`.
    """
    if method not in PIXEL_METHODS:
        raise ExplainError(f"Unknown pixel method {method!r}; choose from: {', '.join(PIXEL_METHODS)}.")
    columns, model = class_columns(targets, images), eager(model)
    attribute = _integrated_gradients if method == "integrated_gradients" else _occlusion
    with exclusive(model):
        with torch.no_grad():
            check_logits(model(images[:1]), images[:1], columns)
        return torch.stack([attribute(model, images.detach(), column) for column in columns.T], dim=1).detach().float()


def _integrated_gradients(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    batch = max(FORWARD_BATCH, len(images))  # Captum wants a step of all images at once
    found = IntegratedGradients(model).attribute(images, target=target, n_steps=STEPS, internal_batch_size=batch)
    return found.sum(dim=1)


def _occlusion(model: nn.Module, images: Tensor, target: Tensor) -> Tensor:
    height, width = (max(1, side // WINDOWS_PER_SIDE) for side in images.shape[2:])
    found = Occlusion(model).attribute(
        images,
        target=target,
        sliding_window_shapes=(images.shape[1], height, width),
        strides=(images.shape[1], max(1, height // 2), max(1, width // 2)),
        perturbations_per_eval=max(1, FORWARD_BATCH // len(images)),
    )
    return found[:, 0]  # a window hides all channels, so all have the same value
