"""Find the layers of a network that have a map, its resolution, and those to look at first."""

import re

from torch import Tensor, nn

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.places import record_places
from sightline.explain.attribution.recording import eager, exclusive, layers_with_gradient

MOST_SUGGESTED = 4


def map_layers(model: nn.Module, images: Tensor) -> dict[str, tuple[int, int]]:
    """Name every layer whose output is a map, with its height and width, in the order in which they finish.

    Its cells must be places of the picture: `record_places` says how that is told.
    images: float N×C×H×W, normalised, on the model's device; only their size counts.

    >>> import torch
    >>> from sightline import build_model, map_layers
    >>> layers = map_layers(build_model("resnet18_narrow", num_classes=10), torch.rand(1, 3, 32, 32))
    >>> layers["layer1"], layers["layer4.1.conv2"]
    ((32, 32), (4, 4))
    """
    model = eager(model)
    with exclusive(model):
        return {name: (rows, columns) for name, (_, rows, columns) in record_places(model, images).items()}


def suggest_layers(model: nn.Module, images: Tensor) -> tuple[str, ...]:
    """Name up to four layers to look at, shallow to deep: of each of the deepest resolutions the last that counts.

    images: float N×C×H×W, normalised, on the model's device; only the first is looked at. A layer counts when it has a
    map (see `map_layers`), parameters, more than one cell, and a gradient of the likeliest class: of a vision
    transformer's last block, for one, only the class token is read. The first steps of a block that goes on to a lower
    resolution do not count. Where all layers have one resolution, the same layer of earlier blocks is suggested too.
    Raises ExplainError where no layer counts.

    >>> import torch
    >>> from sightline import build_model, suggest_layers
    >>> suggest_layers(build_model("resnet18_narrow", num_classes=10), torch.rand(1, 3, 32, 32))
    ('layer1', 'layer2', 'layer3', 'layer4')
    """
    model = eager(model)
    with exclusive(model):
        places = record_places(model, images)
        counting = {
            name: (rows, columns)
            for name, (_, rows, columns) in places.items()
            if rows * columns > 1 and any(True for _ in model.get_submodule(name).parameters())
        }
        used = layers_with_gradient(model, images[:1], list(counting))
    # A head of zeros, before any training, uses none, and so does a last scale of zero: then all count.
    counting = {name: grid for name, grid in counting.items() if name in used or not used}
    if not counting:
        raise ExplainError("No layer of the model has a map of more than one cell; use larger images.")
    deepest = {resolution: name for name, resolution in counting.items() if not _begins_reduction(name, counting)}
    if len(set(counting.values())) > 1:
        return tuple(name for name in counting if name in deepest.values())[-MOST_SUGGESTED:]
    # The stream of a transformer is narrower than what its blocks make of it (queries, keys and values; the MLP).
    width = min(places[name][0] for name in counting)
    stream = [name for name in counting if places[name][0] == width]
    # Where queries, keys and values have a layer each, as in transformers, these are as narrow, and no stream either.
    weights = {name: getattr(model.get_submodule(name), "weight", None) for name in stream}
    linear = {name for name, weight in weights.items() if isinstance(weight, Tensor) and weight.ndim == 2}
    return _last_of_each_depth([name for name in stream if name not in linear] or stream)


def _begins_reduction(layer: str, resolutions: dict[str, tuple[int, int]]) -> bool:
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
