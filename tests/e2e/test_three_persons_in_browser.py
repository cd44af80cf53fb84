"""The ways of a student, an engineer and a teacher through the views, at the widths they have; and one by keys alone.

At every stop the page is whole: see `check_whole`.
"""

import io

import pandas as pd
import pytest
from PIL import Image

from tests.app_pages import edit_predicted
from tests.e2e.browser_page import (
    MAP,
    READY,
    TILE,
    await_count,
    await_maps,
    await_query,
    await_text,
    await_view,
    link_to,
    matrix_cell,
    open_address,
    prepared,
    query_of,
    tab_to,
)
from tests.e2e.test_discovery import TRAINING
from tests.fabricated import CLASSES, LAUNCHER, LAYERS, LINES, fabricate_run, serve

SIZES = {"phone": (390, 844), "tablet": (820, 1180), "laptop": (1280, 720), "desk": (1920, 1080)}
TOUCHED = ("phone", "tablet")
A, B = "honest", "shortcut-resnet18-narrow"
NAMES = (*CLASSES[:-1], "European fire salamander")
IMAGES = 60  # A is wrong about 0, 10, … planes taken for cars, and 5, 15, … dogs taken for frogs
PLANES = ("0", "10", "20", "30", "40", "50")
MENDED = {5: 5, 15: 5, 25: 5}  # image → its class, which B predicts
SPOILT = {1: 2, 2: 3, 3: 4, 4: 6}  # image → another class, which B predicts
LARGE = "dialog.map-large"
STRIP = ".proof-strip figure >> nth=3"

# What of the page's text is cut or written vertically. What may be scrolled to, or ends in an ellipsis, is not cut.
_FAULTS = """
(width) => {
  const parentOf = (node) => node.parentElement ?? node.getRootNode().host
  const main = document.querySelector("[data-testid=stMain]") // scrolls down, but not while a sheet lies over it
  const faults = []
  const look = (text, element) => {
    const words = text.data.trim()
    if (!words || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return
    const range = document.createRange()
    range.selectNodeContents(text)
    let box = range.getBoundingClientRect()
    const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size
    const type = parseFloat(getComputedStyle(element).fontSize) * element.currentCSSZoom
    if (box.width < 1 || box.height < 1) return
    const wrong = []
    if (lines > 3 && box.width < 1.2 * type) wrong.push("vertical")
    let [across, down] = [true, true]
    for (let at = element; at && (across || down); at = parentOf(at)) {
      const style = getComputedStyle(at), place = at.getBoundingClientRect()
      const hides = (overflow) => ["hidden", "clip"].includes(overflow)
      const scrolls = (overflow) => ["auto", "scroll"].includes(overflow)
      if (hides(style.overflowX) && (place.width <= 2 || place.height <= 2)) return // for screen readers
      if (style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none") {
        if (place.width < Math.min(2 * type, box.width)) wrong.push("hardly more than an ellipsis")
        box = place
      }
      if (across && hides(style.overflowX) && (box.left < place.left - 2 || box.right > place.right + 2))
        wrong.push("cut at a side")
      if (down && at !== main && hides(style.overflowY) && (box.top < place.top - 3 || box.bottom > place.bottom + 3))
        wrong.push("cut above or below")
      across &&= at === main || !scrolls(style.overflowX)
      down &&= at !== main && !scrolls(style.overflowY)
      if (style.position === "fixed") break
    }
    if (across && (box.left < -1 || box.right > width + 1)) wrong.push("beyond the window")
    if (wrong.length) {
      let keyed = element
      while (keyed && !/st-key-/.test(keyed.className)) keyed = parentOf(keyed)
      const key = keyed ? /st-key-\\S+/.exec(keyed.className)[0] : ""
      const ends = [box.left, box.right].map(Math.round)
      faults.push(`${key}: “${words.slice(0, 60)}” at ${ends} is ${wrong.join(", ")}`)
    }
  }
  const walk = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.shadowRoot) walk(element.shadowRoot)
      if (element.matches("style, script, title, noscript, option")) continue
      for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) look(node, element)
    }
  }
  walk(document.body)
  if (document.documentElement.scrollWidth > width || main.scrollWidth > main.clientWidth)
    faults.push(`the page scrolls sideways: ${document.documentElement.scrollWidth}, ${main.scrollWidth}`)
  for (const name of ["shell_run", "shell_second"]) {
    const { left, right, top } = document.querySelector(`.st-key-${name} input`).getBoundingClientRect()
    if (left < 0 || right > width || right - left < 80 || (!main.scrollTop && top < 0))
      faults.push(`${name} is not whole in the window: ${[left, right, top]}`)
  }
  return faults
}
"""


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    """Of a server of two runs on the same test split: B is right about `MENDED` alone, A about `SPOILT`."""
    runs = tmp_path_factory.mktemp("persons")
    for name in (A, B):
        fabricate_run(runs / name, IMAGES, NAMES, with_model=True)
    edit_predicted(runs / B, MENDED | SPOILT)
    with serve(LAUNCHER, runs) as url:
        yield url


@pytest.fixture(params=SIZES)
def contexts(browser, request):
    """A function that returns a context of a visitor of its own, whose window has the size of the device."""
    width, height = SIZES[request.param]
    touch = request.param in TOUCHED
    made = []

    def make():
        options = {"viewport": {"width": width, "height": height}, "has_touch": touch, "is_mobile": touch}
        made.append(browser.new_context(**options, color_scheme="light", reduced_motion="reduce"))
        return made[-1]

    yield make
    for context in made:
        context.close()


@pytest.fixture
def page(contexts):
    return new_page(contexts)


def new_page(contexts):
    page = prepared(contexts().new_page())
    page.touched = page.evaluate("navigator.maxTouchPoints > 0")
    return page


def press(page, element, **at):
    """By finger or mouse, whatever the person has."""
    (element.tap if page.touched else element.click)(**at)


def check_whole(page):
    """Nothing scrolls sideways, both runs are in the window, and no text is cut or written vertically."""
    page.wait_for_selector(READY)
    for name in ("shell_run", "shell_second"):  # which a page that is drawn anew takes away for a moment
        page.wait_for_selector(f".st-key-{name} input", state="attached")
    assert page.evaluate(_FAULTS, page.viewport_size["width"]) == [], page.url


def follow(page, view):
    press(page, link_to(page, view))
    await_view(page, view)


def shown(page):
    """The images of the set."""
    return [tile.get_attribute("data-index") for tile in page.locator(TILE).all()]


def press_tile(page, index):
    """Choose an image, which a phone then shows over the page."""
    press(page, page.locator(f"{TILE}[data-index='{index}']"))
    await_query(page, image=index)
    await_count(page.get_by_role("dialog", name="The chosen image"), int(page.viewport_size["width"] < 640))
    check_whole(page)


def open_layers(page, maps):
    press(page, page.get_by_role("link", name="Open Layers"))
    await_view(page, "Layers")
    await_maps(page, maps)
    page.wait_for_selector(STRIP)
    check_whole(page)


def go_back_to(page, view, images, index):
    page.go_back()
    await_view(page, view)
    await_count(page.locator(TILE), len(images))
    assert shown(page) == images and query_of(page)["image"] == index
    assert page.locator(f"{TILE}[aria-selected=true]").get_attribute("data-index") == index
    check_whole(page)


def test_a_student_comes_from_a_curve_to_a_large_map_and_back_to_the_set(page, address):
    open_address(page, address, LINES)
    check_whole(page)
    press(page, page.locator(f".st-key-runs_table [data-does=choose][data-run={A}]"))
    await_query(page, run=A)
    follow(page, "Mistakes")
    page.wait_for_selector(TILE)
    check_whole(page)
    press(page, matrix_cell(page, "plane", "car"))
    await_query(page, true="plane", predicted="car")
    await_count(page.locator(TILE), len(PLANES))
    check_whole(page)
    images = shown(page)
    assert sorted(images) == sorted(PLANES)
    press_tile(page, images[2])
    open_layers(page, 3 * len(LAYERS))
    press(page, page.locator(".map-grid button.picture").first)
    page.locator(LARGE).wait_for()
    check_whole(page)
    if page.touched:
        press(page, page.locator(LARGE).get_by_role("button", name="Close"))
    else:
        page.keyboard.press("Escape")
    await_count(page.locator(LARGE), 0)
    go_back_to(page, "Mistakes", images, images[2])


def test_an_engineer_pins_a_second_run_and_comes_from_what_it_mended_to_the_maps_of_both(page, address):
    open_address(page, f"{address}/mistakes?run={A}", TILE)
    chosen = page.locator(".st-key-inspector_title p").first.inner_text()
    beside_middle = {"x": 12, "y": 12}  # a tap at the very middle is taken for one of a screen reader, and toggles
    press(page, page.get_by_role("combobox", name="Second run"), position=beside_middle)
    press(page, page.get_by_role("option", name=B))
    await_query(page, run=A, beside=B)
    assert page.locator(".st-key-inspector_title p").first.inner_text() == chosen
    check_whole(page)
    follow(page, "Compare")
    first, second = (page.locator(f".st-key-shell_{name} input") for name in ("run", "second"))
    assert (first.input_value(), second.input_value()) == (A, B)
    assert first.bounding_box()["x"] < second.bounding_box()["x"]
    check_whole(page)
    press(page, page.get_by_role("radio", name=f"Only ● {B} right {len(MENDED)}"))
    await_query(page, compared="only-b-right")
    await_count(page.locator(TILE), len(MENDED))
    check_whole(page)
    images = shown(page)
    assert sorted(map(int, images)) == sorted(MENDED)
    press_tile(page, images[1])
    assert [name.strip() for name in page.locator(".map-grid figure > b").all_inner_texts()] == [A, B]
    open_layers(page, 3 * 2 * len(LAYERS))
    rows = page.locator(".map-grid .row .whose").all_inner_texts()
    assert len(rows) >= 4 and rows == [A, B] * (len(rows) // 2)
    go_back_to(page, "Compare", images, images[1])
    with page.expect_download() as download:
        press(page, page.locator(".st-key-compare_csv button"))
    table = pd.read_csv(io.BytesIO(download.value.path().read_bytes()), index_col="index")
    assert sorted(table.index) == sorted(MENDED)
    assert set(table[f"predicted ({A})"]) == {"frog"} and set(table[f"predicted ({B})"]) == {"dog"}


def test_a_teacher_presents_images_one_by_one_and_hands_the_address_on(page, contexts, address):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_address(page, f"{address}/layers?run={A}&true=plane&predicted=car&order=test-order", STRIP)
    check_whole(page)
    if page.touched:
        press(page, page.get_by_role("button", name="Present"))
    else:
        page.keyboard.press("p")
    await_query(page, present="on")
    check_whole(page)
    for index in PLANES[1:3]:
        if page.touched:
            press(page, page.get_by_role("button", name="Next image"))
        else:
            page.keyboard.press("ArrowRight")
        await_query(page, image=index)
    await_text(page, f"Image {PLANES[2]}")
    seen = what_is_seen(page)
    assert seen["figures"] and all(text.endswith("%") for text in seen["figures"])
    check_whole(page)
    press(page, page.get_by_role("button", name="Copy link"))
    page.get_by_text("Link copied").wait_for()
    stranger = new_page(contexts)
    open_address(stranger, page.evaluate("navigator.clipboard.readText()"), STRIP)
    await_query(stranger, present="on")
    assert what_is_seen(stranger) == seen
    check_whole(stranger)
    if page.touched:
        press(page, page.get_by_role("button", name="Leave the presentation"))
    else:
        page.keyboard.press("Escape")
    await_query(page, present=None, image=PLANES[2])
    check_whole(page)


def what_is_seen(page):
    """Of Layers: the image, its maps, and the figures of the proof strip."""
    await_maps(page, 3 * len(LAYERS))
    page.wait_for_selector(STRIP)
    page.wait_for_selector(READY)
    return {
        "image": page.locator(".st-key-inspector_title p").first.inner_text(),
        "maps": [image.get_attribute("alt") for image in page.locator(MAP).all()],
        "words": page.locator(".proof-strip p").all_inner_texts(),
        "figures": page.locator(".proof-strip .chance strong").all_inner_texts(),
    }


@pytest.mark.parametrize("contexts", ["laptop"], indirect=True)
def test_what_is_not_whole_is_found(page, address):
    open_address(page, f"{address}/mistakes?run={A}", TILE)
    check_whole(page)
    faults = """
      <p style="width: 8px; overflow-wrap: anywhere">down</p>
      <p style="width: 90px; overflow: hidden; white-space: nowrap">a sentence that is cut in the middle of it</p>
      <p style="height: 9px; overflow: hidden">a line of which the upper half is seen</p>
      <p style="width: 90px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap">so it may end, as meant</p>
      <p style="width: 9px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap">but not with nothing</p>
      <p style="width: 1500px">wide</p>
    """
    page.locator(".st-key-panel_set").evaluate(
        "(panel, faults) => panel.insertAdjacentHTML('beforeend', faults)", faults
    )
    found = page.evaluate(_FAULTS, page.viewport_size["width"])
    wanted = ("vertical", "cut at a side", "cut above or below", "hardly more than an ellipsis", "scrolls sideways")
    assert len(found) == len(wanted) and all(words in fault for words, fault in zip(wanted, found, strict=True)), found


@pytest.mark.parametrize("contexts", ["laptop"], indirect=True)
def test_from_an_empty_page_to_a_saved_map_by_keys_alone(page, tmp_path):
    with serve(LAUNCHER, tmp_path) as address:
        open_address(page, address, ".st-key-train_demo")
        tab_to(page, "train_demo")
        page.keyboard.press("Enter")
        await_count(page.locator(".st-key-runs_table .pill.complete"), 2, TRAINING)
        tab_to(page, "nav", "Mistakes")
        page.keyboard.press("Enter")
        await_view(page, "Mistakes")
        page.wait_for_selector(TILE)
        tab_to(page, "mistakes_gallery")
        images = shown(page)
        page.keyboard.press("ArrowRight")
        await_query(page, image=images[1])
        page.keyboard.press("Enter")
        await_view(page, "Layers")
        await_maps(page, 3 * len(LAYERS))
        page.wait_for_selector(".st-key-layers_download-png button")
        tab_to(page, "layers_download-png")
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        content = download.value.path().read_bytes()
    assert download.value.suggested_filename.endswith(".png")
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "PNG" and len(picture.convert("RGB").getcolors(2**24)) > 100
