"""Processor time that the server spends on a click, here and in another clone.

python -m benchmarks.click_cost --against DIR [--rounds 5 --clicks 60]

A click takes less time than the clock of a busy machine can tell, so what is read is the processor time (user and
system) of the server's process, from /proc, over all clicks of a kind. The two clones are served in turn, each round
anew, on the same fabricated runs; a websocket client sends what the browser sends, and looks at every answer.

In Mistakes: filter, cell, page and image, as in benchmarks.dashboard_load, one after the other. In Curves: another
chart, which runs only its part of the page; and the whole page, as for a visitor who comes back to it.
"""

import asyncio
import os
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.dashboard_load import FEATURES, visitors
from benchmarks.dashboard_speed import WARM_UP
from benchmarks.websocket_page import open_page
from tests.fabricated import LAUNCHER, fabricate_run, start_server

RUNS = 3
CHARTS = "curves_quantities"
TICKS = os.sysconf("SC_CLK_TCK")  # of /proc, a second


@dataclass(frozen=True)
class Config:
    """Measure the server's processor time a click; prints a table in Markdown."""

    against: Path
    """another clone, whose dashboard is measured in turn with this one's"""
    rounds: int = 5
    clicks: int = 60
    """of each view, a round"""
    images: int = 10_000
    """predictions in each run"""


def processor_seconds(process: int) -> float:
    """Of a process so far, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def cost(process: int, clicks: int, click: Callable[[int], Awaitable[float]]) -> float:
    """Milliseconds of the server's processor a click, after a few that fill caches."""
    for number in range(5):
        await click(number)
    before = processor_seconds(process)
    for number in range(clicks):
        await click(number)
    return 1000 * (processor_seconds(process) - before) / clicks


async def measure_clone(config: Config, address: str, process: int) -> dict[str, float]:
    async with visitors(address, 1) as (visitor,):
        kinds = list(visitor.kinds.values())
        costs = {"Mistakes": await cost(process, config.clicks, lambda number: kinds[number % len(kinds)]())}
    async with open_page(address, "", "") as page:
        await asyncio.sleep(WARM_UP / 4)
        charts = (("loss", "accuracy"), ("loss", "accuracy", "gap"))
        costs["Curves, another chart"] = await cost(
            process, config.clicks, lambda number: page.toggle(CHARTS, "gap", on=charts[number % 2])
        )
        costs["Curves, the whole page"] = await cost(process, config.clicks, lambda _: page.rerun())
    return costs


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.click_cost")
    clones = {"here": LAUNCHER, "there": config.against.resolve() / "app" / "main.py"}
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(RUNS):
            fabricate_run(Path(folder) / f"run {number}", config.images, features=FEATURES)
        for _ in range(config.rounds):
            for clone, launcher in clones.items():
                with start_server(launcher, Path(folder)) as (address, process):
                    for kind, milliseconds in asyncio.run(measure_clone(config, address, process)).items():
                        found.setdefault(kind, {}).setdefault(clone, []).append(milliseconds)
    print("| click in | here | there | ratio, round by round | rounds |\n|---|---|---|---|---|")
    for kind, costs in found.items():
        figures = [f"{statistics.median(one):.1f} ms ({min(one):.1f}–{max(one):.1f})" for one in costs.values()]
        ratios = [here / there for here, there in zip(costs["here"], costs["there"], strict=True)]
        spread = f"{statistics.median(ratios):.0%} ({min(ratios):.0%}–{max(ratios):.0%})"
        print(f"| {kind} | {' | '.join(figures)} | {spread} | {config.rounds} |")


if __name__ == "__main__":
    main()
