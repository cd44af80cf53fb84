"""What a margin hangs on: the features of a layer, and how much each of them counts between two classes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from sightline.explain.attribution.engine import check_layers, check_logits, class_columns, fitting_batches
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.folding import fold
from sightline.explain.attribution.head import pooled_head
from sightline.explain.attribution.recording import eager, exclusive, recording

RUNNER_UP = -1  # in place of a rival: the likeliest of the other classes


@dataclass(frozen=True)
class Margins:
    """Of N images, at a layer of K channels and h×w places."""

    activations: Tensor  # N×K×h×w
    weights: Tensor  # N×K: the gradient of the margin, added up over the places
    exact: bool  # whether margin = weights · features + constant; else the weights are its slope, of first order

    @property
    def features(self) -> Tensor:
        """The features, N×K: see `pooled`."""
        return pooled(self.activations)


def margins(model: nn.Module, images: Tensor, layer: str, predicted: Tensor, rivals: Tensor) -> Margins:
    """Return what the margins, logit(predicted) − logit(rival), hang on at a layer.

    images: float N×3×S×S, normalised, on the model's device. layer: a `named_modules()` name. predicted, rivals: int64
    N, class codes; a rival may be RUNNER_UP. Where the head is pooling and one linear layer W, the weights are
    W[predicted] − W[rival].
    Raises ExplainError for a layer without a map, a code that is no class, or a network of one class.
    """
    model, size = eager(model), (images.shape[2], images.shape[3])
    plus, minus = class_columns(predicted, images), class_columns(rivals, images)
    found, weights, heads = [], [], []
    with exclusive(model):
        check_layers(model, images, [layer])
        for rows in fitting_batches(model, images):
            with recording(model, [layer]) as outputs:
                logits = model(images[rows])
            output, rival = outputs[layer], _named_rivals(logits, images[rows], plus[rows], minus[rows])
            head = pooled_head(model, logits, output)
            if head is None:
                margin = (logits.gather(1, plus[rows]) - logits.gather(1, rival)).sum()
                (slope,) = torch.autograd.grad(margin, output, materialize_grads=True, allow_unused=True)
                weights.append(cast(Tensor, fold(slope, size)).sum(dim=(2, 3)))
            else:
                weights.append(head[plus[rows, 0]] - head[rival[:, 0]])
            heads.append(head)
            found.append(cast(Tensor, fold(output, size)).detach())
    return Margins(torch.cat(found), torch.cat(weights), all(head is not None for head in heads))


def _named_rivals(logits: Tensor, images: Tensor, predicted: Tensor, rivals: Tensor) -> Tensor:
    """Return the rivals, int64 N×1, with the runner-up in the place of RUNNER_UP. Raises ExplainError."""
    check_logits(logits, images, predicted)
    if logits.shape[1] < 2:
        raise ExplainError("The network has one class, which has no rival: nothing has to speak for it.")
    runners_up = logits.detach().scatter(1, predicted, -torch.inf).argmax(dim=1, keepdim=True)
    found = torch.where(rivals == RUNNER_UP, runners_up, rivals)
    check_logits(logits, images, found)
    return found


def activations(
    model: nn.Module, images: Tensor, layer: str, take: Callable[[Tensor], Tensor] = Tensor.clone
) -> tuple[Tensor, Tensor]:
    """Return what a layer makes of images, N×K×h×w, and the logits, N×C: one forward.

    images, layer: as of `margins`. take: what is wanted of N×K×h×w, which may be changed in place as soon as the
    network goes on. Raises ExplainError.
    """
    model, size, seen = eager(model), (images.shape[2], images.shape[3]), list[Tensor]()

    def keep(_: nn.Module, __: object, output: Tensor) -> None:
        seen[:] = [take(cast(Tensor, fold(output, size)))]  # of a module that is called several times, the last

    with exclusive(model):
        check_layers(model, images, [layer])
        with torch.no_grad():
            hook = model.get_submodule(layer).register_forward_hook(keep)
            try:
                logits = model(images)
            finally:
                hook.remove()
    check_logits(logits, images)
    return seen[0], logits


def pooled(activations: Tensor) -> Tensor:
    """Return the features N×K of activations N×K×h×w: their means over the places."""
    return activations.mean(dim=(2, 3))
