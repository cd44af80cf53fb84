"""Trust in a real browser, on a network with random weights: no map is believed, and figures can be clicked."""

import shutil

import pytest

from sightline.explain.quality import measure
from sightline.run_store.quality import read_quality
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
KINDS = len(LAYERS) + 3  # with the controls
TILES = ".st-key-trust_{} .tile"


@pytest.fixture(scope="module")
def run(served):
    run = Run(served / "random")
    fabricate_run(run.path, IMAGES, with_model=True)
    measure(run, methods=("gradcam",), images=IMAGES)
    yield run
    shutil.rmtree(run.path)


def test_no_layer_of_a_network_with_random_weights_is_believed(page, run, address):
    open_address(page, f"{address}/layers?run=random&image=0", MAP)
    await_maps(page, 3 * len(LAYERS))
    await_text(page, "no layer of Grad-CAM beats every control map")


def test_figures_lead_to_the_map_and_examples_to_their_image(page, run, address):
    open_address(page, f"{address}/trust?run=random&measure=road_gap", TRUST_ROW)
    await_text(page, "Believe none")
    points = page.locator(TRUST_ROW)
    await_count(points, KINDS + 1)
    rows = sorted((row for row in read_quality(run) if row.measure == "road_gap"), key=lambda row: -row.value)
    place = next(place for place, row in enumerate(rows) if (row.method, row.layer) == ("gradcam", "layer2"))
    page.mouse.click(*await_still(points.nth(place)))
    await_query(page, layer="layer2", measure="road_gap")

    await_count(page.locator(TILES.format("worst")), len(rows[place].worst))
    page.locator(TILES.format("best")).first.click()
    await_query(page, layer="layer2", image=str(rows[place].best[0]))
    await_maps(page, 3)
    assert path_of(page) == "/layers"
