"""In a real browser: two runs side by side at every width, and a threshold on the confidence that is dragged."""

import io
import shutil

import numpy as np
import pandas as pd
import pytest

from sightline.run_store.run import Run
from tests.app_pages import edit_predicted
from tests.e2e.browser_page import (
    TILE,
    VIEWPORT,
    await_maps,
    await_query,
    await_still,
    await_text,
    open_address,
    query_of,
)

SLIDER = ".sliding"
WIDTHS = (390, 820, 1024, 1280, 1920)
MENDED = 3  # images that only the second run has right
CUT = """
panel => [...panel.querySelectorAll(".map-grid, .map-grid *, .bars *")].some(
  (each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX !== "visible"
)
"""


@pytest.fixture(scope="module")
def run(tiny_run):
    return Run(tiny_run)


@pytest.fixture(scope="module")
def mended(run, served, tmp_path_factory):
    """Images that the run `mended`, else the same as `tiny`, is right about."""
    predictions = run.predictions()
    images = np.flatnonzero(predictions.wrong)[:MENDED].tolist()
    path = shutil.copytree(run.path, tmp_path_factory.mktemp("copies") / "mended")
    edit_predicted(path, {image: int(predictions.column("label")[image]) for image in images})
    path.rename(served / "mended")
    yield images
    shutil.rmtree(served / "mended")


def test_the_larger_set_opens_with_what_a_and_b_predict_and_leaves_as_a_table(page, address, run, mended):
    open_address(page, f"{address}/compare?run=tiny&beside=mended", TILE)
    names, predictions = run.record.class_names, run.predictions()
    assert sorted(int(tile.get_attribute("data-index")) for tile in page.locator(TILE).all()) == mended
    image = mended[0]
    true, predicted = (names[predictions.column(name)[image]] for name in ("label", "predicted"))
    tile = page.locator(f"{TILE}[data-index='{image}']")
    assert (
        tile.get_attribute("title") == f"Image {image}: true {true}, tiny predicts {predicted}, mended predicts {true}"
    )
    assert "→" not in tile.inner_text()
    with page.expect_download() as download:
        page.locator(".st-key-compare_csv button").click()
    table = pd.read_csv(io.BytesIO(download.value.path().read_bytes()), index_col="index")
    row = table.loc[image]
    assert sorted(table.index) == mended
    assert (row["label"], row["predicted (tiny)"], row["predicted (mended)"]) == (true, predicted, true)


def test_both_maps_and_both_probabilities_are_whole_at_every_width(page, address, mended):
    open_address(page, f"{address}/compare?run=tiny&beside=mended", TILE)
    try:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            await_maps(page, 2)
            await_still(page.locator(".map-grid .picture").last)
            first, second = (one.bounding_box() for one in page.locator(".map-grid .picture").all())
            panel = page.locator(".st-key-panel_inspector").bounding_box()
            assert panel["x"] <= first["x"] and second["x"] + second["width"] <= panel["x"] + panel["width"], width
            assert first["y"] == second["y"] and first["width"] == pytest.approx(second["width"], abs=1), width
            assert first["width"] > 60, width
            assert not page.locator(".st-key-panel_inspector").evaluate(CUT), width
            assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        page.set_viewport_size(VIEWPORT)


def test_another_layer_is_chosen_for_both_maps(page, address, mended):
    open_address(page, f"{address}/compare?run=tiny&beside=mended&at=layer2", TILE)
    await_maps(page, 2)
    alts = [image.get_attribute("alt") for image in page.locator(".map-grid img").all()]
    assert [alt.split(",")[0] for alt in alts] == ["Grad-CAM at layer2"] * 2


def open_calibration(page, address, **query):
    open_address(page, f"{address}/mistakes?run=tiny", TILE)
    page.get_by_role("radio", name="Calibration").click()
    page.locator(SLIDER).wait_for()


def threshold_of(page):
    return float(query_of(page)["range"].removeprefix("confidence:.."))


def test_dragging_the_threshold_makes_the_least_sure_images_the_set(page, address, run):
    open_calibration(page, address)
    slider = page.locator(SLIDER)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 1, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=4)
    page.mouse.up()
    await_query(page, show="all")
    confidence = run.predictions().column("confidence")
    below = int((confidence <= threshold_of(page)).sum())
    assert below / len(confidence) == pytest.approx(0.4, abs=0.02)
    await_text(page, f"{below} images at most")
    page.get_by_role("radio", name=f"All {below}").wait_for()


def test_the_threshold_is_moved_by_keys_and_told_in_words(page, address, run):
    open_calibration(page, address)
    slider = page.locator(SLIDER)
    assert slider.get_attribute("aria-valuenow") == "100" and slider.get_attribute("aria-valuetext")
    slider.focus()
    page.keyboard.press("PageDown")
    await_query(page, show="all")
    first = threshold_of(page)
    kept = 100 * (run.predictions().column("confidence") > first).mean()
    page.locator(f"{SLIDER}[aria-valuenow='{kept:.0f}']").wait_for()
    await_text(page, f"The surest {kept:.1f} % are right on")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("before => !location.href.endsWith(before)", arg=f"..{first:.12g}")
    assert threshold_of(page) > first
    page.keyboard.press("End")
    page.wait_for_function("() => !location.search.includes('range')")


def test_a_click_on_a_bin_shows_its_images_also_where_it_is_enlarged(page, address, run):
    open_calibration(page, address)
    page.get_by_role("button", name="Enlarge").last.click()
    dialog = page.get_by_role("dialog")
    dot = dialog.locator(".dot").last
    images = dot.get_attribute("aria-label").split()[0]
    dot.click()
    await_query(page, show="all")
    dialog.wait_for(state="detached")
    page.get_by_role("radio", name=f"All {images}").wait_for()
