"""Architectures by name, and the one way an image becomes their input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import resnet18 as imagenet_resnet18

from model_zoo.resnet import ResNet


class ModelError(Exception):
    """A sentence for the user: what was wrong, what is allowed, what to do."""


@dataclass(frozen=True)
class ModelSpec:
    """How to build a network and where to look into it; layers and head are `named_modules()` names."""

    build: Callable[[int], nn.Module]
    layers: tuple[str, ...] = ("layer1", "layer2", "layer3", "layer4")  # shallow to deep
    head: str = "fc"  # the last linear layer: its input is the penultimate feature vector
    input_size: int = 32


MODELS: dict[str, ModelSpec] = {
    "resnet18": ModelSpec(partial(ResNet, (2, 2, 2, 2))),
    "resnet34": ModelSpec(partial(ResNet, (3, 4, 6, 3))),
    "resnet18_narrow": ModelSpec(partial(ResNet, (2, 2, 2, 2), width=16)),
    "resnet18_imagenet": ModelSpec(lambda num_classes: imagenet_resnet18(num_classes=num_classes), input_size=224),
}


def model_spec(name: str) -> ModelSpec:
    """Raise ModelError, with the names there are, for an unknown one."""
    if name not in MODELS:
        raise ModelError(f"Unknown model {name!r}; choose from: {', '.join(MODELS)}.")
    return MODELS[name]


def build_model(name: str, num_classes: int) -> nn.Module:
    return model_spec(name).build(num_classes)


def normalize(images: np.ndarray | Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 N×H×W×3 → float32 N×3×H×W (channels last in memory), (x / 255 - mean) / std on the images' device.

    `mean` and `std` are of the training split, a value a channel, in the range 0–1.
    Training, evaluation and the app all call this, so that no one can show a model pixels it was not trained on.
    """
    pixels = torch.as_tensor(images).float()
    scale = torch.as_tensor(std, device=pixels.device) * 255
    shift = torch.as_tensor(mean, device=pixels.device) * 255
    return ((pixels - shift) / scale).permute(0, 3, 1, 2)


def load_pretrained(model: nn.Module, file: Path, head: str) -> list[str]:
    """Copy weights from a local file (.safetensors, or a state dict saved by torch) into `model`.

    A head for another number of classes keeps its fresh weights. Returns the names that were left as they are.
    Raises ModelError when the file cannot be read or does not belong to this architecture.
    """
    weights = _read_weights(file)
    own = model.state_dict()
    skipped = [
        name for name in own if name.startswith(f"{head}.") and weights.get(name, own[name]).shape != own[name].shape
    ]
    for name in skipped:
        weights.pop(name)
    # A counter that batch normalisation needs only without momentum: files of older torchvision versions lack it.
    optional = [name for name in own if name.endswith(".num_batches_tracked")]
    missing = [name for name in own if name not in weights and name not in (*skipped, *optional)]
    unexpected = [name for name in weights if name not in own]
    misshaped = [name for name in weights if name in own and weights[name].shape != own[name].shape]
    problems = [
        f"{len(names)} {what} ({names[0]}{', …' if len(names) > 1 else ''})"
        for what, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", misshaped))
        if names
    ]
    if problems:
        raise ModelError(
            f"The weights in {file} are of another architecture: {', '.join(problems)}; "
            "choose the --model they were saved from."
        )
    model.load_state_dict(weights, strict=False)
    return skipped


def _read_weights(file: Path) -> dict[str, Tensor]:
    if not file.is_file():
        raise ModelError(f"No weights file at {file}; give the path of a .safetensors or .pt file.")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(file)
        weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds for a file that is not what its name says
        raise ModelError(
            f"The weights file {file} cannot be read ({type(error).__name__}); "
            "give a .safetensors file or a state dict saved by torch.save."
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ModelError(f"{file} holds no state dict; save one with torch.save(model.state_dict(), FILE).")
    return weights
