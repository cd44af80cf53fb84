"""Build architectures by name, and make images their input in one way."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from os.path import isfile, join
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sightline.model_zoo.checkpoint import read_weights
from sightline.model_zoo.exported_file import exported_spec
from sightline.model_zoo.other_forms import way_in
from sightline.model_zoo.own_file import own_spec
from sightline.model_zoo.published import imagenet_resnet18, timm_spec, torchvision_spec
from sightline.model_zoo.resnet import ResNet
from sightline.model_zoo.saved_folder import CONFIG, saved_spec
from sightline.model_zoo.spec import ModelError, ModelSpec, find_head, printable
from sightline.model_zoo.weights import count_classes, load_pretrained, load_weights, restore

__all__ = [
    "MODELS",
    "ModelError",
    "ModelSpec",
    "build_model",
    "count_classes",
    "find_head",
    "load_pretrained",
    "load_weights",
    "model_spec",
    "named_spec",
    "normalize",
    "read_weights",
    "restore",
]

MODELS: dict[str, ModelSpec] = {
    "resnet18": ModelSpec(partial(ResNet, (2, 2, 2, 2))),
    "resnet34": ModelSpec(partial(ResNet, (3, 4, 6, 3))),
    "resnet18_narrow": ModelSpec(partial(ResNet, (2, 2, 2, 2), width=16)),
    "resnet18_imagenet": ModelSpec(imagenet_resnet18, input_size=224),
}
LIBRARIES = {"torchvision": torchvision_spec, "timm": timm_spec}
FORMS = (*MODELS, "torchvision:NAME", "timm:NAME", "timm:DIR", "hf:DIR", "FILE.py:NAME", "FILE.pt2")


def model_spec(name: str, input_size: int | None = None) -> ModelSpec:
    """Look up a network by what a user calls it: as in `named_spec`, or one that was made elsewhere.

    `FILE.py:NAME` runs the file. `hf:DIR` and `timm:DIR` are folders that transformers and timm saved, `FILE.pt2` is
    what `torch.export.save` wrote: of these nothing is run. input_size: the side of its images, in pixels, by default
    its own. Raises ModelError for what is not there, or is no network.

    >>> model_spec("resnet18").input_size, model_spec("torchvision:resnet18").input_size
    (32, 224)
    """
    library, colon, rest = name.partition(":")
    if colon and (library == "hf" or (library == "timm" and isfile(join(rest, CONFIG)))):
        return saved_spec(library, rest, input_size)
    if name.endswith(".py") or name.rpartition(":")[0].endswith(".py"):
        return own_spec(name, input_size)
    if name.endswith(".pt2"):
        return exported_spec(name, input_size)
    if name in MODELS or colon and library in LIBRARIES:
        return named_spec(name, input_size)
    said = way_in(Path(name)) or f"Unknown model {printable(name)!r}; choose from: {', '.join(FORMS)}."
    if isfile(name) and not way_in(Path(name)):
        said = f"{name} may be weights (--weights FILE); --model names their network: {', '.join(FORMS)}."
    if isfile(join(name, CONFIG)):
        said = f"{name} is a folder: write hf:{name} for a model of transformers, timm:{name} for one of timm."
    raise ModelError(said)


def named_spec(name: str, input_size: int | None = None) -> ModelSpec:
    """Look up the architecture `name`: a key of MODELS, `torchvision:NAME` or `timm:NAME`. No file is looked at.

    input_size: the side of its images, in pixels, by default the architecture's own. Raises ModelError, with the
    names there are, for an unknown one.
    """
    library, colon, published = name.partition(":")
    if colon and library in LIBRARIES:
        return LIBRARIES[library](published, input_size)
    if name not in MODELS:
        choices = ", ".join((*MODELS, "torchvision:NAME", "timm:NAME"))
        raise ModelError(f"Unknown model {printable(name)!r}; choose from: {choices}.")
    return replace(MODELS[name], input_size=input_size or MODELS[name].input_size)


def build_model(name: str, num_classes: int, input_size: int | None = None) -> nn.Module:
    """Build a network with random weights, which has a logit for each of `num_classes` classes.

    name, input_size: as in `named_spec`, so that a name in a stranger's run runs no file. Raises ModelError as that,
    or where the network takes no images of this size.

    >>> import torch
    >>> from sightline import build_model
    >>> model = build_model("resnet18_narrow", num_classes=10)
    >>> model(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """
    return named_spec(name, input_size).build(num_classes)


def normalize(
    images: np.ndarray | Tensor, mean: Sequence[float], std: Sequence[float], side: int | None = None
) -> Tensor:
    """Return (x / 255 − mean) / std: uint8 N×H×W×3 → float32 N×3×H×W (channels last in memory), on the images' device.

    `side`: the result is brought to N×3×side×side, bilinear with antialiasing, where they have another size.
    `mean` and `std` are of the training split, a value a channel, in the range 0–1.
    Training, evaluation and the app all call this, so that no one can show a model pixels it was not trained on.

    >>> white = np.full((1, 32, 32, 3), 255, np.uint8)
    >>> normalize(white, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))[0, :, 0, 0]
    tensor([2., 2., 2.])
    """
    pixels = torch.as_tensor(images).float()
    scale, shift = ((255 * torch.as_tensor(values)).to(pixels.device, non_blocking=True) for values in (std, mean))
    normalized = ((pixels - shift) / scale).permute(0, 3, 1, 2)
    if side is None or normalized.shape[2:] == (side, side):
        return normalized
    return functional.interpolate(normalized, size=(side, side), mode="bilinear", antialias=True)
