"""In a real browser: what a tile says, however long the names are, and how several images are chosen and tagged."""

import pytest

from sightline.run_store.run import Run
from sightline.run_store.tags import read_tags
from tests.e2e.browser_page import READY, TILE, await_count, await_text, open_address, query_of
from tests.fabricated import LAUNCHER, fabricate_run, serve

NAMES = ("cat", "automobile", "European fire salamander")  # the second is as wide as a tile

_IS_CUT = "(name) => name.scrollHeight > name.clientHeight + 1 || name.scrollWidth > name.clientWidth + 1"
_OVERLAP = """
(tile) => {
  const [first, second] = [...tile.querySelectorAll(".name")].map((name) => name.getBoundingClientRect())
  return Math.min(first.right, second.right) > Math.max(first.left, second.left) + 1
    && Math.min(first.bottom, second.bottom) > Math.max(first.top, second.top) + 1
}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    fabricate_run(folder / "one", 120, NAMES, wrong=slice(0, 60))
    return folder


@pytest.fixture(scope="module")
def address(browser, runs):
    with serve(LAUNCHER, runs) as url:
        yield url


@pytest.mark.parametrize("width", [390, 1280])
def test_a_tile_names_both_classes_in_full_and_says_how_sure_the_model_was(page, address, width):
    page.set_viewport_size({"width": width, "height": 844})
    open_address(page, f"{address}/mistakes", TILE)
    for tile in page.locator(TILE).all()[:6]:
        true, predicted = tile.locator(".name").all()
        assert {true.text_content(), predicted.text_content()} < set(NAMES)
        assert not any(name.evaluate(_IS_CUT) for name in (true, predicted)) and not tile.evaluate(_OVERLAP)
        assert tile.locator(".confidence").text_content().endswith(" %")


def indices(tiles):
    return [int(tile.get_attribute("data-index")) for tile in tiles.all()]


def test_images_are_chosen_by_mouse_and_keys_over_pages_and_tagged(page, address, runs):
    chosen = page.locator(f'{TILE}[aria-checked="true"]')
    open_address(page, f"{address}/mistakes?order=test-order", TILE)
    assert page.locator(".st-key-panel_set [role=listbox]").get_attribute("aria-multiselectable") == "true"
    primary = page.locator(f'{TILE}[aria-selected="true"]').get_attribute("data-index")
    page.locator(TILE).nth(2).click(modifiers=["Control"])
    page.locator(TILE).nth(4).click(modifiers=["Shift"])
    await_text(page, "3 chosen")
    assert indices(chosen) == [2, 3, 4]
    page.locator(TILE).nth(3).focus()
    page.keyboard.press("Space")
    await_text(page, "2 chosen")
    assert page.locator(f'{TILE}[aria-selected="true"]').get_attribute("data-index") == primary
    page.get_by_role("button", name="Next", exact=True).click()
    page.locator(f'{TILE}[data-index="24"]').wait_for()
    assert chosen.count() == 0
    page.locator(TILE).first.focus()
    page.keyboard.press("Shift+ArrowRight")
    await_text(page, "4 chosen")
    page.get_by_role("button", name="Tag…").click()
    page.get_by_role("combobox", name="Tag of 4 images").click()
    page.keyboard.type("blurry")
    page.get_by_role("option", name="blurry").wait_for()
    page.keyboard.press("Enter")
    await_count(page.locator(f"{TILE} .tag", has_text="blurry"), 2)
    page.wait_for_selector(READY)
    tags = read_tags(Run(runs / "one"))
    assert sorted(image for image, tag in tags.items() if tag == "blurry") == [2, 4, 24, 25]
    page.locator(TILE).first.focus()
    page.keyboard.press("Control+a")
    await_text(page, f"{2 + page.locator(TILE).count()} chosen")
    page.get_by_role("button", name="Clear").click()
    await_count(chosen, 0)
    with page.expect_download() as download:
        page.locator(TILE).nth(1).locator(".picture").hover()
        page.locator(TILE).nth(1).locator(".check").click()
        page.get_by_role("button", name="Export").click()
    lines = download.value.path().read_text().splitlines()
    assert lines[0].startswith("index,label,predicted") and [line.split(",")[0] for line in lines[1:]] == ["25"]
    assert "image" in query_of(page)


def test_on_a_phone_a_tapped_tile_opens_the_inspector_over_the_page(page, address):
    page.set_viewport_size({"width": 390, "height": 844})
    open_address(page, f"{address}/mistakes?order=test-order", TILE)
    panel, close = page.locator(".st-key-panel_inspector"), page.get_by_role("button", name="Close ✕")
    assert panel.get_attribute("role") is None and not close.is_visible()
    page.locator(TILE).nth(4).click()
    await_text(page, "Image 4")
    sheet = page.get_by_role("dialog", name="The chosen image")
    box = sheet.bounding_box()
    assert (box["x"], box["width"], box["y"] + box["height"]) == (0, 390, 844) and box["y"] < 60
    page.keyboard.press("Shift+Tab")  # the focus was on the button, and does not leave the sheet
    assert panel.evaluate("(panel) => panel.contains(document.activeElement)")
    page.get_by_role("button", name="Next image").click()
    await_text(page, "Image 5")
    close.click()
    await_count(sheet, 0)
    assert page.locator(TILE).nth(4).evaluate("(tile) => tile === tile.getRootNode().activeElement")
    page.locator(TILE).nth(4).click()
    sheet.wait_for()
    page.keyboard.press("Escape")
    await_count(sheet, 0)


def test_on_a_wide_screen_no_tile_opens_a_sheet(page, address):
    page.set_viewport_size({"width": 1280, "height": 720})
    open_address(page, f"{address}/mistakes?order=test-order", TILE)
    page.locator(TILE).nth(4).click()
    await_text(page, "Image 4")
    assert page.get_by_role("dialog").count() == 0 and not page.get_by_role("button", name="Close ✕").is_visible()


def test_the_page_goes_on_when_the_server_has_closed_what_was_open(page, address, runs):
    """What keeps it inside the window would, once it is gone, move it for ever."""
    open_address(page, f"{address}/mistakes?order=test-order", TILE)
    page.locator(TILE).first.click(modifiers=["Control"])
    page.get_by_role("button", name="Tag…").click()
    page.get_by_role("combobox", name="Tag of 1 image").click()
    page.keyboard.type("dark")
    page.get_by_role("option", name="dark").wait_for()
    page.keyboard.press("Enter")
    page.locator(f"{TILE} .tag", has_text="dark").wait_for()
    await_count(page.locator("[data-testid=stPopoverBody]"), 0)
    assert read_tags(Run(runs / "one"))[0] == "dark"
