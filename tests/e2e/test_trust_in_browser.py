"""Trust in a real browser, on a network with random weights: figures can be clicked, explain themselves, and arrive."""

import shutil
from dataclasses import replace

import pytest

from sightline.explain.judging.verdicts import verdicts
from sightline.explain.quality import measure
from sightline.run_store.quality import read_quality, write_quality
from sightline.run_store.run import Run
from tests.e2e.browser_page import (
    MAP,
    TRUST_ROW,
    await_count,
    await_maps,
    await_query,
    await_still,
    await_text,
    open_address,
    path_of,
)
from tests.fabricated import LAYERS, fabricate_run

IMAGES = 20
TILES = ".st-key-trust_{} .tile"
TABLE = ".figure-table"


@pytest.fixture(scope="module")
def run(served):
    run = Run(served / "random")
    fabricate_run(run.path, IMAGES, with_model=True)
    measure(run, methods=("gradcam",), images=IMAGES)
    yield run
    shutil.rmtree(run.path)


def shown(rows, name):
    """The rows of a measure in the order of the chart: the best verdict first, the controls last."""
    place = {(verdict.method, verdict.layer): number for number, verdict in enumerate(verdicts(rows))}
    of_measure = [row for row in rows if row.measure == name]
    return sorted(of_measure, key=lambda row: (row.control, place.get((row.method, row.layer), 0), -row.value))


def test_each_layer_says_whether_its_maps_are_supported_and_why(page, run, address):
    open_address(page, f"{address}/layers?run=random&image=0", MAP)
    await_maps(page, 3 * len(LAYERS))
    marks = page.locator(".map-grid .layer .support")
    names = {verdict.layer: verdict.name for verdict in verdicts(read_quality(run))}
    said = [mark.evaluate("(element) => element.childNodes[1].textContent.trim()") for mark in marks.all()]
    assert said == [names[layer] for layer in LAYERS]
    marks.first.focus()
    reason = marks.first.locator(".reason")
    page.wait_for_function("(element) => getComputedStyle(element).opacity === '1'", arg=reason.element_handle())
    assert "ROAD's lead over" in reason.inner_text()
    await_text(page, "Which layer to believe?")


def test_figures_lead_to_the_map_and_examples_to_their_image(page, run, address):
    open_address(page, f"{address}/trust?run=random&measure=road_gap", TRUST_ROW)
    rows = shown(read_quality(run), "road_gap")
    points = page.locator(TRUST_ROW)
    await_count(points, len(rows) + 1)
    place = next(place for place, row in enumerate(rows) if (row.method, row.layer) == ("gradcam", "layer2"))
    page.mouse.click(*await_still(points.nth(place)))
    await_query(page, layer="layer2", measure="road_gap")

    await_count(page.locator(TILES.format("worst")), len(rows[place].worst))
    pictures = page.locator(TILES.format("best") + " img:not(.over)")
    assert all(picture.get_attribute("src").startswith("data:image/png") for picture in pictures.all())  # with its map
    page.locator(TILES.format("best")).first.click()
    await_query(page, layer="layer2", image=str(rows[place].best[0]))
    await_maps(page, 3)
    assert path_of(page) == "/layers"


def test_what_decides_is_not_cut_off_and_the_map_stays_in_sight(page, run, address):
    open_address(page, f"{address}/trust?run=random", TABLE)
    box = page.locator(TABLE).bounding_box()
    heads = page.locator(f"{TABLE} thead th")
    for place in range(4):  # map, verdict, lead, ROAD
        cell = heads.nth(place).bounding_box()
        assert box["x"] <= cell["x"] and cell["x"] + cell["width"] <= box["x"] + box["width"]
    page.locator(TABLE).evaluate("(table) => { table.scrollLeft = table.scrollWidth }")
    assert heads.first.bounding_box()["x"] == pytest.approx(box["x"], abs=1)
    heads.nth(3).locator(".explained").focus()
    await_text(page, "the least. The figure is how much more")


def test_figures_that_come_while_one_looks_appear_by_themselves(page, run, address, served):
    waiting = Run(served / "waiting")
    shutil.copytree(run.path, waiting.path)
    rows = read_quality(run)
    try:
        write_quality(waiting, [replace(row, final=False, images=500) for row in rows if row.measure == "road_gap"])
        open_address(page, f"{address}/trust?run=waiting", TRUST_ROW)
        await_text(page, "provisional")
        await_text(page, "Go on")
        write_quality(waiting, rows)
        page.locator(".stMarkdownBadge").wait_for(state="detached")
        await_text(page, "Measure again")
    finally:
        shutil.rmtree(waiting.path)
