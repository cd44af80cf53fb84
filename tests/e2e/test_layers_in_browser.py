"""Maps of Layers in a real browser: opened large, gone through by keys, and as a carousel on a phone."""

import io

import pytest
from PIL import Image

from tests.e2e.browser_page import MAP, await_count, await_maps, await_query, await_still, open_address, query_of
from tests.fabricated import LAUNCHER, LAYERS, fabricate_run, serve

PHONE = {"width": 390, "height": 844}
BOXES = """
(row) => [...[...row.querySelectorAll(".map")].slice(0, 2), row.querySelector(".target")]
  .map((part) => part.getBoundingClientRect().toJSON())
"""
SCROLLS_SIDEWAYS = (
    "() => [document.documentElement, document.querySelector('[data-testid=stMain]')]"
    ".some((part) => part.scrollWidth > part.clientWidth)"
)
FOCUSED = "document.activeElement.querySelector('img')?.alt.split(':')[0]"


@pytest.fixture(scope="module")
def two_runs(browser, tmp_path_factory):
    """The address of a server of two runs on the same test split."""
    runs = tmp_path_factory.mktemp("two")
    for name in ("first", "second"):
        fabricate_run(runs / name, 12, ("cat", "dog", "owl"), with_model=True)
    with serve(LAUNCHER, runs) as url:
        yield url


@pytest.fixture
def layers(page, two_runs):
    """Image 0, a mistake, to both runs: three rows of each."""
    open_address(page, f"{two_runs}/layers?run=first&beside=second&image=0", MAP)
    await_maps(page, 6 * len(LAYERS))
    return page


def at(layer, row, run):
    return f"Grad-CAM at {layer}, {row} · {run}"


def test_a_map_opens_large_by_key_is_gone_through_saved_and_closed_where_it_was(layers):
    maps = layers.locator(".map-grid button.picture")
    maps.first.focus()
    layers.keyboard.press("ArrowRight")
    layers.keyboard.press("ArrowDown")
    assert layers.evaluate(FOCUSED) == at("layer2", "Predicted", "second")
    layers.keyboard.press("Enter")
    large = layers.locator("dialog.map-large")
    large.wait_for()
    assert large.locator("img").bounding_box()["width"] > 2 * maps.first.bounding_box()["width"]
    layers.keyboard.press("ArrowRight")
    assert large.get_attribute("aria-label").startswith(at("layer3", "Predicted", "second"))
    with layers.expect_download() as download:
        large.get_by_role("button", name="Download .png").click()
    with Image.open(io.BytesIO(download.value.path().read_bytes())) as picture:
        assert picture.size == (1024, 1024) and len(picture.convert("RGB").getcolors(2**20)) > 100
    layers.keyboard.press("Escape")
    await_count(large, 0)
    assert layers.evaluate(FOCUSED) == at("layer3", "Predicted", "second")


def test_a_click_opens_a_map_and_a_click_beside_it_closes_it(layers):
    layers.locator(".map-grid button.picture").nth(5).click()
    large = layers.locator("dialog.map-large")
    assert large.get_attribute("aria-label").startswith(at("layer2", "Predicted", "second"))
    layers.mouse.click(3, 3)
    await_count(large, 0)


def test_maps_of_compare_open_large_too(page, two_runs):
    open_address(page, f"{two_runs}/compare?run=first&beside=second&compared=both-wrong", MAP)
    page.locator(".map-grid button.picture").first.click()
    page.locator("dialog.map-large").wait_for()


def test_the_tab_key_reaches_one_map_of_each_row(layers):
    reached = layers.locator(".map-grid button.picture[tabindex='0']")
    assert reached.count() == 6
    layers.locator(".map-grid button.picture").first.focus()
    layers.keyboard.press("End")
    assert layers.evaluate(FOCUSED) == at("layer4", "Predicted", "first") and reached.count() == 6


def test_on_a_phone_a_row_of_maps_is_a_carousel_below_its_head(layers):
    layers.set_viewport_size(PHONE)
    row = layers.locator(".map-grid .row").nth(1)
    await_still(row)
    first, second, head = row.evaluate(BOXES)  # at once: what stands above may still grow
    assert first["width"] > 0.6 * PHONE["width"]
    assert second["x"] < PHONE["width"] < second["x"] + second["width"]  # one and a bit
    assert head["y"] < first["y"]
    assert layers.evaluate(SCROLLS_SIDEWAYS) is False


def test_arrow_keys_go_through_the_set_unless_the_focus_is_on_a_map(layers):
    layers.keyboard.press("ArrowRight")
    await_query(layers, image="5")
    await_maps(layers, 6 * len(LAYERS))
    layers.keyboard.press("ArrowLeft")
    await_query(layers, image="0")
    layers.locator(".map-grid button.picture").first.focus()
    layers.keyboard.press("ArrowRight")
    assert layers.evaluate(FOCUSED) == at("layer2", "Predicted", "first") and query_of(layers)["image"] == "0"


def test_the_appearance_is_opened_and_changed_by_keys(layers):
    layers.locator(".st-key-layers_appearance summary").focus()
    layers.keyboard.press("Enter")
    layers.locator(".st-key-layers_scale").wait_for()
    layers.keyboard.press("Tab")
    layers.keyboard.press("ArrowRight")
    layers.keyboard.press("Enter")
    await_query(layers, scale="layer", image="0")  # the arrow key leads to another option, not to another image
    await_count(layers.locator(".map-grid .scale"), len(LAYERS))


@pytest.mark.parametrize("width", [820, 1024])
def test_on_a_tablet_all_maps_of_a_row_are_whole(layers, width):
    layers.set_viewport_size({"width": width, "height": 900})
    await_still(layers.locator(".map-grid"))
    assert layers.locator(".map-grid").evaluate("(grid) => grid.scrollWidth <= grid.clientWidth")
    assert layers.evaluate(SCROLLS_SIDEWAYS) is False
