"""The pictures of README.md and docs/, and the example of a report: the demo's two runs, at 1280×720 or taller.

python -m benchmarks.pictures --runs DIR     (made by python -m training.demo --runs DIR)

Trust and the titles of layers show what `sightline quality` has measured: run it on both first. Patterns shows a proof:
run `sightline prove` on demo-shortcut.
"""

import io
import shutil
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import tyro
from PIL import Image

from sightline.report.asked import ask
from sightline.report.page import make_report
from sightline.run_store.commands import command
from sightline.run_store.run import Run
from tests.fabricated import CHROMIUM_OPTIONS, LAUNCHER, ROOT, serve

WINDOW = {"width": 1280, "height": 720}
THEMES: dict[Literal["light", "dark"], str] = {"light": "", "dark": "-dark"}  # theme → what the file's name ends with
INTRODUCED = {"name": "sightline_introduced", "value": "yes"}  # the cookie of somebody who has read the introduction
BOTH = {"run": "demo-shortcut", "beside": "demo-honest"}
CELL = {"true": "square", "predicted": "circle"}  # of the confusion matrix: mistakes that a red tag explains
PICTURES: dict[str, tuple[str, dict[str, Any], str]] = {  # file → page, address, what has to be seen on it
    "pattern": ("mistakes", {"run": "demo-shortcut", "value": "pattern:1"}, ".st-key-mistakes_culprits .tile img"),
    "patterns": ("patterns", {"run": "demo-shortcut"}, ".tile img"),
    "curves": (
        "",
        {"run": "demo-shortcut", "runs": ["demo-honest", "demo-shortcut"]},
        ".st-key-curves_charts path.line",
    ),
    "mistakes": ("mistakes", BOTH | CELL | {"map": "shown"}, ".tile img"),
    "layers": ("layers", BOTH | CELL, ".proof-strip img"),
    "trust": ("trust", BOTH, ".mark-symbol path"),
    "compare": ("compare", BOTH, ".map-grid img"),
}
HEIGHTS = {"pattern": 940}  # pixels, where the usual window would cut off what is told
EXAMPLE = ROOT / "docs" / "report-example.html"
EXAMPLE_IMAGES = 3  # so that it stays below 1 MB
STILL = """
() => {
  const isReady = document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]")
  const images = [...document.images]
  const now = document.body.innerText + images.length
  window.unchanged = isReady && now === window.before && images.every((image) => image.complete)
    ? (window.unchanged || 0) + 1 : 0
  window.before = now
  return window.unchanged > 5
}
"""


def main(runs: Path, folder: Path = ROOT / "docs" / "pictures") -> None:
    """Write NAME.png of every picture, and NAME-dark.png, into `folder`. runs: the folder of the demo's runs."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    write_example(runs)
    with serve(LAUNCHER, runs) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS)
        for theme, suffix in THEMES.items():
            context = browser.new_context(viewport=WINDOW, color_scheme=theme)
            context.add_cookies([INTRODUCED | {"url": address}])
            for name, (view, query, shows) in PICTURES.items():
                page = context.new_page()
                page.set_viewport_size(WINDOW | {"height": HEIGHTS.get(name, WINDOW["height"])})
                page.goto(f"{address}/{view}?{urlencode(query, doseq=True)}")
                page.wait_for_selector(shows, timeout=60_000)
                page.wait_for_function(STILL, polling=200, timeout=60_000)
                save_small(page.screenshot(), folder / f"{name}{suffix}.png")
                page.close()
            page = context.new_page()
            page.goto(EXAMPLE.as_uri())
            page.locator("path.line").first.wait_for()
            save_small(page.screenshot(), folder / f"report{suffix}.png")
            context.close()
        browser.close()


def write_example(runs: Path) -> None:
    """Write the report of the honest run against the other one. runs: the folder of the demo's runs."""
    words = ("--run", "runs/demo-honest", "--beside", "runs/demo-shortcut", "--images", str(EXAMPLE_IMAGES))
    made_by = command("report", *words, "--output", EXAMPLE.name)
    asked = ask(Run(runs / "demo-honest"), Run(runs / "demo-shortcut"), images=EXAMPLE_IMAGES, command=made_by)
    make_report(asked).save(EXAMPLE)
    print(f"{EXAMPLE}: {EXAMPLE.stat().st_size / 1000:.0f} kB")


def save_small(picture: bytes, file: Path) -> None:
    """Write a screenshot with 256 colours: a third of its bytes, and no difference to the eye."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    tyro.cli(main)
