"""Measure exported networks against the originals: how far their maps differ, and how long a forward takes.

python -m benchmarks.exported_networks [--rounds 20 --images 4 --only "Swin-T"]

Random weights: neither depends on what a network has learned. Both forwards are timed in turn, in one process; the
ratio is that of the fastest ones.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass

import timm
import torch
import torchvision
import transformers
import tyro
from torch import Tensor, nn

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.grids import map_layers, suggest_layers
from sightline.model_zoo.adapted import adapt
from sightline.model_zoo.graph import export_graph, open_graph

CLASSES = 10


@dataclass(frozen=True)
class Config:
    """Compare exported networks with the originals; prints a line a network."""

    rounds: int = 20
    """forwards of each network"""
    images: int = 4
    """of a forward"""
    only: str = ""
    """one network"""


class Own(nn.Module):
    """What a person writes in an afternoon."""

    def __init__(self, outputs: int = CLASSES, channels: int = 3) -> None:
        super().__init__()
        widths = (channels, 32, 64, 128, 256)
        self.features = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU())
                for a, b in zip(widths[:-1], widths[1:], strict=True)
            )
        )
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(images).view(len(images), 256, -1).mean(2))
        return logits


def resnet_with_mlp_head() -> nn.Module:
    """ResNet18 whose head was replaced."""
    network = torchvision.models.resnet18()
    network.fc = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, CLASSES))
    return network


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "own module": Own,
    "ResNet18, MLP head": resnet_with_mlp_head,
    "MobileNetV3 (large)": lambda: torchvision.models.mobilenet_v3_large(num_classes=CLASSES),
    "ViT-B/16 of timm": lambda: timm.create_model("vit_base_patch16_224", num_classes=CLASSES),
    "ViT-B/16 of transformers": lambda: transformers.ViTForImageClassification(
        transformers.ViTConfig(num_labels=CLASSES)
    ),
    "Swin-T": lambda: timm.create_model("swin_tiny_patch4_window7_224", num_classes=CLASSES),
    "ConvNeXt-T": lambda: timm.create_model("convnext_tiny", num_classes=CLASSES),
    "one channel": lambda: Own(channels=1),
    "one logit": lambda: Own(outputs=1),
}


def compare(name: str, images: Tensor, rounds: int) -> str:
    """Return a line of figures about one network."""
    torch.manual_seed(0)
    network, _ = adapt(NETWORKS[name](), images, 2 if name == "one logit" else CLASSES)
    start = time.perf_counter()
    content = export_graph(network, images)
    exporting = time.perf_counter() - start
    start = time.perf_counter()
    opened = open_graph(io.BytesIO(content), network.state_dict())
    opening = time.perf_counter() - start
    layers = suggest_layers(network, images)
    same = layers == suggest_layers(opened, images) and map_layers(network, images) == map_layers(opened, images)
    targets = torch.arange(len(images)) % 2
    maps, others = (layer_attributions(model, images, layers, targets) for model in (opened, network))
    difference = max(float((maps[one] - others[one]).abs().max() / others[one].abs().max()) for one in layers)
    seconds: dict[nn.Module, list[float]] = {network: [], opened: []}
    with torch.no_grad():
        for _ in range(rounds):
            for model, found in seconds.items():
                start = time.perf_counter()
                model(images)
                found.append(time.perf_counter() - start)
    fastest, exported = (min(found[1:]) for found in seconds.values())
    return (
        f"{name:26} {difference:10.1e} {'same' if same else 'DIFFER':>7} {1000 * fastest:9.1f} "
        f"{exported / fastest:7.3f} {exporting:9.1f} {1000 * opening:9.0f} {len(content) / 1024:9.0f}"
    )


def main() -> None:
    """Print a line a network."""
    config = tyro.cli(Config)
    images = torch.randn(config.images, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    images = images.contiguous(memory_format=torch.channels_last)
    for heads in (
        ("network", "difference", "layers", "forward", "ratio", "export", "open", "file"),
        ("", "of maps", "", "ms", "", "s", "ms", "KiB"),
    ):
        print("{:26} {:>10} {:>7} {:>9} {:>7} {:>9} {:>9} {:>9}".format(*heads))
    for name in (config.only,) if config.only else NETWORKS:
        print(compare(name, images, config.rounds), flush=True)


if __name__ == "__main__":
    main()
