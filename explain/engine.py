"""Attribution maps of several layers. Captum computes them, one layer and one target at a time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

# Captum hooks the shared model while it works; two threads on one model get wrong maps.
_LOCK = threading.Lock()


class ExplainError(Exception):
    """A sentence for the user: what was wrong, what is allowed, what to do."""


def layer_attributions(model: nn.Module, images: Tensor, layers: Sequence[str], targets: Tensor) -> dict[str, Tensor]:
    """Grad-CAM (Selvaraju et al. 2017, eq. 1 and 2 without the ReLU) for every layer.

    images: float32 N×C×H×W, normalised. targets: int64 N×T, class codes whose logit (before softmax) is explained.
    Returns for each layer a signed float32 tensor N×T×h×w at the layer's own resolution.
    Raises ExplainError for a name that is no module of the model, or whose output is no N×C×h×w map.
    """
    modules = dict(model.named_modules())
    unknown = [layer for layer in layers if layer not in modules]
    if unknown:
        raise ExplainError(f"The model has no layer {unknown[0]!r}; choose from: {', '.join(filter(None, modules))}.")
    with _evaluating(model):
        return {layer: _grad_cam(model, modules[layer], layer, images, targets) for layer in layers}


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Hold the lock, with the model in eval mode; every module gets its own training flag back."""
    with _LOCK:
        flags = [(module, module.training) for module in model.modules()]
        model.eval()
        try:
            yield
        finally:
            for module, flag in flags:
                module.training = flag


def _grad_cam(model: nn.Module, module: nn.Module, name: str, images: Tensor, targets: Tensor) -> Tensor:
    method = LayerGradCam(model, module)
    # The parameters of a run's model are frozen; without a gradient at the input autograd would record nothing.
    inputs = images.detach().clone().requires_grad_(True)
    maps = [method.attribute(inputs, target=target, relu_attributions=False) for target in targets.T]
    if maps[0].ndim != 4:
        raise ExplainError(f"The output of layer {name!r} is no map of height and width; choose a convolutional layer.")
    return torch.cat(maps, dim=1).detach().float()


def probabilities(model: nn.Module, images: Tensor) -> Tensor:
    """Softmax of the logits: float32 N×C."""
    with _evaluating(model), torch.no_grad():
        return model(images).softmax(dim=1)
