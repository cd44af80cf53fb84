"""The proof strip in a real browser: what stands there without a click, and the brush by mouse, finger and keys."""

import re

import numpy as np
import pytest

from sightline.run_store.run import Run
from tests.e2e.browser_page import PATIENCE, READY, await_query, await_still, open_address

CANVAS = ".st-key-layers_brush canvas"
WORDS = ".proof-strip p"
PAINTED = "Covering what is painted"
SCROLLS_SIDEWAYS = (
    "() => [document.documentElement, document.querySelector('[data-testid=stMain]')]"
    ".some((part) => part.scrollWidth > part.clientWidth)"
)
CUT = """
() => [...document.querySelectorAll(".proof-strip :is(figure, p, strong, .picture, .chance i)")].filter((part) => {
  const box = part.getBoundingClientRect(), panel = part.closest(".st-key-panel_strip").getBoundingClientRect()
  return box.left < panel.left || box.right > panel.right || box.bottom > panel.bottom || box.width < 20
}).length
"""


@pytest.fixture(scope="module")
def mistake(tiny_run):
    return int(np.flatnonzero(Run(tiny_run).predictions().wrong)[0])


@pytest.fixture
def strip(page, address, mistake):
    """The view of a wrong prediction, with its strip."""
    open_address(page, f"{address}/layers?run=tiny&image={mistake}", ".proof-strip figure >> nth=3")
    return page


@pytest.fixture
def brush(strip):
    strip.get_by_role("radio", name="what I paint").click()
    strip.wait_for_selector(CANVAS)
    await_words(strip, "Paint over the image")
    return strip


def await_words(page, start):
    """Wait until the sentence begins so and the script has ended; return it."""
    page.locator(WORDS).filter(has_text=re.compile(f"^{start}")).wait_for(timeout=PATIENCE)
    page.wait_for_selector(READY)
    return page.locator(WORDS).inner_text()


def painted_pixels(page):
    """How many pixels of the picture are painted: one in each is looked at, on the canvas."""
    return page.locator(CANVAS).evaluate(
        "(canvas) => canvas.getRootNode().querySelector('.brush').mask.filter(Boolean).length"
    )


def place(page, across, down):
    box = page.locator(CANVAS).bounding_box()
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def paint(page, *places):
    first, *others = (place(page, *one) for one in places)
    page.mouse.move(*first)
    page.mouse.down()
    for other in others:
        page.mouse.move(*other, steps=5)
    page.mouse.up()


@pytest.mark.parametrize("size", [(390, 844), (820, 1180), (1280, 720), (1920, 1080)])
def test_image_map_and_both_covered_images_stand_whole_at_every_width(strip, size):
    strip.set_viewport_size({"width": size[0], "height": size[1]})
    await_still(strip.locator(".proof-strip .picture").last)
    assert strip.locator(".proof-strip .picture").count() == 4
    assert strip.locator(".proof-strip .chance").count() == 6
    assert strip.evaluate(CUT) == 0 and strip.evaluate(SCROLLS_SIDEWAYS) is False
    pictures = [one.bounding_box() for one in strip.locator(".proof-strip .picture").all()]
    assert len({round(box["y"]) for box in pictures}) == {390: 4, 820: 2}.get(size[0], 1)


def test_the_layer_is_chosen_on_the_strip_and_the_next_image_has_a_strip_of_its_own(strip):
    strip.locator(".st-key-layers_hide_layer input").click()
    strip.get_by_role("option", name="layer2", exact=True).click()
    await_query(strip, hide="layer2")
    before = await_words(strip, "Covering the tenth of the image where Grad-CAM at layer2 is hottest takes")
    strip.get_by_role("button", name="Next image").click()
    strip.locator(WORDS).filter(has_not_text=before).filter(has_text="Grad-CAM at layer2").wait_for()
    await_query(strip, hide="layer2")


def test_a_stroke_is_covered_taken_back_and_outlives_the_page(brush):
    paint(brush, (0.4, 0.4), (0.6, 0.6))
    first = await_words(brush, PAINTED)
    count = painted_pixels(brush)
    assert 20 < count < 300 and f"{100 * count / 1024:.1f} % of the image" in first
    paint(brush, (0.1, 0.8))
    brush.locator(WORDS).filter(has_not_text=first).wait_for()
    assert painted_pixels(brush) > count
    brush.get_by_role("button", name="Undo").click()
    brush.locator(WORDS).filter(has_text=first).wait_for()
    assert painted_pixels(brush) == count
    brush.get_by_role("link", name="Mistakes", exact=True).click()
    brush.wait_for_selector(".st-key-panel_set")
    brush.go_back()
    assert await_words(brush, PAINTED) == first and painted_pixels(brush) == count
    brush.get_by_role("button", name="Next image").click()
    await_words(brush, "Paint over the image")
    assert painted_pixels(brush) == 0


def test_the_brush_is_moved_and_paints_by_keys_alone(brush):
    brush.locator(CANVAS).focus()
    for key in ("ArrowLeft", "Shift+ArrowUp", "Space"):
        brush.keyboard.press(key)
    await_words(brush, PAINTED)
    count = painted_pixels(brush)
    brush.keyboard.press("ArrowRight")
    brush.keyboard.press("Space")
    brush.keyboard.press("Backspace")
    assert painted_pixels(brush) == count > 0
    brush.get_by_role("button", name="Clear", exact=True).press("Enter")
    await_words(brush, "Paint over the image")
    assert painted_pixels(brush) == 0


def test_a_finger_paints_and_does_not_scroll_the_page(browser, address, mistake):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    try:
        page = context.new_page()
        open_address(page, f"{address}/layers?run=tiny&image={mistake}", ".proof-strip figure >> nth=3")
        page.get_by_role("radio", name="what I paint").tap()
        page.locator(CANVAS).scroll_into_view_if_needed()
        touch = context.new_cdp_session(page)
        for kind, at in (("touchStart", (0.5, 0.2)), ("touchMove", (0.5, 0.8)), ("touchEnd", None)):
            points = [] if at is None else [dict(zip("xy", place(page, *at), strict=True))]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        assert "the same stroke elsewhere" in await_words(page, PAINTED)
        assert painted_pixels(page) > 60  # the whole of the way, not its ends
        assert page.evaluate(CUT) == 0 and page.evaluate(SCROLLS_SIDEWAYS) is False
    finally:
        context.close()
