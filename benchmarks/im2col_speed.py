"""Convolutions of few pixels, forward and backward: oneDNN's kernels against im2col and matrix multiplication.

python -m benchmarks.im2col_speed
ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 python -m benchmarks.im2col_speed    (as if there were no AMX)
"""

import statistics
from contextlib import nullcontext
from typing import Literal
from unittest.mock import patch

import torch
import tyro
from torch import nn

from benchmarks.timing import seconds_of
from sightline.model_zoo.device import keep_freed_memory
from sightline.training import im2col

# Channels in and out, pixels a side of the input, stride: ResNet18's for images of 16, 24 and 32 pixels.
SHAPES = (
    (512, 512, 2, 1), (256, 512, 4, 2), (512, 512, 3, 1), (512, 512, 4, 1), (256, 512, 8, 2), (256, 256, 4, 1),
    (256, 256, 6, 1), (256, 256, 8, 1),
)  # fmt: skip


def main(batch: int = 128, rounds: int = 10, precision: Literal["bfloat16", "float32"] = "bfloat16") -> None:
    keep_freed_memory()
    dtype = getattr(torch, precision)
    print(f"{precision}, {torch.get_num_threads()} threads, batch {batch}, {rounds} rounds, in turn\n")
    head = "| channels, pixels of the result | oneDNN, ms, median (min–max) | im2col, ms | × |"
    print(f"{head}\n|{'---|' * (head.count('|') - 1)}")
    for inputs, outputs, side, stride in SHAPES:
        convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False).to(dtype)
        convolution.to(memory_format=torch.channels_last)
        images = torch.randn(batch, inputs, side, side, dtype=dtype).to(memory_format=torch.channels_last)
        images.requires_grad_()
        gradient = torch.randn_like(convolution(images))

        def both_ways(convolution: nn.Conv2d = convolution, images=images, gradient=gradient) -> None:
            convolution(images).backward(gradient)

        seconds: dict[str, list[float]] = {"oneDNN": [], "im2col": []}
        with patch.object(im2col, "most_pixels", lambda: 10**6):
            for turn in range(rounds + 2):
                for name, values in seconds.items():
                    with im2col.Im2col() if name == "im2col" else nullcontext():
                        taken = seconds_of(both_ways)
                    if turn > 1:  # the first are for warming up
                        values.append(1000 * taken)
        theirs, ours = seconds.values()
        times = statistics.median(theirs) / statistics.median(ours)
        cells = [f"{statistics.median(v):.1f} ({min(v):.1f}–{max(v):.1f})" for v in (theirs, ours)]
        name = f"{inputs} → {outputs}{', stride 2' * (stride == 2)}, {side // stride}×{side // stride}"
        print(f"| {name} | {' | '.join(cells)} | {times:.2f} |")


if __name__ == "__main__":
    tyro.cli(main)
