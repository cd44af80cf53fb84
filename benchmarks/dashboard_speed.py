"""From starting the server to the first view drawn in a browser, from a filter click to its answer, and to a map.

python -m benchmarks.dashboard_speed [--starts 5 --clicks 60 --images 10000]

The first view: `streamlit run` is spawned, a browser that is already running opens the address as soon as the port
answers, and the clock stops when the lines of Curves are in the page. In turn with it, an app of one line,
`st.write("hello")`, is started the same way: the floor that Streamlit, the browser and the machine set. Without a
browser, over a websocket, the clock stops when the server says that the script has finished.

The click: a websocket client speaks Streamlit's protocol. It sends what the browser sends when “Wrong”, “Right” or
“All” is clicked in Mistakes; the clock stops when the server says that the script has finished, which comes after
everything there is to draw. Before every click it rests for `--rest` seconds, as a person does.

The map: the same client clicks “Next image” in Layers; the clock stops when the grid of maps of four stages arrives,
computed live by a ResNet18 with random weights, or precomputed.

The brush: the same client paints squares over the image, each at another place, and sends each as the browser does when
the button is let go; the clock stops when the probabilities and the map of the covered image arrive.
"""

import asyncio
import base64
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import tyro

from benchmarks.websocket_page import PATIENCE, measure, open_page
from tests.fabricated import CHROMIUM_OPTIONS, LAUNCHER, LINES, MARKDOWN, ROOT, fabricate_run, serve

GRID = b'class="map-grid'
COVERED = b"The same stroke elsewhere"
STROKE = 10  # pixels of 32 that a square painted has on a side
WARM_UP = 8  # seconds until the imports of torch and captum in the background are over
MAPPED_IMAGES = 400  # of the runs whose maps are shown; every fifth is wrong, and gone through


@dataclass(frozen=True)
class Config:
    """Measure how fast the dashboard opens and answers; prints a table in Markdown."""

    starts: int = 5
    """of the server, of each app"""
    clicks: int = 60
    images: int = 10_000
    """predictions in the run"""
    rest: float = 0.3
    """seconds between two clicks"""


def measure_starts(config: Config, runs: Path) -> dict[str, list[float]]:
    """App → seconds from spawning the server to the first view drawn, the apps in turn."""
    from playwright.sync_api import sync_playwright

    bare = runs.parent / "bare.py"
    bare.write_text('import streamlit as st\n\nst.write("hello")\n')
    apps = {
        "first view drawn, Sightline": (LAUNCHER, LINES),
        "the same, bare Streamlit": (bare, MARKDOWN),
    }
    seconds: dict[str, list[float]] = {name: [] for name in apps}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS)
        for _ in range(config.starts):
            for name, (script, drawn) in apps.items():
                page = browser.new_context().new_page()
                start = time.perf_counter()
                with serve(script, runs) as address:
                    page.goto(address, wait_until="commit")
                    page.wait_for_selector(drawn, state="attached", timeout=1000 * PATIENCE)
                    seconds[name].append(time.perf_counter() - start)
                page.context.close()
        browser.close()
    return seconds


async def measure_answers(config: Config, runs: Path) -> list[float]:
    """Seconds from spawning the server to the end of the first view's script, without a browser."""
    seconds = []
    for _ in range(config.starts):
        start = time.perf_counter()
        with serve(LAUNCHER, runs) as address:
            async with open_page(address, "", ""):
                seconds.append(time.perf_counter() - start)
    return seconds


async def measure_filter(config: Config, runs: Path) -> list[float]:
    outcomes = cycle(("Right", "All", "Wrong"))
    with serve(LAUNCHER, runs) as address:
        async with open_page(address, "mistakes", "run=fabricated") as page:
            await asyncio.sleep(WARM_UP)
            return await measure(lambda: page.choose("mistakes_outcome", next(outcomes)), config.clicks, config.rest)


async def measure_maps(config: Config, runs: Path, run: str) -> list[float]:
    with serve(LAUNCHER, runs) as address:
        async with open_page(address, "layers", f"run={run}") as page:
            await asyncio.sleep(WARM_UP)
            return await measure(lambda: page.press("inspector_step_1", GRID), config.clicks, config.rest)


async def measure_brush(config: Config, runs: Path, run: str) -> list[float]:
    places = iter(np.random.default_rng(0).permutation(np.argwhere(np.ones((32 - STROKE, 32 - STROKE)))))
    with serve(LAUNCHER, runs) as address:
        async with open_page(address, "layers", f"run={run}") as page:
            await asyncio.sleep(WARM_UP)
            await page.choose("layers_cover", "what")
            picture = page.data("layers_brush")["picture"]

            def paint() -> Awaitable[float]:
                mask, (top, left) = np.zeros((32, 32), bool), next(places)
                mask[top : top + STROKE, left : left + STROKE] = True
                painted = base64.b64encode(np.packbits(mask).tobytes()).decode()
                return page.trigger("layers_brush", "paint", [picture, painted], COVERED)

            return await measure(paint, config.clicks, config.rest)


def row(name: str, values: Sequence[float], unit: str, digits: int) -> str:
    p95 = sorted(values)[int(0.95 * (len(values) - 1))]
    figures = (f"{value:.{digits}f} {unit}" for value in (statistics.median(values), p95, min(values), max(values)))
    return f"| {name} | {' | '.join(figures)} | {len(values)} |"


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.dashboard_speed")
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        fabricate_run(runs / "fabricated", config.images)
        starts = measure_starts(config, runs)
        starts["first view answered over a websocket"] = asyncio.run(measure_answers(config, runs))
        clicks = {
            f"filter click on {config.images} predictions, answered over a websocket": asyncio.run(
                measure_filter(config, runs)
            )
        }
        for name in ("live", "precomputed"):
            fabricate_run(runs / name, MAPPED_IMAGES, model="resnet18", with_model=True)
        subprocess.run(
            [sys.executable, "-m", "sightline.explain.precompute", "--run", runs / "precomputed"], cwd=ROOT, check=True
        )
        clicks["next image, its maps computed live"] = asyncio.run(measure_maps(config, runs, "live"))
        clicks["next image, its maps precomputed"] = asyncio.run(measure_maps(config, runs, "precomputed"))
        clicks["a stroke of the brush, its map and probabilities"] = asyncio.run(measure_brush(config, runs, "live"))
    print("| what | median | 95 % | least | most | number |\n|---|---|---|---|---|---|")
    for name, seconds in starts.items():
        print(row(name, seconds, "s", 2))
    for name, milliseconds in clicks.items():
        print(row(name, milliseconds, "ms", 0))


if __name__ == "__main__":
    main()
