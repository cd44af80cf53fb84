"""Attribution of single pixels of the input, by the methods of PIXEL_METHODS."""

import torch
from torch import Tensor, nn

from sightline.explain.attribution.engine import check_logits, class_columns
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.methods import PIXEL_METHODS
from sightline.explain.attribution.recording import eager, exclusive
from sightline.explain.attribution.turns import Turns
from sightline.image_data import Progress


def pixel_attributions(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    method: str = "integrated_gradients",
    progress: Progress | None = None,
) -> Tensor:
    """Compute maps of the logits (before softmax) of the classes `targets` at the input's own resolution.

    images: float32 N×C×H×W, normalised, on the model's device. targets: int64 class codes, N or N×T. method: a key of
    PIXEL_METHODS. progress: called between the turns in which the work is done, with how far it is; what it raises
    ends the work. Returns a signed float32 tensor N×T×H×W (T = 1 for targets of shape N).
    The model is left as it was, and between two turns, of a tenth of a second or so, other threads may work on it.
    Raises ExplainError as `layer_attributions`.

    >>> import torch
    >>> from sightline import build_model, pixel_attributions
    >>> model = build_model("resnet18_narrow", num_classes=10)
    >>> pixel_attributions(model, torch.rand(1, 3, 32, 32), targets=torch.tensor([[3, 7]]), method="occlusion").shape
    torch.Size([1, 2, 32, 32])
    """
    attribute = PIXEL_METHODS[method].attribute if method in PIXEL_METHODS else None
    if attribute is None:
        raise ExplainError(f"Unknown pixel method {method!r}; choose from: {', '.join(PIXEL_METHODS)}.")
    columns, model = class_columns(targets, images), eager(model)
    with exclusive(model), torch.no_grad():
        check_logits(model(images[:1]), images[:1], columns)
    turns = Turns(model, columns.shape[1], progress)
    with torch.inference_mode(False):
        return torch.stack([attribute(turns, images.detach(), column) for column in columns.T], dim=1).detach().float()
