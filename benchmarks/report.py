"""The report: how large it is, how long it takes to make and to open.

python -m benchmarks.report [--repeats 5 --images 24 200 --predictions 1000 1000000]

The runs are fabricated. Images are noise blurred by two pixels, as photographs are smooth, and the maps that lie in the
runs are of the sizes of a ResNet's four stages: of random numbers, each cell of its own, which no network's maps are,
so that PNG has more to write than of real ones; they are painted smooth, as a report has them by default. Each image
has two classes (true and predicted) at four layers.

Making: `sightline report` in a fresh process, from its start to its end, file written. Opening: Chromium, without a
display, from the navigation to a file:// address until every image in the window is decoded and painted; a fresh tab
each time, after one that is not counted.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import tyro
from PIL import Image, ImageFilter

from benchmarks.timing import seconds_of
from sightline.run_store.maps import MapsWriter
from sightline.run_store.run import Run
from tests.e2e.browser_page import VIEWPORT, chromium_path
from tests.fabricated import CHROMIUM_OPTIONS, LAYERS, fabricate_run

CELLS = {32: (32, 16, 8, 4), 224: (56, 28, 14, 7)}  # by side of the images, of the maps of a ResNet's stages, a side
BLUR = 2  # pixels
_PAINTED = """
async () => {
  const seen = [...document.images].filter((one) => {
    const box = one.getBoundingClientRect()
    return box.width && box.bottom > 0 && box.top < innerHeight
  })
  await Promise.all(seen.map((one) => one.decode()))
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
}
"""


@dataclass(frozen=True)
class Config:
    """Measure reports; prints a table in Markdown."""

    repeats: int = 5
    """how often each report is made and opened"""
    images: tuple[int, ...] = (24, 200)
    """in a report, of 1 200 predictions, at each side"""
    predictions: tuple[int, ...] = (1_000, 1_000_000)
    """of runs with images of 8 pixels and without maps, whose report has 24 images"""


def make_run(path: Path, predictions: int, side: int) -> None:
    """Write a run with smooth images and with maps of both classes at four layers."""
    fabricate_run(path, predictions, side=side, input_size=side)
    images = np.load(path / "images.npy")
    smooth = [np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(BLUR))) for one in images]
    stretched = np.clip((np.stack(smooth).astype(np.float32) - 128) * 4 + 128, 0, 255)  # blurring takes contrast
    np.save(path / "images.npy", stretched.astype(np.uint8))
    run, digits = Run(path), np.random.default_rng(0)
    for layer, cells in zip(LAYERS, CELLS[side], strict=True):
        for target in ("predicted", "label"):
            writer = MapsWriter(run, "gradcam", layer, target, (cells, cells))
            writer.write(np.arange(predictions), digits.normal(size=(predictions, cells, cells)).astype(np.float32))
            writer.finish()


def making(run: Path, images: int, output: Path, repeats: int) -> list[float]:
    """Return the seconds that the command takes, each time in a fresh process."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "sightline.command",
        "report",
        "--run",
        run,
        "--images",
        str(images),
    ]
    command += ["--output", output]
    return [seconds_of(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(repeats)]


def opening(file: Path, repeats: int) -> list[float]:
    """Return the seconds until a browser shows the report."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_OPTIONS)

        def open_it() -> None:
            page.goto(file.as_uri())
            page.evaluate(_PAINTED)

        found = []
        for _ in range(repeats + 1):
            page = browser.new_page(viewport=VIEWPORT)
            found.append(seconds_of(open_it))
            page.close()
        browser.close()
    return found[1:]


def spread(seconds: Sequence[float]) -> str:
    """Write median and range."""
    return f"{median(seconds):.2f} s ({min(seconds):.2f}–{max(seconds):.2f})"


def measure(run: Path, name: str, images: int, repeats: int) -> None:
    """Print a row of the table."""
    output = run.parent / "report.html"
    made = making(run, images, output, repeats)
    opened = opening(output, repeats)
    print(f"| {name} | {output.stat().st_size / 1e6:.2f} MB | {spread(made)} | {spread(opened)} |", flush=True)


def main() -> None:
    config = tyro.cli(Config)
    print("| report | size | made in | opened in |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for side in CELLS:
            run = Path(folder) / f"images-{side}"
            make_run(run, 1_200, side)
            for images in config.images:
                measure(run, f"{images} images × 4 layers × 2 classes, {side} pixels", images, config.repeats)
        for predictions in config.predictions:
            run = Path(folder) / f"predictions-{predictions}"
            fabricate_run(run, predictions, side=8)
            measure(run, f"{predictions:,} predictions, without maps", 24, config.repeats)


if __name__ == "__main__":
    main()
