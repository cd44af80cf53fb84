"""Tell whether maps change when the model forgets what it learned: one that does not shows the image, not the model."""

import copy
from collections.abc import Callable, Hashable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sightline.explain.attribution.recording import eager
from sightline.explain.judging.similarity import spearman
from sightline.explain.world import ALONE, World

NOISE = 0.1  # standard deviation of the smooth variant, as a share of the range of the images' values
NOISY_DRAWS = 10  # Hedström et al. average 50

Key = TypeVar("Key", bound=Hashable)  # of maps: a layer's name, or whatever tells them apart
Explain = Callable[[nn.Module, Tensor], dict[Key, Tensor]]  # model, images N×C×H×W → maps N×h×w of each kind


def randomisation(
    model: nn.Module, images: Tensor, explain: Explain[Key], seed: int = 0, world: World = ALONE
) -> dict[Key, np.ndarray]:
    """Compare a model's maps with those of the same model with random parameters: for each kind float64 N, −1 to 1.

    Cascading randomisation (Adebayo et al. 2018, arXiv 1810.03292): from the head downwards one stage after the other
    is drawn anew, and what is above stays random. The value of an image is the mean over these models of Spearman's
    correlation with the original map: 1 says that the map does not depend on what was learned. A random
    model's map that is constant is not similar (0); an original map that is constant has no value (NaN).

    explain: the maps to judge, called with the model or a changed copy of it. The model is left as it was.
    world: the processes, each of which takes some of the random models.
    """
    original = {kind: maps.cpu().numpy() for kind, maps in explain(model, images).items()}

    def similarity(changed: nn.Module) -> dict[Key, np.ndarray]:
        found = explain(changed, images).items()
        return {kind: np.nan_to_num(spearman(original[kind], maps.cpu().numpy())) for kind, maps in found}

    mine = islice(randomised_models(model, seed), world.rank, None, world.size)
    similar = world.gather_all([similarity(changed) for changed in mine])
    means = {kind: np.mean([found[kind] for found in similar], axis=0) for kind in original}
    is_constant = {kind: np.ptp(maps, axis=(1, 2)) == 0 for kind, maps in original.items()}
    return {kind: np.where(is_constant[kind], np.nan, mean) for kind, mean in means.items()}


def smooth(explain: Explain[Key]) -> Explain[Key]:
    """Return `explain` averaged over noisy copies of the images, for the smooth variant of `randomisation`.

    Hedström et al. 2024 (arXiv 2405.02383): a gradient's own noise lowers the similarity as forgetting
    does, and would be taken for it. Every model sees the same ten copies, and so does every call.
    """

    def averaged(model: nn.Module, images: Tensor) -> dict[Key, Tensor]:
        deviation = NOISE * (images.amax(dim=(1, 2, 3), keepdim=True) - images.amin(dim=(1, 2, 3), keepdim=True))
        generator = torch.Generator().manual_seed(0)
        sums: dict[Key, Tensor] = {}
        for _ in range(NOISY_DRAWS):
            noise = torch.randn(images.shape, generator=generator).to(images)
            for kind, maps in explain(model, images + deviation * noise).items():
                sums[kind] = sums[kind] + maps if kind in sums else maps
        return {kind: total / NOISY_DRAWS for kind, total in sums.items()}

    return averaged


def randomised_models(model: nn.Module, seed: int = 0) -> Iterator[nn.Module]:
    """Yield the model with its head random, with its head and last stage random, … with everything random.

    One copy, changed from step to step: use it before you ask for the next.
    """
    changed = copy.deepcopy(eager(model))
    for name in stages(changed):
        draw_anew(changed.get_submodule(name), seed)
        yield changed


def stages(model: nn.Module) -> list[str]:
    """Name the parts (as in `named_modules()`) that are made random one after the other, from the head downwards.

    They are the model's direct children with parameters, in reverse order; of a wrapper around one network, those of
    that network.

    >>> stages(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)))
    ['3', '0']
    """
    around = ""
    while True:
        children = [name for name, child in model.get_submodule(around).named_children() if _has_parameters(child)]
        names = [f"{around}.{name}" if around else name for name in children]
        if len(names) != 1 or not any(_has_parameters(child) for child in model.get_submodule(names[0]).children()):
            return names[::-1]
        (around,) = names


def draw_anew(module: nn.Module, seed: int) -> None:
    """Give all parameters in `module` the values of a new network; those without a rule of their own are shuffled."""
    devices = {parameter.device for parameter in module.parameters() if parameter.device.type == "cuda"}
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        torch.manual_seed(seed)
        for part in module.modules():
            reset = getattr(type(part), "reset_parameters", None)  # not a module inside it that is called so
            if callable(reset):
                reset(part)
            else:
                for parameter in part.parameters(recurse=False):
                    order = torch.randperm(parameter.numel()).to(parameter.device)
                    parameter.copy_(parameter.flatten()[order].reshape(parameter.shape))


def _has_parameters(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())
