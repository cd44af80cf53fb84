"""A visitor's Grad-CAM, while another visitor's Occlusion works on the same run.

python -m benchmarks.slow_methods [--clicks 40 --method occlusion --side 224]

The run is fabricated: ResNet18 as for ImageNet, at 224 pixels, with random weights. The server is a process, this
client another, which speaks Streamlit's protocol. One visitor opens image after image in Layers, with Grad-CAM at four
layers for three rows; none is in a cache. First alone, then while the other visitor waits for the slow method, of one
image after the other. The clock stops when the server says that the script has finished, after the last map.

The other visitor then leaves in the middle; what is printed last is the processor time that the server takes in the ten
seconds after the one that follows.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import tyro

from benchmarks.websocket_page import Page, open_page
from tests.fabricated import LAUNCHER, fabricate_run, start_server

TICKS = 100  # of processor time to a second, in /proc


@dataclass(frozen=True)
class Config:
    """Measure Grad-CAM beside a slow method; prints a table in Markdown."""

    clicks: int = 40
    """of the visitor, alone and beside the other"""
    rest: float = 0.2
    """seconds between two of them"""
    method: str = "occlusion"
    """of the other visitor"""
    side: int = 224
    """of the images, pixels"""


async def click(page: Page, images: Iterator[int], config: Config) -> list[float]:
    """Milliseconds of each click; three more before them load torch and the model."""
    milliseconds = []
    for _ in range(config.clicks + 3):
        await asyncio.sleep(config.rest)
        page.query = f"run=run&method=gradcam&image={next(images)}"
        milliseconds.append(await page.rerun())
        if not any("omputed in" in text for text in page.texts):
            raise RuntimeError("The answer holds no map that was computed for it.")
    return milliseconds[3:]


async def wait_for_slow_maps(address: str, images: Iterator[int], method: str) -> None:
    while True:
        async with open_page(address, "layers", f"run=run&method={method}&image={next(images)}"):
            pass


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(config: Config, runs: Path) -> None:
    images = count()
    with start_server(LAUNCHER, runs) as (address, process):
        async with open_page(address, "layers", f"run=run&method=gradcam&image={next(images)}") as page:
            alone = await click(page, images, config)
            other = asyncio.create_task(wait_for_slow_maps(address, images, config.method))
            beside = await click(page, images, config)
            other.cancel()
            with suppress(asyncio.CancelledError):
                await other
            await asyncio.sleep(1)
            before = processor_seconds(process)
            await asyncio.sleep(10)
            left = processor_seconds(process) - before
    print(f"| Grad-CAM of one visitor, {config.clicks} clicks | median, ms | p95, ms | longest, ms |")
    print("|---|---|---|---|")
    for name, milliseconds in (("alone", alone), (f"beside {config.method}", beside)):
        figures = (np.median(milliseconds), np.percentile(milliseconds, 95), max(milliseconds))
        print(f"| {name} | " + " | ".join(f"{figure:.0f}" for figure in figures) + " |")
    print(f"\nratio of the p95: {np.percentile(beside, 95) / np.percentile(alone, 95):.1f}")
    print(f"processor time in ten seconds after the other visitor has left: {left:.2f} s")


def main() -> None:
    config = tyro.cli(Config)
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        images = 2 * config.clicks + 200
        model = "resnet18_imagenet"
        fabricate_run(runs / "run", images, side=config.side, input_size=config.side, model=model, with_model=True)
        asyncio.run(measure(config, runs))


if __name__ == "__main__":
    main()
