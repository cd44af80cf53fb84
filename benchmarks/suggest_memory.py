"""What finding the layers of a large network takes in memory, as a multiple of one forward with its graph.

python -m benchmarks.suggest_memory [--model timm:mobilenetv5_300m --image-size 768]

Each figure is the peak resident memory of a process of its own, less what that process held when the network and one
image were built. The graph is that of a training: parameters have gradients, and so has the image.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from torch import nn

from sightline.explain.attribution.grids import map_layers, suggest_layers
from sightline.model_zoo import build_model, model_spec

PARTS = ("forward with its graph", "suggest_layers", "map_layers")


@dataclass(frozen=True)
class Config:
    """Measure the memory of finding layers; prints a table in Markdown."""

    model: str = "timm:mobilenetv5_300m"
    image_size: int | None = None
    """by default the network's own"""
    part: str = ""
    """measure this part alone, in this process (default: all, each in a process of its own)"""


def run(config: Config) -> None:
    if config.part:
        print(*measure(config))
        return
    print("| part | peak, MB | of a forward | seconds |\n|---|---|---|---|")
    first = 0.0
    for part in PARTS:
        size = [] if config.image_size is None else ["--image-size", str(config.image_size)]
        command = [sys.executable, "-m", "benchmarks.suggest_memory", "--model", config.model, "--part", part, *size]
        peak, seconds = map(float, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
        first = first or peak
        print(f"| {part} | {peak:.0f} | {peak / first:.2f} | {seconds:.1f} |", flush=True)


def measure(config: Config) -> tuple[float, float]:
    """Return megabytes and seconds of one part."""
    model = build_model(config.model, 10, config.image_size).eval()
    side = model_spec(config.model, config.image_size).input_size
    images = torch.randn(1, 3, side, side).to(memory_format=torch.channels_last)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of building
    held, start = _peak(), time.perf_counter()
    {"suggest_layers": suggest_layers, "map_layers": map_layers}.get(config.part, _forward)(model, images)
    return _peak() - held, time.perf_counter() - start


def _forward(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model(images.requires_grad_())
    return logits


def _peak() -> float:
    """Return the megabytes that this process has held at most, on Linux. (That of getrusage counts its parent's.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    run(tyro.cli(Config))
