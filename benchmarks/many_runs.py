"""Clicks beside many runs: how long one takes in Mistakes and in Curves, with 20 and with 2,000 runs in the folder.

python -m benchmarks.many_runs [--runs 20 2000 --clicks 60 --rounds 3]

The runs are fabricated, all alike. Folders are served in turn, each round anew; a websocket client sends what the
browser sends, as in benchmarks.dashboard_load, and waits for the server's word that the script has finished. The first
view is measured apart: there the server has read no run yet.
"""

import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.click_cost import CHARTS
from benchmarks.dashboard_load import FEATURES, visitors
from benchmarks.websocket_page import measure, open_page
from tests.fabricated import LAUNCHER, fabricate_run, start_server


@dataclass(frozen=True)
class Config:
    """Measure clicks beside few and beside many runs; prints a table in Markdown."""

    runs: tuple[int, ...] = (20, 2000)
    """in the folder; the first is what the others are compared with"""
    clicks: int = 60
    """of each kind, a round"""
    rounds: int = 3
    images: int = 1000
    """predictions in each run"""
    rest: float = 0.1
    """seconds between two clicks"""


def fill(folder: Path, runs: int, images: int) -> None:
    """Make so many runs, in folders of a hundred, whose files are links to those of one."""
    first = folder / "experiment 0" / "run 0"
    fabricate_run(first, images, features=FEATURES)
    for number in range(1, runs):
        shutil.copytree(first, folder / f"experiment {number // 100}" / f"run {number}", copy_function=os.link)


async def measure_folder(config: Config, address: str) -> dict[str, float]:
    """Kind of click → its median in milliseconds."""

    async def median(click: Callable[[], Awaitable[float]]) -> float:
        return statistics.median(await measure(click, config.clicks, config.rest))

    start = time.monotonic()
    async with open_page(address, "", "") as page:
        found = {"first view": 1000 * (time.monotonic() - start)}
        charts = {True: ("loss", "accuracy", "gap"), False: ("loss", "accuracy")}
        on = False

        async def toggle() -> float:
            nonlocal on
            on = not on
            return await page.toggle(CHARTS, "gap", on=charts[not on])

        await asyncio.sleep(5)
        await measure(toggle, 4, config.rest)
        found["Curves, another chart"] = await median(toggle)
        found["Curves, the whole page"] = await median(page.rerun)
    async with visitors(address, 1) as (visitor,):
        found |= {f"Mistakes, {kind}": await median(click) for kind, click in visitor.kinds.items()}
    return found


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.many_runs")
    found: dict[str, dict[int, list[float]]] = {}
    with tempfile.TemporaryDirectory() as root:
        for runs in config.runs:
            fill(Path(root) / str(runs), runs, config.images)
        for _ in range(config.rounds):
            for runs in config.runs:
                with start_server(LAUNCHER, Path(root) / str(runs)) as (address, _process):
                    for kind, milliseconds in asyncio.run(measure_folder(config, address)).items():
                        found.setdefault(kind, {}).setdefault(runs, []).append(milliseconds)
    print(f"| click | {' | '.join(f'{runs:,} runs' for runs in config.runs)} | ratio, round by round |")
    print("|---|" + "---|" * (len(config.runs) + 1))
    for kind, by_runs in found.items():
        texts = [f"{statistics.median(one):.0f} ms ({min(one):.0f}–{max(one):.0f})" for one in by_runs.values()]
        first, *_, last = by_runs.values()
        ratios = [many / few for few, many in zip(first, last, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        print(f"| {kind} | {' | '.join(texts)} | {spread} |")


if __name__ == "__main__":
    main()
