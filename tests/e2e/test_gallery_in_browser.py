"""In a real browser: what a tile says, however long the names are."""

import pytest

from tests.e2e.browser_page import TILE, open_address
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
