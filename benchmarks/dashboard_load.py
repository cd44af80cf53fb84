"""Clicks in Mistakes: one user and a million predictions, many users, and the memory of the server after an hour.

python -m benchmarks.dashboard_load [--images 10000 1000000 --clicks 100 --users 25 100 --soak-clicks 90000]

The runs are fabricated. The server is a process, this client another, which speaks Streamlit's protocol and sends what
the browser sends for four kinds of click:

- filter: “Wrong”, “Right” or “All”;
- cell: one of the confusion matrix, or the chosen one again, which ends its filter;
- page: “Next”;
- image: a tile of the gallery.

The clock stops when the server says that the script has finished, which comes after everything there is to draw. Every
answer is looked at: headline and gallery have to be what was asked for. Thumbnails are not fetched.

One user: for each number of predictions each kind of click on its own, after a rest as a person takes it.

Many users: each clicks once a second, from a random moment on, on any of the four. The clock of a click starts when it
is due, also where the answer before it is late. Who meets a failure (an exception, a wrong answer, none in a minute, a
dropped connection) leaves and is counted. The client runs in one thread; where it is busy for most of the time, it is
the client that was measured.

The hour: as many clicks as 25 users make in it, one a second, sent as fast as the answers come; the resident memory of
the server is read from /proc after 2 % of them, when caches are full, and ten times from there to the end. Many users
and the hour have the first number of predictions.
"""

import asyncio
import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import tyro
from tqdm import tqdm

from benchmarks.dashboard_speed import WARM_UP, row
from benchmarks.websocket_page import Page, measure, open_page
from sightline.report.words.text import count
from tests.fabricated import CLASSES, LAUNCHER, fabricate_run, start_server

GALLERY, MATRIX = "mistakes_gallery", "mistakes_matrix"
HEADLINE = re.compile(r"\*\*[^*]+\*\* :gray\[of .*?(mistakes|hits|test images)")
OUTCOMES = {"mistakes": "Wrong", "hits": "Right", "test images": "All"}
CELLS = (("plane", "car"), ("cat", "cat"), ("dog", "frog"), ("ship", "ship"))  # of which a fabricated run has images
FEATURES = 512  # of an image, as of ResNet18
MANY_IMAGES = 100_000  # from here on they are stored with 8 instead of 32 pixels a side: nothing else is measured


@dataclass(frozen=True)
class Config:
    """Measure the dashboard under load; prints tables in Markdown."""

    images: tuple[int, ...] = (10_000, 1_000_000)
    """predictions in the run"""
    clicks: int = 100
    """of each kind by one user, for each number of predictions; 0: none"""
    rest: float = 0.3
    """seconds between two of them"""
    users: tuple[int, ...] = (25, 100)
    """who click once a second at the same time"""
    seconds: float = 60
    """for which they click; 0: not at all"""
    soak_users: int = 25
    soak_clicks: int = 25 * 3600
    """of all users together; 0: none"""


class Visitor:
    """Somebody in Mistakes. Each click takes milliseconds, and raises RuntimeError where its answer is wrong."""

    def __init__(self, page: Page, seed: int) -> None:
        self.page, self.chances = page, random.Random(seed)
        self.cells = cycle(cell for cell in CELLS for _ in range(2))
        self.cell: tuple[str, str] | None = None  # by which the set is filtered
        self.kinds = {"filter": self.filter, "cell": self.click_cell, "page": self.turn_page, "image": self.pick_image}

    @property
    def headline(self) -> re.Match[str]:
        (found,) = filter(None, map(HEADLINE.match, self.page.texts))
        return found

    @property
    def gallery(self) -> dict:
        return json.loads(self.page.elements[GALLERY].json)

    async def click(self) -> float:
        return await self.chances.choice(list(self.kinds.values()))()

    async def filter(self) -> float:
        """The next of Wrong, Right and All, less what would leave nothing of a cell."""
        names = list(OUTCOMES.values())
        if self.cell is not None:
            names.remove("Wrong" if self.cell[0] == self.cell[1] else "Right")
        before = OUTCOMES[self.headline[1]]
        wanted = names[(names.index(before) + 1) % len(names)]
        milliseconds = await self.page.choose("mistakes_outcome", wanted)
        self._expect(OUTCOMES[self.headline[1]] == wanted, f"{wanted} after {before}")
        self._expect(
            wanted == "All" or {item["wrong"] for item in self.gallery["items"]} == {wanted == "Wrong"}, wanted
        )
        return milliseconds

    async def click_cell(self) -> float:
        label, predicted = cell = next(self.cells)
        before = self.headline.string
        milliseconds = await self.page.trigger(MATRIX, "pick", [CLASSES.index(name) for name in cell])
        self.cell = None if self.cell == cell else cell
        shown = {(item["true"], item["predicted"]) for item in self.gallery["items"]}
        self._expect(self.headline.string != before, "another number of images")
        self._expect(self.cell is None or shown == {cell}, f"images of {label} taken for {predicted}")
        return milliseconds

    async def turn_page(self) -> float:
        before = {item["index"] for item in self.gallery["items"]}
        milliseconds = await self.page.press("pager_1")
        after = {item["index"] for item in self.gallery["items"]}
        self._expect(bool(after) and not before & after, "the images of another page")
        return milliseconds

    async def pick_image(self) -> float:
        gallery = self.gallery
        wanted = self.chances.choice(
            [item["index"] for item in gallery["items"] if item["index"] != gallery["selected"]]
        )
        milliseconds = await self.page.trigger(GALLERY, "pick", wanted)
        self._expect(self.gallery["selected"] == wanted, f"image {wanted} selected")
        self._expect(f"**Image {count(wanted)}**" in self.page.texts, f"image {wanted} in the inspector")
        return milliseconds

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            raise RuntimeError(
                f"Asked for {what}, got “{self.headline.string}” with {self.page.elements[GALLERY].json}"
            )


@asynccontextmanager
async def visitors(address: str, number: int) -> AsyncIterator[list[Visitor]]:
    """So many, all of whose pages are open; the server has its imports behind it, and one click of each kind."""
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(open_page(address, "mistakes", "")) for _ in range(number)]
        everybody = [Visitor(page, seed) for seed, page in enumerate(pages)]
        await asyncio.sleep(WARM_UP)
        for click in everybody[0].kinds.values():
            await click()
        yield everybody


async def measure_kinds(config: Config, address: str) -> dict[str, list[float]]:
    """Kind of click → milliseconds of one user."""
    async with visitors(address, 1) as (visitor,):
        return {kind: await measure(click, config.clicks, config.rest) for kind, click in visitor.kinds.items()}


async def click_every_second(visitor: Visitor, end: float, milliseconds: list[float], failures: Counter[str]) -> None:
    due = time.monotonic() + visitor.chances.random()
    try:
        while due < end:
            await asyncio.sleep(due - time.monotonic())
            late = time.monotonic() - due
            milliseconds.append(1000 * late + await visitor.click())
            due += 1
    except Exception as error:
        failures[f"{type(error).__name__}: {error}"[:400]] += 1


async def measure_users(config: Config, address: str, users: int) -> tuple[list[float], Counter[str], float]:
    """Milliseconds of all clicks, what failed and how often, and the share of the time that this client was busy."""
    milliseconds: list[float] = []
    failures: Counter[str] = Counter()
    async with visitors(address, users) as everybody:
        start, busy = time.monotonic(), time.process_time()
        end = start + config.seconds
        await asyncio.gather(*(click_every_second(visitor, end, milliseconds, failures) for visitor in everybody))
        if not milliseconds:
            raise RuntimeError(f"No click of {users} users was answered: {failures}")
        return milliseconds, failures, (time.process_time() - busy) / (time.monotonic() - start)


def resident_mb(process: int) -> float:
    (kilobytes,) = re.findall(r"VmRSS:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(kilobytes) / 1000


async def soak(config: Config, address: str, process: int) -> dict[int, float]:
    """Clicks so far → resident memory of the server in MB. A failure ends it."""
    number = config.soak_clicks // config.soak_users  # of a user's clicks
    total = number * config.soak_users
    marks = set(np.linspace(0.02 * total, total, 11).astype(int).tolist())
    curve: dict[int, float] = {}
    async with visitors(address, config.soak_users) as everybody:
        with tqdm(total=total, unit="click") as bar:

            async def click_on(visitor: Visitor) -> None:
                for _ in range(number):
                    await visitor.click()
                    bar.update()
                    if bar.n in marks:
                        curve[bar.n] = resident_mb(process)

            await asyncio.gather(*map(click_on, everybody))
    return curve


def report_kinds(config: Config, runs: Path, images: int) -> None:
    with start_server(LAUNCHER, runs) as (address, _):
        for kind, milliseconds in asyncio.run(measure_kinds(config, address)).items():
            print(row(f"{kind}, {images} predictions", milliseconds, "ms", 0), flush=True)


def report_users(config: Config, runs: Path) -> None:
    print("\n| users | median | 95 % | least | most | clicks | failures | client busy |")
    print("|---|---|---|---|---|---|---|---|")
    for users in config.users:
        with start_server(LAUNCHER, runs) as (address, _):
            milliseconds, failures, busy = asyncio.run(measure_users(config, address, users))
        print(f"{row(str(users), milliseconds, 'ms', 0)} {failures.total()} | {busy:.0%} |", flush=True)
        for what, times in failures.items():
            print(f"\n{times} × {what}", flush=True)


def report_soak(config: Config, runs: Path) -> None:
    with start_server(LAUNCHER, runs) as (address, process):
        start = time.monotonic()
        curve = asyncio.run(soak(config, address, process))
        minutes = (time.monotonic() - start) / 60
    print("\n| clicks | resident memory |\n|---|---|")
    for clicks, memory in curve.items():
        print(f"| {clicks} | {memory:.0f} MB |")
    first, *_, last = curve.values()
    print(f"\n{last / first - 1:+.1%} from the first line to the last, in {minutes:.0f} minutes", flush=True)


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.dashboard_load")
    with tempfile.TemporaryDirectory() as folder:
        roots = {images: Path(folder) / str(images) for images in config.images}
        for images, runs in roots.items():
            fabricate_run(runs / "fabricated", images, side=8 if images >= MANY_IMAGES else 32, features=FEATURES)
        if config.clicks:
            print("| click, by one user | median | 95 % | least | most | number |\n|---|---|---|---|---|---|")
            for images, runs in roots.items():
                report_kinds(config, runs, images)
        if config.seconds:
            report_users(config, roots[config.images[0]])
        if config.soak_clicks:
            report_soak(config, roots[config.images[0]])


if __name__ == "__main__":
    main()
