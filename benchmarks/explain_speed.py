"""What maps cost: ours beside Captum, pytorch-grad-cam and torchcam, in units of one plain forward pass.

pip install -r benchmarks/requirements.txt
python -m benchmarks.explain_speed [--batches 1 32 256 --rounds 5 --peers torchcam]

All take turns in one process on the same batch, each on its own copy of one ResNet18 with random weights, float32.
Timed are raw maps only: signed, at the layer's resolution, without upsampling and normalisation. Before anything is
timed, every peer's maps must equal ours.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from sightline.explain.attribution.engine import layer_attributions
from sightline.model_zoo import build_model, normalize
from sightline.model_zoo.device import choose_device

CLASSES, SIDE = 10, 32
STAGES = ("layer1", "layer2", "layer3", "layer4")
BLOCKS = tuple(f"{stage}.{block}" for stage in STAGES for block in (0, 1))
LARGEST_ERROR = 1e-4  # relative to a map's largest magnitude

Maps = dict[str, Tensor]  # layer → N×T×h×w
Compute = Callable[[Tensor, Tensor], Maps]  # images, targets N×T
Contestant = Callable[[nn.Module, Sequence[str]], AbstractContextManager[Compute]]


@dataclass(frozen=True)
class Case:
    layers: tuple[str, ...]
    classes: int
    theory: str  # what one forward and one backward a class must cost, in forward passes


CASES = {
    "four stages": Case(STAGES, 1, "1.7"),
    "eight blocks": Case(BLOCKS, 1, "1.9"),
    "ten classes × four stages": Case(STAGES, CLASSES, "8.2"),
    "ten classes, last layer": Case(STAGES[-1:], CLASSES, "1.0"),
}


@dataclass(frozen=True)
class Config:
    """Measure what maps cost; prints tables in Markdown."""

    batches: tuple[int, ...] = (1, 32, 256)
    rounds: int = 5
    """after one to warm up"""
    maps: tuple[
        Literal["four stages", "eight blocks", "ten classes × four stages", "ten classes, last layer"], ...
    ] = ()
    """default: all"""
    peers: tuple[Literal["Captum", "grad-cam", "torchcam"], ...] = ("Captum", "grad-cam", "torchcam")
    device: str = "cpu"
    channels_last: bool = True
    """the memory layout of the batch; Sightline's always are"""


@contextmanager
def ours(model: nn.Module, layers: Sequence[str]) -> Iterator[Compute]:
    yield lambda images, targets: layer_attributions(model, images, layers, targets)


@contextmanager
def captum(model: nn.Module, layers: Sequence[str]) -> Iterator[Compute]:
    """It takes one layer and one class an image: a forward and a backward for each pair."""
    from captum.attr import LayerGradCam

    methods = {layer: LayerGradCam(model, model.get_submodule(layer)) for layer in layers}
    yield lambda images, targets: {
        layer: torch.cat([method.attribute(images, target=codes) for codes in targets.T], dim=1).detach()
        for layer, method in methods.items()
    }


@contextmanager
def grad_cam(model: nn.Module, layers: Sequence[str]) -> Iterator[Compute]:
    """Its call averages the layers after ReLU and upsampling, and takes one class an image.

    So its parts are called as its own `forward` calls them, up to its raw map of each layer; many classes share one
    forward, which its call would repeat. The backward computes the weights' gradients too, as it always does.
    """
    from pytorch_grad_cam import GradCAM

    modules = [model.get_submodule(layer) for layer in layers]
    with GradCAM(model, modules) as method:
        kept = method.activations_and_grads

        def compute(images: Tensor, targets: Tensor) -> Maps:
            logits = kept(images)
            activations = [activation.numpy() for activation in kept.activations]
            maps: dict[str, list[Tensor]] = {layer: [] for layer in layers}
            for codes in targets.T:
                kept.gradients = []
                model.zero_grad()
                logits.gather(1, codes[:, None]).sum().backward(retain_graph=True)
                gradients = [gradient.numpy() for gradient in kept.gradients]
                for layer, module, *pair in zip(layers, modules, activations, gradients, strict=True):
                    maps[layer].append(torch.from_numpy(method.get_cam_image(images, module, codes, *pair)))
            return {layer: torch.stack(columns, dim=1) for layer, columns in maps.items()}

        yield compute


@contextmanager
def torchcam(model: nn.Module, layers: Sequence[str]) -> Iterator[Compute]:
    """One forward for all; a call for each class, which returns all layers."""
    from torchcam.methods import GradCAM

    with GradCAM(model, list(layers)) as method:
        method._relu = False  # there is no public way to its signed maps

        def compute(images: Tensor, targets: Tensor) -> Maps:
            logits = model(images)
            columns = [
                method(codes.tolist(), logits, normalized=False, retain_graph=column + 1 < targets.shape[1])
                for column, codes in enumerate(targets.T)
            ]
            method.reset_hooks()  # or it would hold the graph while others are measured
            return {layer: torch.stack(maps, dim=1) for layer, *maps in zip(layers, *columns, strict=True)}

        yield compute


@contextmanager
def forward(model: nn.Module, layers: Sequence[str]) -> Iterator[Compute]:
    def compute(images: Tensor, targets: Tensor) -> Maps:
        with torch.no_grad():
            model(images)
        return {}

    yield compute


PEERS: dict[str, Contestant] = {"Captum": captum, "grad-cam": grad_cam, "torchcam": torchcam}


def measure(case: Case, batch: int, model: nn.Module, config: Config) -> dict[str, np.ndarray]:
    """Contestant → seconds, one a round."""
    images = random_images(batch).to(model.fc.weight.device)
    images = images.contiguous(memory_format=torch.channels_last if config.channels_last else torch.contiguous_format)
    codes = torch.arange(batch)[:, None] + torch.arange(case.classes)
    targets = (codes % CLASSES).to(images.device)
    contestants = {"forward": forward, "ours": ours} | {name: PEERS[name] for name in config.peers}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    with ExitStack() as stack:  # their hooks stay from round to round, which spares them the setting up
        computes = {
            name: stack.enter_context(contestant(copy.deepcopy(model), case.layers))
            for name, contestant in contestants.items()
        }
        require_same_maps(computes, config.peers, images[:16], targets[:16])
        for turn in range(config.rounds + 1):
            for name, compute in computes.items():
                elapsed = time_of(compute, images, targets)
                if turn:
                    seconds[name].append(elapsed)
    return {name: np.array(values) for name, values in seconds.items()}


def time_of(compute: Compute, images: Tensor, targets: Tensor) -> float:
    synchronize = torch.cuda.synchronize if images.is_cuda else lambda: None
    synchronize()
    start = time.perf_counter()
    compute(images, targets)
    synchronize()
    return time.perf_counter() - start


def require_same_maps(computes: dict[str, Compute], peers: Sequence[str], images: Tensor, targets: Tensor) -> None:
    expected = computes["ours"](images, targets)
    for name in peers:
        maps = computes[name](images, targets)
        for layer, values in expected.items():
            largest = values.abs().amax(dim=(2, 3), keepdim=True)
            error = ((maps[layer].to(values.device) - values).abs() / largest).max().item()
            if not error <= LARGEST_ERROR:
                raise SystemExit(
                    f"Error: the maps of {name} at {layer} differ from ours by {error:.1e}; nothing timed."
                )


def random_images(count: int) -> Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)
    return normalize(pixels, (0.5,) * 3, (0.25,) * 3)


def row(batch: int, name: str, case: Case, seconds: dict[str, np.ndarray]) -> str:
    one = np.median(seconds["forward"])
    cells = [str(batch), name, f"{1000 * one:.1f}", case.theory, spread(seconds["ours"] / one)]
    for peer in list(seconds)[2:]:
        ratios = seconds[peer] / seconds["ours"]  # of the same round
        cells.append(f"{np.median(seconds[peer]) / one:.2f}, {spread(ratios)} ×")
    return f"| {' | '.join(cells)} |"


def spread(values: np.ndarray) -> str:
    return f"**{np.median(values):.2f}** ({values.min():.2f}–{values.max():.2f})"


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.explain_speed")
    torch.manual_seed(0)
    model = build_model("resnet18", CLASSES).eval().to(choose_device(config.device))
    print("Times in plain forward passes: median (least–most); of a peer the median, and then as a multiple of ours.\n")
    head = f"| batch | maps | one forward, ms | theory | ours | {' | '.join(config.peers)} |"
    print(f"{head}\n|{'---|' * (head.count('|') - 1)}")
    for batch, name in product(config.batches, config.maps or CASES):
        print(row(batch, name, CASES[name], measure(CASES[name], batch, model, config)), flush=True)


if __name__ == "__main__":
    main()
