"""In a real browser at 1280×720: class names and run names of any length and script push nothing sideways."""

import json
import shutil
from urllib.parse import quote, urlencode

import pytest

from tests.e2e.browser_page import MAP, TILE, open_address
from tests.fabricated import LAUNCHER, LINES, serve
from tests.odd_runs import ARABIC, ODD_RUNS, make_odd_run

# The views of each run: all of the one that is hardest to fit in, and of the others two that every view has some of.
SHOWN_IN = {
    "names without a space": ("curves", "mistakes", "layers", "compare"),
    "long names": ("mistakes", "layers"),
    "arabic names": ("curves", "compare"),
    "emoji": ("curves", "mistakes"),
    "markup": ("layers", "compare"),
}
LONG_RUN = "a run whose name is rather long " * 4 + "x" * 90
SHOWS = {"curves": LINES, "mistakes": TILE, "layers": MAP, "compare": TILE}

# The page scrolls in stMain; what is wider than a panel and does not scroll in a part of it would be cut off.
_SPILLS = """
() => [document.documentElement, document.querySelector("[data-testid=stMain]"),
       ...document.querySelectorAll("[class*='st-key-panel_'], .st-key-header")]
  .filter((box) => box.scrollWidth > box.clientWidth)
  .map((box) => `${box.className || box.tagName}: ${box.scrollWidth} > ${box.clientWidth}`)
"""
_PLACES = """
(label) => [...label.children].map((part) => [part.textContent, part.getBoundingClientRect().left])
"""


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    """Of a server with all runs of SHOWN_IN, and a copy of each that is older and has a long name itself."""
    runs = tmp_path_factory.mktemp("odd")
    for name in SHOWN_IN:
        make_odd_run(runs / name, name)
        shutil.copytree(runs / name, runs / f"{name} {LONG_RUN}"[:200])
        record = json.loads((runs / name / "run.json").read_text())
        (runs / name / "run.json").write_text(json.dumps(record | {"created": "2026-02-01T00:00:00Z"}))
    with serve(LAUNCHER, runs) as url:
        yield url


@pytest.mark.parametrize(("name", "view"), [(name, view) for name, views in SHOWN_IN.items() for view in views])
def test_names_of_any_length_and_script_push_nothing_sideways(page, address, name, view):
    beside = f"{name} {LONG_RUN}"[:200]
    chosen = {"run": name, "beside": beside, "true": ODD_RUNS[name][1][0], "image": "0"}
    query = urlencode(chosen | {"show": "all", "compared": "both-wrong"})
    open_address(page, f"{address}/{'' if view == 'curves' else view}?{query}", SHOWS[view])
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert page.evaluate(_SPILLS) == [] and not page.dialogs
    if view == "mistakes":
        page.get_by_role("button", name="Filter").click()
        page.get_by_text("True class", exact=True).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_a_confused_pair_in_arabic_stands_from_left_to_right_as_its_arrow_says(page, address):
    open_address(page, f"{address}/mistakes?run=arabic names", TILE)
    parts = page.locator(".st-key-mistakes_pairs .label").first.evaluate(_PLACES)
    true, arrow, predicted = (text for text, _ in sorted(parts, key=lambda part: part[1]))
    assert arrow == "→" and ARABIC.index(predicted) == (ARABIC.index(true) + 1) % 3


def test_of_long_names_the_beginning_of_both_is_shown_and_the_cross_that_removes_a_filter(page, address):
    name = quote(ODD_RUNS["long names"][1][0])
    open_address(page, f"{address}/mistakes?run=long names&show=all&true={name}", TILE)
    true, _, predicted = page.locator(".st-key-mistakes_pairs .label").first.locator("> *").all()
    assert min(part.bounding_box()["width"] for part in (true, predicted)) > 40
    panel, chip = page.locator(".st-key-panel_set").bounding_box(), page.locator(".st-key-chip_0 button:visible")
    cross = chip.locator("[data-testid=stIconMaterial]").bounding_box()
    assert chip.bounding_box()["width"] < panel["width"] / 2
    assert cross["x"] + cross["width"] < chip.bounding_box()["x"] + chip.bounding_box()["width"]
