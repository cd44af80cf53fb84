"""In a real browser: a click at the curves opens the mistakes of that epoch, and a strip goes on from there."""

import pytest

from sightline.run_store.run import Run
from tests.e2e.browser_page import CURVES, await_query, await_still, await_view, open_address
from tests.fabricated import LINES

STRIP = ".st-key-inspector_epochs [role=slider]"


@pytest.fixture(scope="module")
def mistakes(tiny_run):
    """How many images the trained run has wrong after each of its two epochs."""
    run = Run(tiny_run)
    history = run.history()
    return (~history.right(run.predictions().column("label"))).sum(axis=1).tolist()


def test_a_click_at_an_epoch_of_the_curves_opens_its_mistakes(page, address, mistakes):
    open_address(page, f"{address}/?run=tiny&runs=tiny", LINES)
    chart = page.locator(CURVES).first
    await_still(chart)
    box = chart.bounding_box()
    x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"]  # of two epochs, nearer to the first
    page.mouse.click(x, y)
    await_view(page, "Mistakes")
    await_query(page, run="tiny", epoch="1")
    assert page.locator(".st-key-headline strong").inner_text() == str(mistakes[0])


def test_the_strip_is_a_slider_for_mouse_and_keyboard_and_keeps_image_and_focus(page, address, mistakes):
    open_address(page, f"{address}/mistakes?run=tiny&image=5&show=all", STRIP)
    strip = page.locator(STRIP)
    assert strip.get_attribute("aria-valuenow") == "2" and strip.get_attribute("aria-valuetext").startswith("epoch 2: ")
    box = strip.bounding_box()
    page.mouse.click(box["x"] + 0.2 * box["width"], box["y"] + 5)
    await_query(page, epoch="1", image="5")
    page.locator(f"{STRIP}[aria-valuenow='1']").wait_for()
    strip.focus()
    page.keyboard.press("ArrowRight")
    await_query(page, epoch=None, image="5")
    assert page.locator(f"{STRIP}:focus").count() == 1
    page.keyboard.press("Home")
    await_query(page, epoch="1", image="5")
    page.go_back()
    await_query(page, epoch=None, image="5")
