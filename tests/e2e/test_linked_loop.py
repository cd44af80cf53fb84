"""In a real browser: curve → class → mistake → map, by mouse, by keyboard and by address."""

import io
import shutil
import time
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from sightline.report.drawing.learning_curves import RUN_COLOURS
from sightline.run_store.files import is_locked
from sightline.run_store.run import Run
from tests.app_pages import edit_predicted
from tests.e2e.browser_page import (
    CURVES,
    MAP,
    MATRIX,
    PATIENCE,
    TILE,
    TO_INSTALL,
    VIEWPORT,
    await_count,
    await_maps,
    await_query,
    await_still,
    await_text,
    await_view,
    chromium_path,
    count_of_colour,
    image_pixels,
    link_to,
    matrix_cell,
    open_address,
    path_of,
    query_of,
    screenshot_pixels,
)
from tests.fabricated import LAUNCHER, LAYERS, LINES, serve

HOSTILE_NAME = "<img src=x onerror=alert(1)>"
SELECTED_CELL = '.matrix td[aria-selected="true"]'
INSPECTOR = ".st-key-pixels_inspector_image img"


@pytest.fixture(scope="module")
def run(tiny_run):
    return Run(tiny_run)


@pytest.fixture(scope="module")
def confused(run):
    """The most frequent mistake: names of the true and the predicted class, and how many images."""
    predictions = run.predictions()
    label, predicted, images = predictions.most_confused(1)[0]
    return predictions.class_names[label], predictions.class_names[predicted], int(images)


def click_view(page, name):
    link_to(page, name).click()
    await_view(page, name)


def selected_index(page):
    return page.locator(f'{TILE}[aria-selected="true"]').get_attribute("data-index")


@pytest.mark.parametrize("theme, background", [("light", "rgb(251, 250, 248)"), ("dark", "rgb(16, 20, 23)")])
def test_the_curves_have_the_colour_of_their_run_in_light_and_in_dark(page, address, theme, background):
    page.emulate_media(color_scheme=theme)
    open_address(page, address, LINES)
    assert page.locator("[data-testid=stApp]").evaluate("app => getComputedStyle(app).backgroundColor") == background
    for chart in page.locator(CURVES).all():
        assert count_of_colour(screenshot_pixels(chart), RUN_COLOURS[1]) > 20  # `tiny` is the second oldest


def test_from_the_curves_to_the_maps_of_a_mistake(page, stranger_page, address, run, confused):
    label, predicted, images = confused
    open_address(page, address, LINES)
    click_view(page, "Mistakes")
    matrix_cell(page, label, predicted).click()
    await_query(page, run="tiny", true=label, predicted=predicted)
    await_count(page.locator(TILE), images)

    tile = page.locator(TILE).last
    index = int(tile.get_attribute("data-index"))
    predictions = run.predictions()
    assert predictions.class_names[predictions.column("label")[index]] == label
    check_thumbnail(page, tile, address, run.images()[index])
    tile.click()
    page.locator(f'{INSPECTOR}[alt^="Test image {index}:"]').wait_for()
    np.testing.assert_array_equal(image_pixels(page.locator(INSPECTOR)), run.images()[index])
    assert page.locator(INSPECTOR).evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    await_query(page, image=str(index))

    click_view(page, "Layers")
    check_maps(page, run.images()[index])
    chosen = {"run": "tiny", "true": label, "predicted": predicted, "image": str(index)}
    assert path_of(page) == "/layers" and query_of(page).items() >= chosen.items()

    other = stranger_page
    open_address(other, page.evaluate("location.href"), MAP)
    await_maps(other, 3 * len(LAYERS))
    assert alternatives(other) == alternatives(page)
    np.testing.assert_array_equal(image_pixels(other.locator(INSPECTOR)), run.images()[index])

    page.go_back()
    await_view(page, "Mistakes")
    await_count(page.locator(TILE), images)
    assert selected_index(page) == str(index) and query_of(page).items() >= chosen.items()
    assert not page.dialogs


def alternatives(page):
    return [alternative(image) for image in page.locator(MAP).all()]


def alternative(image):
    return image.get_attribute("alt")


def check_thumbnail(page, tile, address, expected):
    """Loaded, on the screen, and the array's own pixels, by the browser's decoder and by ours."""
    image = tile.locator("img:not(.over)")
    np.testing.assert_array_equal(image_pixels(image), expected)
    assert len(np.unique(screenshot_pixels(image).reshape(-1, 3), axis=0)) > 16
    served = page.request.get(address + image.get_attribute("src"))
    assert served.ok and "immutable" in served.headers["cache-control"]
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(served.body()))), expected)


def check_maps(page, plain):
    """A map for each layer and target, on the screen over the input; none that has something to show is a copy of
    another, and none is the input."""
    maps = await_maps(page, 3 * len(LAYERS))
    telling = [map for map in maps if "blank" not in alternative(map)]
    drawn = [image_pixels(map, 64) for map in telling]
    enlarged = plain.repeat(2, axis=0).repeat(2, axis=1)
    for pixels in drawn:
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 16
        assert (pixels != enlarged).any(axis=2).mean() > 0.5
    assert len(telling) >= len(maps) // 2 and len({pixels.tobytes() for pixels in drawn}) == len(telling)
    assert len(np.unique(screenshot_pixels(maps[0]).reshape(-1, 3), axis=0)) > 16


def test_a_second_click_on_a_cell_and_the_back_button_undo_it(page, address, confused):
    label, predicted, _ = confused
    open_address(page, f"{address}/mistakes", TILE)
    matrix_cell(page, label, predicted).click()
    await_query(page, true=label, predicted=predicted)
    page.wait_for_selector(SELECTED_CELL, state="attached")
    matrix_cell(page, label, predicted).click()
    await_query(page, true=None, predicted=None)
    page.go_back()
    await_query(page, true=label, predicted=predicted)
    page.locator(".st-key-chip_0").wait_for()


def test_a_bar_of_the_most_confused_filters_like_its_cell(page, address, confused):
    label, predicted, images = confused
    open_address(page, f"{address}/mistakes", TILE)
    page.locator(".st-key-mistakes_pairs button").first.click()
    await_query(page, true=label, predicted=predicted)
    await_count(page.locator(TILE), images)


def test_a_similar_image_becomes_the_primary_one(page, address):
    open_address(page, f"{address}/mistakes?run=tiny&show=all&image=0", TILE)
    similar = page.locator(".st-key-panel_inspector .tile")
    await_count(similar, 4)
    index = similar.nth(1).get_attribute("data-index")
    assert index != "0"
    similar.nth(1).click()
    await_query(page, image=index)
    page.locator(f'{INSPECTOR}[alt^="Test image {index}:"]').wait_for()
    assert page.locator("[role=listbox]").nth(1).get_attribute("aria-label") == "Similar images"


def test_arrow_keys_move_in_the_gallery_and_enter_opens_layers(page, address):
    open_address(page, f"{address}/mistakes?show=all&order=test-order", TILE)
    page.locator(TILE).first.focus()
    for key, index in (("ArrowRight", "1"), ("ArrowRight", "2"), ("ArrowLeft", "1"), ("End", "23"), ("Home", "0")):
        page.keyboard.press(key)
        await_query(page, image=index)
        assert selected_index(page) == index
    page.keyboard.press("ArrowDown")
    below = selected_index(page)
    assert int(below) == 6  # columns
    page.keyboard.press("Enter")
    page.wait_for_selector(MAP)
    assert path_of(page) == "/layers" and query_of(page)["image"] == below


def test_in_the_enlarged_matrix_a_click_filters_and_closes_it(page, address, confused):
    label, predicted, images = confused
    open_address(page, f"{address}/mistakes", TILE)
    page.get_by_role("button", name="Enlarge").click()
    page.wait_for_selector(f"[role=dialog] {MATRIX}")
    assert page.locator("[role=dialog] .matrix").bounding_box()["height"] > 400
    matrix_cell(page, label, predicted, "[role=dialog]").click()
    await_query(page, true=label, predicted=predicted)
    await_count(page.locator("[role=dialog]"), 0)
    await_count(page.locator(TILE), images)


def test_the_introduction_once_dismissed_stays_away_in_that_browser(stranger_page, page, address):
    introduction = ".st-key-panel_introduction"
    open_address(stranger_page, address, introduction)
    stranger_page.get_by_role("button", name="Got it").click()
    await_count(stranger_page.locator(introduction), 0)
    open_address(stranger_page, address, LINES)
    assert stranger_page.locator(introduction).count() == 0
    open_address(page, address, introduction)


def test_a_page_has_as_many_images_as_the_window_holds(page, address):
    open_address(page, f"{address}/mistakes?show=all", TILE)
    await_count(page.locator(TILE), 24)
    page.set_viewport_size({"width": 1920, "height": 1080})
    await_text(page, "page 1 of 2")
    tiles = page.locator(TILE)
    assert tiles.count() > 24
    await_still(tiles.last)
    box = tiles.last.bounding_box()
    assert box["y"] + box["height"] < 1080 < box["y"] + 2 * box["height"] + 80
    page.set_viewport_size(VIEWPORT)
    await_count(tiles, 24)


@pytest.fixture
def mended(run, served, tmp_path):
    """The last wrong image of `tiny`, which a second run, else the same, is right about."""
    predictions = run.predictions()
    image = int(np.flatnonzero(predictions.wrong)[-1])
    edit_predicted(shutil.copytree(run.path, tmp_path / "mended"), {image: int(predictions.column("label")[image])})
    (tmp_path / "mended").rename(served / "mended")
    yield image
    shutil.rmtree(served / "mended")


def test_two_runs_are_compared_down_to_where_both_looked(page, address, run, mended):
    true, was = (run.record.class_names[run.predictions().column(name)[mended]] for name in ("label", "predicted"))
    open_address(page, f"{address}/compare?run=mended&beside=tiny", MATRIX)
    page.get_by_role("radio", name="Only ● tiny right 0").click()
    await_query(page, run="mended", compared="only-b-right")
    await_text(page, "There is no such image.")
    page.get_by_role("radio", name="Only ● mended right 1").click()
    await_query(page, run="mended", compared="only-a-right")
    page.locator(f"{TILE}[data-index='{mended}']").wait_for()
    assert page.locator(f"{TILE} .names").text_content() == f"{true}{true}| {was}"
    matrix_cell(page, true, was).click()
    await_query(page, true=true, predicted=was, compared="only-a-right")
    await_maps(page, 2)
    ours, theirs = (image_pixels(image).std() for image in page.locator(MAP).all())
    assert min(ours, theirs) > 1 and not page.dialogs


def test_hostile_names_are_text_and_run_nothing_on_any_view(page, address):
    name, target = quote(HOSTILE_NAME), quote(f"class:{HOSTILE_NAME}")
    open_address(page, f"{address}/?run={name}&true={name}&show=all&image=0&target={target}", LINES)
    for view, shows in (("Curves", LINES), ("Mistakes", TILE), ("Layers", MAP), ("Compare", "[data-testid=stAlert]")):
        if view != "Curves":
            click_view(page, view)
        page.wait_for_selector(shows, state="attached")
        await_text(page, HOSTILE_NAME)
        assert page.locator('img[src="x"]').count() == 0 and not page.dialogs
        if view == "Mistakes":  # the run's name is part of the image's address
            assert image_pixels(page.locator(f"{TILE} img").first).std() > 1


def test_an_address_with_values_that_do_not_exist_warns_in_words(page, address):
    open_address(page, f"{address}/layers?run=nowhere&true=unicorn&image=99999&layer=layer9", MAP)
    warnings = " ".join(page.locator("[data-testid=stAlert]").all_inner_texts())
    assert warnings.count("Ignored in the address") == 2
    assert all(value in warnings for value in ("nowhere", "unicorn", "99999", "layer9"))


def test_an_empty_page_says_what_to_do_and_shows_a_run_when_it_comes(page, no_runs, empty_address, run, tmp_path):
    open_address(page, empty_address, ".st-key-panel_empty")
    await_text(page, "Train the demo")
    shutil.copytree(run.path, tmp_path / "arriving")
    arrived = (tmp_path / "arriving").rename(no_runs / "arrived")
    page.wait_for_selector(LINES, state="attached")
    await_text(page, "arrived")
    shutil.rmtree(arrived)


def test_on_an_empty_page_a_button_trains_the_demo(page, tmp_path):
    with serve(LAUNCHER, tmp_path / "runs") as address:
        open_address(page, address, ".st-key-train_demo")
        page.get_by_role("button", name="Train the demo").click()
        page.wait_for_selector(".st-key-panel_runs")
        await_text(page, "demo-")
        trained = Run(next((tmp_path / "runs").iterdir()))
        assert trained.record.model == "resnet18_narrow" and trained.state == "running"
    deadline = time.monotonic() + PATIENCE / 1000
    while is_locked(trained.path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert trained.state == "interrupted"  # it ends with the server


@pytest.mark.parametrize("ci, outcome", [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_chromium_the_tests_say_what_to_install_and_fail_in_ci(monkeypatch, ci, outcome):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="sudo apt-get install chromium") as raised:
        chromium_path()
    assert str(raised.value) == TO_INSTALL
