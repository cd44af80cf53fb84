"""Attribution maps of any layers of any classifier: one forward, and at most one backward a class, for all of them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.folding import fold
from sightline.explain.attribution.head import pooled_head
from sightline.explain.attribution.methods import LAYER_METHODS, Combine
from sightline.explain.attribution.places import places_of
from sightline.explain.attribution.recording import bytes_of_an_image, eager, exclusive, recording
from sightline.explain.batches import batches

MEMORY = {"cpu": 512 * 2**20, "cuda": 8 * 2**30}  # bytes that the activations of a batch may take
ALWAYS_FITS = 8  # images: a batch of so few is not measured first
NAMED_LAYERS = 60  # named in a message, at most

_Batch = tuple[nn.Module, Tensor, Sequence[str], Tensor, Tensor | None]  # images, and classes and minus of each
_IMAGE_BYTES: "WeakKeyDictionary[nn.Module, dict[torch.Size, int]]" = WeakKeyDictionary()


def layer_attributions(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    targets: Tensor,
    method: str = "gradcam",
    minus: Tensor | None = None,
) -> dict[str, Tensor]:
    """Compute maps of the logits (before softmax) of the classes `targets`, at every layer of `layers`.

    images: float32 N×C×H×W, normalised, on the model's device. layers: `named_modules()` names. targets: int64, N or
    N×T class codes. method: a key of LAYER_METHODS. minus: int64 like targets; with it the difference of two logits,
    target − minus, is explained.

    Returns for each layer a signed tensor N×T×h×w at the layer's own resolution (T = 1 for targets of shape N), without
    ReLU, float32 (float64 where the model computes in it). Token sequences are folded back into their grid.
    The model is left as it was. Safe to call from several threads: one at a time works on a model.
    Raises ExplainError for images, layers, targets or a method that are not of this kind, or not of this model.

    >>> import torch
    >>> from sightline import build_model, layer_attributions
    >>> model = build_model("resnet18_narrow", num_classes=10)
    >>> images = torch.rand(2, 3, 32, 32)
    >>> maps = layer_attributions(model, images, ["layer3", "layer4"], targets=torch.tensor([3, 7]))
    >>> {layer: tuple(values.shape) for layer, values in maps.items()}
    {'layer3': (2, 1, 8, 8), 'layer4': (2, 1, 4, 4)}

    Where the first image speaks for class 3 rather than class 5, by another method:

    >>> three, five = torch.tensor([3]), torch.tensor([5])
    >>> maps = layer_attributions(model, images[:1], ["layer4"], three, method="hirescam", minus=five)
    """
    return attributions_by_method(model, images, layers, targets, [method], minus)[method]


def attributions_by_method(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    targets: Tensor,
    methods: Sequence[str],
    minus: Tensor | None = None,
) -> dict[str, dict[str, Tensor]]:
    """Compute `layer_attributions` by several methods, which share the model's passes: method → layer → maps."""
    for method in methods:
        if method not in LAYER_METHODS:
            raise ExplainError(f"Unknown method {method!r}; choose from: {', '.join(LAYER_METHODS)}.")
    combines = {method: combine for method in methods if (combine := LAYER_METHODS[method].combine)}

    def compute(*batch: *_Batch) -> dict[str, dict[str, Tensor]]:
        maps = _one_pass(*batch, combines) if combines else {}
        return {method: maps[method] if method in combines else _by_captum(*batch, method) for method in methods}

    return _batch_by_batch(model, images, layers, targets, minus, compute)


def combined(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    targets: Tensor,
    combines: Mapping[str, Combine],
    minus: Tensor | None = None,
) -> dict[str, dict[str, Tensor]]:
    """Combine activation and gradient of each layer by functions of one's own, in the one pass of a map.

    combines: each is given A and G, N×K×h×w, of one class an image, and returns a tensor of N rows. Returns name →
    layer → N×T×…, where a map of that function would be N×T×h×w. All else as `layer_attributions`.
    """
    return _batch_by_batch(model, images, layers, targets, minus, partial(_one_pass, combines=combines))


def _batch_by_batch(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    targets: Tensor,
    minus: Tensor | None,
    compute: Callable[[*_Batch], dict[str, dict[str, Tensor]]],
) -> dict[str, dict[str, Tensor]]:
    """Join what `compute` returns for batches that fit the memory, alone with the model: name → layer → N×T×…."""
    model = eager(model)
    targets = class_columns(targets, images)
    minus = None if minus is None else class_columns(minus, images)
    parts = []
    with exclusive(model):
        check_layers(model, images, layers)
        for rows in fitting_batches(model, images):
            parts.append(compute(model, images[rows], layers, targets[rows], None if minus is None else minus[rows]))
    return {name: {layer: torch.cat([part[name][layer] for part in parts]) for layer in layers} for name in parts[0]}


def probabilities(model: nn.Module, images: Tensor) -> Tensor:
    """Return the softmax of the logits: float32 N×C. images: float N×C×H×W, normalised, on the model's device."""
    model = eager(model)
    with exclusive(model), torch.no_grad():
        return torch.cat([model(images[rows]).softmax(dim=1) for rows in fitting_batches(model, images)])


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge maps N×T×h×w to N×T×H×W, bicubically, which may go beyond their values a little.

    >>> upsample(torch.zeros(1, 1, 4, 4), (32, 32)).shape
    torch.Size([1, 1, 32, 32])
    """
    return nn.functional.interpolate(maps, size, mode="bicubic", align_corners=False)


def _one_pass(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    targets: Tensor,
    minus: Tensor | None,
    combines: Mapping[str, Combine],
) -> dict[str, dict[str, Tensor]]:
    """Compute `combined` of one batch; called inside `exclusive`."""
    with recording(model, layers) as outputs:
        logits = model(images)
    check_logits(logits, images, targets, minus)
    size = (images.shape[2], images.shape[3])
    activations = {layer: cast(Tensor, fold(outputs[layer], size)).detach() for layer in layers}
    heads = {layer: head for layer in layers if (head := pooled_head(model, logits, outputs[layer])) is not None}
    others = [layer for layer in layers if layer not in heads]
    maps: dict[str, dict[str, list[Tensor]]] = {method: {layer: [] for layer in layers} for method in combines}
    for column in range(targets.shape[1]):
        plus, less = targets[:, column], None if minus is None else minus[:, column]
        weights = {layer: head[plus] if less is None else head[plus] - head[less] for layer, head in heads.items()}
        gradients = {layer: _pooled_gradient(weights[layer], activations[layer]) for layer in heads}
        found = _gradients(logits, plus, less, [outputs[layer] for layer in others])
        gradients |= {layer: cast(Tensor, fold(gradient, size)) for layer, gradient in zip(others, found, strict=True)}
        for method, combine in combines.items():
            for layer, gradient in gradients.items():
                maps[method][layer].append(combine(activations[layer], gradient))
    return {
        method: {layer: _at_least_single(torch.stack(columns, dim=1)) for layer, columns in of_layers.items()}
        for method, of_layers in maps.items()
    }


def _by_captum(*batch: *tuple[*_Batch, str]) -> dict[str, Tensor]:
    from sightline.explain.attribution.captum_methods import captum_layer_maps  # which loads captum, in a second

    return captum_layer_maps(*batch)


def _gradients(logits: Tensor, target: Tensor, minus: Tensor | None, outputs: list[Tensor]) -> Sequence[Tensor]:
    """Return the gradients of the explained logits with respect to `outputs`; zeros for one that they do not use.

    target, minus: int64 N. One backward serves all images, since no image's logit depends on another image.
    """
    if not outputs:
        return ()
    score = logits.gather(1, target[:, None]).sum()
    if minus is not None:
        score = score - logits.gather(1, minus[:, None]).sum()
    return torch.autograd.grad(score, outputs, retain_graph=True, materialize_grads=True, allow_unused=True)


def _pooled_gradient(weights: Tensor, activation: Tensor) -> Tensor:
    """Return the gradient of a logit that is a weighted sum of the means of channels: the same at every place.

    weights: N×K. activation and gradient: N×K×h×w.
    """
    return (weights / activation[0, 0].numel())[:, :, None, None].expand_as(activation)


def fitting_batches(model: nn.Module, images: Tensor) -> Iterator[slice]:
    """Return the slices of `images` whose activations fit MEMORY; called inside `exclusive`."""
    if len(images) <= ALWAYS_FITS:
        return iter([slice(len(images))])
    known = _IMAGE_BYTES.setdefault(model, {})
    if images.shape[1:] not in known:
        known[images.shape[1:]] = bytes_of_an_image(model, images)
    bytes_each = 2 * known[images.shape[1:]] + 1
    return batches(len(images), bytes_each, MEMORY.get(images.device.type, MEMORY["cpu"]))


def check_layers(model: nn.Module, images: Tensor, layers: Sequence[str]) -> None:
    """Raise ExplainError where the model has no such layer, or one has no map; called inside `exclusive`."""
    modules, places = dict(model.named_modules()), places_of(model, images, layers)
    for layer in layers:
        if layer not in modules:
            raise _no_map(places, f"The model has no layer {layer!r}")
        if layer not in places:
            raise _no_map(places, f"The output of layer {layer!r} is no map of height and width")


def _no_map(names: Collection[str], problem: str) -> ExplainError:
    """Return the error, with the layers that have a map, the outermost of many."""
    named = sorted(names, key=lambda name: name.count("."))[:NAMED_LAYERS]
    more = f" and {len(names) - NAMED_LAYERS} inside them" if len(names) > NAMED_LAYERS else ""
    return ExplainError(f"{problem}; choose from: {', '.join(name for name in names if name in named)}{more}.")


def _at_least_single(maps: Tensor) -> Tensor:
    return maps if maps.dtype == torch.float64 else maps.float()


def class_columns(codes: Tensor, images: Tensor) -> Tensor:
    """Return class codes (N or N×T) as int64 N×T, on the images' device.

    Raises ExplainError where the images are no normalised images, or the codes no class codes, one row an image.

    >>> class_columns(torch.tensor([3, 7]), torch.zeros(2, 3, 32, 32))
    tensor([[3],
            [7]])
    """
    if images.ndim != 4 or not len(images) or not images.is_floating_point():
        raise ExplainError(
            f"Images must be a normalised float tensor N×C×H×W, not {images.dtype} of shape {tuple(images.shape)}."
        )
    if codes.ndim not in (1, 2) or len(codes) != len(images) or codes.is_floating_point():
        raise ExplainError(
            f"Targets must be class codes, int64 of shape N or N×T with N = {len(images)} images, "
            f"not {codes.dtype} of shape {tuple(codes.shape)}."
        )
    return codes.to(images.device, torch.int64).reshape(len(images), -1)


def check_logits(logits: object, images: Tensor, *codes: Tensor | None) -> None:
    """Raise ExplainError where `logits` are not N×C, or one of the `codes` (int64 N×T) is none of the C classes."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
        raise ExplainError("The model returns no N×C tensor of logits, one row an image; wrap it in one that does.")
    classes = logits.shape[1]
    for column in codes:
        if column is not None and not ((column >= 0) & (column < classes)).all():
            raise ExplainError(f"A target is no class of the model, whose {classes} classes are 0 to {classes - 1}.")
