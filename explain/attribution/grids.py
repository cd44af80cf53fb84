"""Find the layers of a network that have a map, and its resolution."""

import math
import re

import torch
from torch import Tensor, nn

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.recording import eager, exclusive, recording

MOST_PREFIX_TOKENS = 8  # class, distillation and register tokens stand before those of the image
MOST_SUGGESTED = 4


def fold(output: Tensor, size: tuple[int, int]) -> Tensor | None:
    """Return a layer's output as N×K×h×w, a view; None where it has no height and width.

    size: height and width of the input images, whose proportions the grid must have. N×K×h×w is returned as it is;
    N×h×w×K (Swin) is turned; of N×tokens×K (ViT, DeiT) the class, distillation and register tokens are dropped.

    >>> fold(torch.zeros(2, 1 + 14 * 14, 384), (224, 224)).shape  # a vision transformer: one class token
    torch.Size([2, 384, 14, 14])
    """
    if output.ndim == 4:
        return output.movedim(3, 1) if _is_channels_last(output, size) else output
    if output.ndim == 3:
        height, width = size
        for prefix in range(min(MOST_PREFIX_TOKENS, output.shape[1] - 1) + 1):
            tokens = output.shape[1] - prefix
            rows = round(math.sqrt(tokens * height / width))
            if rows > 1 and tokens % rows == 0 and _fits(rows, tokens // rows, size):
                return output[:, prefix:].transpose(1, 2).unflatten(2, (rows, tokens // rows))
    return None


def _is_channels_last(output: Tensor, size: tuple[int, int]) -> bool:
    """Tell whether N×a×b×c has the proportions of the images in a×b, and more so than in b×c."""
    _, rows, columns, channels = output.shape
    return _fits(rows, columns, size) and _mismatch(rows, columns, size) < _mismatch(columns, channels, size)


def _mismatch(rows: int, columns: int, size: tuple[int, int]) -> int:
    """Say how far a grid is from the proportions of the images: 0 where it has them."""
    return abs(rows * size[1] - columns * size[0])


def _fits(rows: int, columns: int, size: tuple[int, int]) -> bool:
    """Tell whether a grid has the proportions of the images, but for a part of a row or column that was rounded."""
    return _mismatch(rows, columns, size) < max(size)


def map_layers(model: nn.Module, images: Tensor) -> dict[str, tuple[int, int]]:
    """Name every layer whose output is a map, with its height and width, in the order in which they finish.

    images: float N×C×H×W, normalised, on the model's device; only the first is looked at.

    >>> import torch
    >>> from sightline import build_model, map_layers
    >>> layers = map_layers(build_model("resnet18_narrow", num_classes=10), torch.rand(1, 3, 32, 32))
    >>> layers["layer1"], layers["layer4.1.conv2"]
    ((32, 32), (4, 4))
    """
    model = eager(model)
    with exclusive(model), torch.no_grad():
        return {name: (grid.shape[2], grid.shape[3]) for name, grid in record_maps(model, images)[2].items()}


def suggest_layers(model: nn.Module, images: Tensor) -> tuple[str, ...]:
    """Name up to four layers to look at, shallow to deep: of each of the deepest resolutions the last that counts.

    images: as in `map_layers`. A layer counts when it has parameters, more than one cell, and a gradient of the
    likeliest class: of a vision transformer's last block, for one, only the class token is read. The first steps of a
    block that goes on to a lower resolution do not count. Where all layers have one resolution, the same layer of
    earlier blocks is suggested too. Raises ExplainError where no layer counts.

    >>> import torch
    >>> from sightline import build_model, suggest_layers
    >>> suggest_layers(build_model("resnet18_narrow", num_classes=10), torch.rand(1, 3, 32, 32))
    ('layer1', 'layer2', 'layer3', 'layer4')
    """
    model = eager(model)
    with exclusive(model):
        logits, outputs, grids = record_maps(model, images)
        wanted = [outputs[name] for name in grids]
        gradients = torch.autograd.grad(logits.max(), wanted, allow_unused=True, materialize_grads=True)
    size = (images.shape[2], images.shape[3])
    folded = {name: fold(gradient, size) for name, gradient in zip(grids, gradients, strict=True)}
    used = {name for name, gradient in folded.items() if gradient is not None and gradient.any()}
    counting = {
        name: grid.shape[2:]
        for name, grid in grids.items()
        if grid[0, 0].numel() > 1
        and any(True for _ in model.get_submodule(name).parameters())
        and (name in used or not used)  # a head of zeros, before any training, uses none
    }
    if not counting:
        raise ExplainError("No layer of the model has a map of more than one cell; use larger images.")
    deepest = {resolution: name for name, resolution in counting.items() if not _begins_reduction(name, counting)}
    if len(set(counting.values())) > 1:
        return tuple(name for name in counting if name in deepest.values())[-MOST_SUGGESTED:]
    # The stream of a transformer is narrower than what its blocks make of it (queries, keys and values; the MLP).
    width = min(grids[name].shape[1] for name in counting)
    return _last_of_each_depth([name for name in counting if grids[name].shape[1] == width])


def _begins_reduction(layer: str, resolutions: dict[str, torch.Size]) -> bool:
    """Tell whether a block around `layer` took over its resolution from an earlier layer and halves it."""
    names, parts, rows = list(resolutions), layer.split("."), resolutions[layer][0]
    for length in range(1, len(parts)):
        block = ".".join(parts[:length])
        first = next(index for index, name in enumerate(names) if name.startswith(f"{block}."))
        halved = rows / 3 < resolutions.get(block, resolutions[layer])[0] < rows  # a chain of stages goes further down
        if halved and resolutions[layer] in (resolutions[name] for name in names[:first]):
            return True
    return False


def _last_of_each_depth(layers: list[str]) -> tuple[str, ...]:
    """Return the last layer, and up to three before it whose names differ by numbers only, evenly through the depth.

    >>> _last_of_each_depth(["stem", *(f"blocks.{number}.norm" for number in range(8))])
    ('blocks.1.norm', 'blocks.3.norm', 'blocks.5.norm', 'blocks.7.norm')
    """
    family = [name for name in layers if re.sub(r"\d+", "#", name) == re.sub(r"\d+", "#", layers[-1])]
    number = min(MOST_SUGGESTED, len(family))
    return tuple(family[len(family) * (step + 1) // number - 1] for step in range(number))


def record_maps(model: nn.Module, images: Tensor) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Return logits, outputs by layer, and those outputs that are maps as N×K×h×w; called inside `exclusive`."""
    # Two images: where windows stand in the batch (Swin's attention), an output has another length and is no map.
    pair = images[:1].repeat(2, 1, 1, 1)
    with recording(model, [name for name, _ in model.named_modules() if name]) as outputs:
        logits = model(pair)
    size = (images.shape[2], images.shape[3])
    folded = {name: fold(output, size) for name, output in outputs.items() if len(output) == len(pair)}
    return logits, outputs, {name: grid for name, grid in folded.items() if grid is not None}
