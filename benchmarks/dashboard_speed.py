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
"""

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import tyro

from benchmarks.websocket_page import PATIENCE, measure, open_page
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.run import RunRecord
from sightline.run_store.writer import RunWriter

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "app" / "main.py"
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LAYERS = ("layer1", "layer2", "layer3", "layer4")
CHROMIUM_OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LINES = "[data-testid=stVegaLiteChart] .mark-line path"
MARKDOWN = "[data-testid=stMarkdownContainer] p"
GRID = b'class="map-grid'
WARM_UP = 8  # seconds until the imports of torch and captum in the background are over
EVERY_FIFTH = slice(None, None, 5)
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


def fabricate_run(
    path: Path,
    images: int,
    class_names: tuple[str, ...] = CLASSES,
    *,
    side: int = 32,
    input_size: int = 32,
    paths: tuple[str, ...] | None = None,
    features: int = 4,
    model: str = "resnet18_narrow",
    with_model: bool = False,
    wrong: slice = EVERY_FIFTH,
) -> None:
    """A complete run that nobody trained: random pixels and weights, the same every time.

    wrong: which predictions are. Such a one is of the class after the true one: the first or the sixth where there are
    ten, of which every fifth is. side: of the stored images, 8 for a million of them, whose pixels would be 3 GB;
    features: an image's, all 0.
    """
    digits = np.random.default_rng(0)
    record = RunRecord(
        model=model, layers=LAYERS, dataset="fabricated", fingerprints={"test": "none"},
        image_counts={"test": images}, class_names=class_names, mean=(0.5,) * 3, std=(0.25,) * 3,
        input_size=input_size, parameters=700_000, recipe={"epochs": 20}, seed=0, threads=1, device="cpu",
        created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    with RunWriter.create(path, record) as writer:
        for epoch in range(1, 21):
            figures = (epoch, 2 / epoch, 1 - 0.8 / epoch, 3 / epoch, 0.8 - 0.7 / epoch, 0.1, 30.0)
            names = ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate", "seconds")
            writer.append_metrics(dict(zip(names, figures, strict=True)))
        writer.save_images(digits.integers(0, 256, (images, side, side, 3), dtype=np.uint8), None)
        if with_model:
            import torch

            from sightline.model_zoo import build_model

            with torch.random.fork_rng():
                torch.manual_seed(0)
                writer.save_model(build_model(record.model, len(class_names)))
        labels = np.arange(images) % len(class_names)
        logits = digits.normal(0, 1, (images, len(class_names))).astype(np.float32)
        logits[np.arange(images), labels] += 9
        logits[wrong] = np.roll(logits[wrong], 1, axis=1)
        writer.complete(predictions_table(logits, labels, paths), np.zeros((images, features), np.float16))


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@contextmanager
def serve(script: Path, runs: Path) -> Iterator[str]:
    """`streamlit run` on a free port, as soon as it answers: its address; stopped in the end."""
    with start_server(script, runs) as (address, _):
        yield address


@contextmanager
def start_server(script: Path, runs: Path) -> Iterator[tuple[str, int]]:
    """`serve`, with the number of the process."""
    port = free_port()
    options = ["--server.headless=true", "--browser.gatherUsageStats=false", "--server.address=127.0.0.1"]
    options.append(f"--server.port={port}")
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(script), *options],
        cwd=ROOT, env=os.environ | {"SIGHTLINE_RUNS": str(runs)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _await_port(port, process)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The server ended with exit status {process.returncode}.")
        with socket.socket() as opened:
            if opened.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise TimeoutError(f"The server did not answer within {PATIENCE} seconds.")


def measure_starts(config: Config, runs: Path) -> dict[str, list[float]]:
    """App → seconds from spawning the server to the first view drawn, the apps in turn."""
    from playwright.sync_api import sync_playwright

    bare = runs.parent / "bare.py"
    bare.write_text('import streamlit as st\n\nst.write("hello")\n')
    apps = {
        "first view drawn, Sightline": (DASHBOARD, LINES),
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
        with serve(DASHBOARD, runs) as address:
            async with open_page(address, "", ""):
                seconds.append(time.perf_counter() - start)
    return seconds


async def measure_filter(config: Config, runs: Path) -> list[float]:
    outcomes = cycle(("Right", "All", "Wrong"))
    with serve(DASHBOARD, runs) as address:
        async with open_page(address, "mistakes", "run=fabricated") as page:
            await asyncio.sleep(WARM_UP)
            return await measure(lambda: page.choose("mistakes_outcome", next(outcomes)), config.clicks, config.rest)


async def measure_maps(config: Config, runs: Path, run: str) -> list[float]:
    with serve(DASHBOARD, runs) as address:
        async with open_page(address, "layers", f"run={run}") as page:
            await asyncio.sleep(WARM_UP)
            return await measure(lambda: page.press("inspector_step_1", GRID), config.clicks, config.rest)


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
    print("| what | median | 95 % | least | most | number |\n|---|---|---|---|---|---|")
    for name, seconds in starts.items():
        print(row(name, seconds, "s", 2))
    for name, milliseconds in clicks.items():
        print(row(name, milliseconds, "ms", 0))


if __name__ == "__main__":
    main()
