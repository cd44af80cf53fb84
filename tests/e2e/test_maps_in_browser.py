"""The Layers view in a real browser: findings by keyboard, methods, an image of one's own, and downloads."""

import io

import numpy as np
import pytest
from PIL import Image

from sightline.run_store.run import Run
from tests.e2e.browser_page import (
    MAP,
    await_maps,
    await_query,
    await_text,
    image_pixels,
    open_address,
    query_of,
    screenshot_pixels,
)
from tests.fabricated import LAUNCHER, LAYERS, fabricate_run, serve, speak_against

BADGE = ".map-grid .finding"
SCROLLS_SIDEWAYS = (
    "() => [document.documentElement, document.querySelector('[data-testid=stMain]')]"
    ".some((part) => part.scrollWidth > part.clientWidth)"
)


@pytest.fixture(scope="module")
def run(tiny_run):
    return Run(tiny_run)


@pytest.fixture(scope="module")
def mistake(run):
    return int(np.flatnonzero(run.predictions().wrong)[0])


@pytest.fixture
def layers(page, address, mistake):
    """The view of a wrong prediction, its maps on the screen."""
    open_address(page, f"{address}/layers?run=tiny&image={mistake}", MAP)
    await_maps(page, 3 * len(LAYERS))
    return page


def choose(page, key, option):
    page.locator(f".st-key-{key} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def test_the_reason_of_a_finding_is_shown_by_mouse_and_by_keyboard(page, tmp_path):
    fabricate_run(tmp_path / "against", 4, with_model=True)
    speak_against(tmp_path / "against", *range(10))
    with serve(LAUNCHER, tmp_path) as address:
        open_address(page, f"{address}/layers?run=against&image=0&layer=layer4", MAP)
        await_maps(page, 3)
        badge = page.locator(BADGE).first
        reason = badge.locator(".reason")
        opacity = "(element) => getComputedStyle(element).opacity"
        assert reason.evaluate(opacity) == "0" and len(reason.text_content().strip()) > 10
        badge.hover()
        assert reason.evaluate(opacity) == "1"
        page.mouse.move(0, 0)
        page.locator(".map-grid").evaluate("(element) => element.querySelector('.finding').focus()")
        page.keyboard.press("Tab")
        assert page.locator(BADGE).nth(1).locator(".reason").evaluate(opacity) == "1"


def test_another_method_shows_other_maps_and_back_undoes_it(layers):
    before = [image.get_attribute("alt") for image in layers.locator(MAP).all()]
    choose(layers, "layers_method", "HiResCAM")
    await_query(layers, method="hirescam")
    layers.wait_for_selector(f'{MAP}[alt^="HiResCAM at layer1"]')
    layers.go_back()
    await_query(layers, method=None)
    layers.wait_for_selector(f'{MAP}[alt^="Grad-CAM at layer1"]')
    assert [image.get_attribute("alt") for image in layers.locator(MAP).all()] == before


def test_the_map_alone_and_the_input_alone_are_what_is_on_the_screen(layers, run, mistake):
    cell = layers.locator(".map-grid .picture").first
    layers.get_by_text("Appearance").click()
    layers.get_by_role("radio", name="input").click()
    await_query(layers, opacity="0")
    shown = screenshot_pixels(cell)
    middles = [(np.arange(8, 24) + 0.5) * side / 32 for side in shown.shape[:2]]  # corners are round
    seen = shown[np.ix_(*(places.astype(int) for places in middles))]
    assert np.abs(seen - run.images()[mistake][8:24, 8:24].astype(int)).mean() < 24
    layers.get_by_role("radio", name="map", exact=True).click()
    await_query(layers, opacity="100")
    assert np.abs(screenshot_pixels(cell) - shown).mean() > 8


def test_an_image_of_ones_own_is_explained_and_left_again(layers, mistake):
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(stream, "PNG")
    upload = layers.locator(".st-key-panel_inspector input[type=file]")
    upload.set_input_files({"name": "holiday.png", "mimeType": "image/png", "buffer": stream.getvalue()})
    inspector = layers.locator('.st-key-pixels_inspector_image img[alt^="holiday.png: predicted"]')
    inspector.wait_for()
    np.testing.assert_array_equal(image_pixels(inspector), np.asarray(Image.open(stream)))
    await_maps(layers, 3 * len(LAYERS))
    assert layers.locator(f'{MAP}[alt*="Runner-up: "]').count() == len(LAYERS)
    assert "holiday" not in str(query_of(layers))
    layers.get_by_role("button", name="Back to the test split").click()
    layers.locator(f'.st-key-pixels_inspector_image img[alt^="Test image {mistake}:"]').wait_for()


def test_what_cannot_be_shown_is_refused_in_a_sentence_and_only_the_last_is_spoken_of(layers, tmp_path):
    upload = layers.locator(".st-key-panel_inspector input[type=file]")
    upload.set_input_files({"name": "notes.png", "mimeType": "image/png", "buffer": b"no image"})
    await_text(layers, "notes.png could not be shown")
    await_maps(layers, 3 * len(LAYERS))
    large = tmp_path / "large.png"
    large.write_bytes(bytes(20 * 2**20 + 1))
    upload.set_input_files(large)  # which the control refuses by itself
    refused = layers.locator(".st-key-uploader [aria-invalid] [role=alert]")
    refused.filter(has_text="20.0MB or smaller").wait_for()
    assert refused.bounding_box()["width"] > 50
    assert not layers.get_by_text("notes.png could not be shown").is_visible()


def test_the_downloads_are_the_grid_and_the_raw_maps(layers, mistake):
    with layers.expect_download() as download:
        layers.get_by_role("button", name="Download .png").click()
    with Image.open(download.value.path()) as picture:
        assert picture.format == "PNG" and picture.width > 4 * 256 and picture.height > 3 * 256
    with layers.expect_download() as download:
        layers.get_by_role("button", name="Download .npz").click()
    assert download.value.suggested_filename == f"tiny_Image-{mistake}_gradcam.npz"
    with np.load(download.value.path(), allow_pickle=False) as content:
        assert {f"{layer}/{row}" for layer in LAYERS for row in ("predicted", "true", "difference")} < set(content)
        assert content["layer4/predicted"].shape == (4, 4) and content["image"] == mistake


def test_many_layers_scroll_inside_their_panel_and_not_the_page(page, address, mistake):
    layers = [f"layer{stage}.{block}.bn{number}" for stage in (1, 2) for block in (0, 1) for number in (1, 2)]
    query = "".join(f"&layer={layer}" for layer in layers)
    open_address(page, f"{address}/layers?run=tiny&image={mistake}{query}", MAP)
    await_maps(page, 3 * len(layers))
    assert page.locator(".map-grid").evaluate("(grid) => grid.scrollWidth > grid.clientWidth")
    assert page.evaluate(SCROLLS_SIDEWAYS) is False


def test_a_slow_method_can_be_stopped_and_started_again_and_hinders_nobody_meanwhile(page, stranger_page, tmp_path):
    """Hundreds of passes of a large network, which here take far longer than what is done meanwhile."""
    fabricate_run(tmp_path / "large", 4, side=96, input_size=96, model="resnet18", with_model=True)
    with serve(LAUNCHER, tmp_path) as address:
        page.goto(f"{address}/layers?run=large&image=1&method=occlusion")
        await_text(page, "Occlusion: ")
        open_address(stranger_page, f"{address}/layers?run=large&image=1&method=gradcam", MAP)
        assert page.get_by_role("button", name="Stop").is_visible()  # it is still at work
        page.get_by_role("button", name="Stop").click()
        await_text(page, "Occlusion was stopped.")
        page.get_by_role("button", name="Compute it").click()
        await_text(page, "Occlusion: ")
