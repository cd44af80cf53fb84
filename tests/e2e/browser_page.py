"""What the browser tests read from a page, and how they wait: for what is to be seen, never for a clock."""

import io
import os
import shutil
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

READY = "[data-testid=stApp][data-test-connection-state=CONNECTED][data-test-script-state=notRunning]"
VIEWPORT = {"width": 1280, "height": 720}
PATIENCE = 60_000  # milliseconds, for a machine under load
CHART = "[data-testid=stVegaLiteChart]"
MATRIX = ".matrix tr.cells"
CURVES = ".st-key-curves_charts .chart svg"
LISTENS = ".st-key-page_keys_place button.present[aria-pressed]"  # its script has run
MAP = ".map-grid img"
MAPS_LISTEN = ".large[data-listens]"
TRUST_ROW = "[class*='st-key-trust_chart'] .mark-symbol path"  # a kind of map, and a ring around the chosen one
TILE = ".st-key-panel_set .tile"  # of the set, not of the similar images
TOO_MANY = 120  # Tab keys
TO_INSTALL = "The browser tests need Chromium; on Debian or Ubuntu: sudo apt-get install chromium"

_CANVAS = """
async (image, side) => {
  // decode() would fail where the page gives the image another address meanwhile.
  for (let looks = 0; !(image.complete && image.naturalWidth); looks++) {
    if (looks === 600) throw new Error(`${image.src} was not loaded`)
    await new Promise((done) => setTimeout(done, 100))
  }
  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = side
  const context = canvas.getContext("2d")
  context.imageSmoothingEnabled = false
  context.drawImage(image, 0, 0, side, side)
  return Array.from(context.getImageData(0, 0, side, side).data)
}
"""
_STILL = """
async (element) => {
  const pause = () => new Promise((done) => setTimeout(done, 110))
  let seen = [], last
  while (seen.length < 4) {
    const box = element.getBoundingClientRect()
    last = [box.x + box.width / 2, box.y + box.height / 2]
    seen = seen.length && seen[0].join() !== last.join() ? [] : [...seen, last]
    await pause()
  }
  return last
}
"""
_IS_MARKED = """
view => [...document.querySelectorAll(".st-key-nav a")].some(
  (link) => link.innerText === view && !getComputedStyle(link).borderBottomColor.endsWith(", 0)"))
"""
_HAS_QUERY = """
wanted => {
  const query = new URLSearchParams(location.search)
  return Object.entries(wanted).every(([key, value]) => query.get(key) === value)
}
"""
_FOCUSED = """
() => {
  let element = document.activeElement
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement
  if (!element || element === document.body) return null
  const key = (node) => [...(node.classList ?? [])].find((name) => name.startsWith("st-key-"))
  let keyed = element
  while (keyed && !key(keyed)) keyed = keyed.parentElement ?? keyed.getRootNode().host
  const name = element.getAttribute("aria-label") || element.innerText || element.title || ""
  const drawn = element.tagName === "INPUT" ? element.closest("label, [role=group]") ?? element : element
  const { left, top, right, bottom } = drawn.getBoundingClientRect()
  const own = element.getBoundingClientRect().top
  return { key: keyed ? key(keyed).slice(7) : "", name, own, box: [left, top, right, bottom] }
}
"""


def chromium_path():
    """Skips the test where there is no Chromium; in CI, a missing browser is a failure."""
    path = shutil.which("chromium")
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(TO_INSTALL)
    if path is None:
        pytest.skip(TO_INSTALL)
    return path


def prepared(page):
    """A new page, patient; `page.dialogs` collects what alert() says."""
    page.set_default_timeout(PATIENCE)
    page.dialogs = []
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
    return page


def open_address(page, address, shows):
    """Go there and wait until the script has ended, `shows` is in the page, and keys are listened to."""
    page.goto(address)
    page.wait_for_selector(shows, state="attached")
    page.wait_for_selector(READY)
    page.wait_for_selector(LISTENS, state="attached")
    return page


def link_to(page, view):
    """The link in the header."""
    return page.locator(".st-key-nav a").filter(has_text=view)


def await_view(page, view):
    """Wait until the header marks this view as the one that is shown."""
    page.wait_for_function(_IS_MARKED, arg=view)
    page.wait_for_selector(READY)


def await_query(page, **wanted):
    """Wait until the address has these values; None: no such key."""
    page.wait_for_function(_HAS_QUERY, arg=wanted)
    page.wait_for_selector(READY)


def await_count(found, number, patience=PATIENCE):
    from playwright.sync_api import expect

    expect(found).to_have_count(number, timeout=patience)


def await_maps(page, number):
    """Every map of the grid, once they are decoded and answer keys."""
    page.wait_for_function(
        "([maps, number]) => { const found = [...document.querySelectorAll(maps)];"
        "return found.length === number && found.every((image) => image.complete && image.naturalWidth > 0) }",
        arg=[MAP, number],
    )
    page.wait_for_selector(MAPS_LISTEN, state="attached")
    return page.locator(MAP).all()


def await_text(page, text):
    """Wait until it can be seen."""
    page.get_by_text(text).filter(visible=True).first.wait_for()


def matrix_cell(page, label, predicted, within=""):
    """The cell of the confusion matrix, by the names of both classes."""
    names = page.locator(f"{within} .matrix tr.cells th").all_inner_texts()
    row = page.locator(f"{within} .matrix tr.cells").nth(names.index(label))
    return row.locator("td").nth(names.index(predicted))


def await_still(element):
    """Where the middle of the element is, once a third of a second did not move it: a chart is laid out twice."""
    return element.evaluate(_STILL)


def focused(page):
    """What has the focus: `key` of its widget, its `name`, its top `own`, and the `box` that is drawn, of four sides.

    None where nothing has it.
    """
    return page.evaluate(_FOCUSED)


def tab_to(page, key, name=""):
    """Press Tab until the focus is on what has this key, and a name that begins so."""
    stops = []
    for _ in range(TOO_MANY):
        page.keyboard.press("Tab")
        stops.append(focused(page) or {"key": "", "name": ""})
        if stops[-1]["key"] == key and stops[-1]["name"].startswith(name):
            return
    raise AssertionError(f"After {TOO_MANY} stops the Tab key has not reached {key} {name}: {stops}")


def query_of(page):
    return {
        key: value[0] if len(value) == 1 else value
        for key, value in parse_qs(urlsplit(page.evaluate("location.href")).query).items()
    }


def path_of(page):
    return page.evaluate("location.pathname")


def image_pixels(image, side=32):
    """Of an <img> that the browser has decoded, uint8 side×side×3: exact where it is a whole multiple of that."""
    values = image.evaluate(f"(image) => ({_CANVAS})(image, {side})")
    return np.array(values, np.uint8).reshape(side, side, 4)[..., :3]


def screenshot_pixels(element):
    """What is really on the screen, int H×W×3."""
    return pixels_of(element.screenshot())


def pixels_of(picture):
    """The bytes of a PNG as int H×W×3."""
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def count_of_colour(pixels, colour, tolerance=24):
    """How many pixels have the colour "#rrggbb", or nearly."""
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return int((np.abs(pixels - wanted).max(axis=2) <= tolerance).sum())
