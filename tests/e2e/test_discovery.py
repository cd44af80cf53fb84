"""From nothing to the discovery that the shortcut run looks at the tag, as somebody who has never seen Sightline."""

import re

import numpy as np

from sightline.image_data.planted_shapes import PATCH, SIZE
from sightline.image_data.splits import TAG
from sightline.run_store.run import Run
from tests.e2e.browser_page import TILE, await_count, await_maps, await_query, image_pixels, link_to, open_address
from tests.fabricated import LAUNCHER, serve

TRAINING = 600_000  # milliseconds that both runs may take; on two idle cores it is less than one minute
AREA = (PATCH / SIZE) ** 2  # the tag's share of a map that shows nothing
LOOKED_AT = 3  # images: the first is there at once, the others are a click each


def test_five_clicks_from_an_empty_page_to_what_the_shortcut_run_looks_at(page, tmp_path):
    with serve(LAUNCHER, tmp_path) as address:
        open_address(page, address, ".st-key-train_demo")
        page.get_by_role("button", name="Train the demo").click()  # 1
        await_count(page.locator(".st-key-runs_table .pill.complete"), 2, TRAINING)
        link_to(page, "Compare").click()  # 2
        await_maps(page, 2)
        a, b = (page.locator(".map-grid figure > b").nth(place).inner_text() for place in (0, 1))
        assert {a, b} == {"demo-honest", "demo-shortcut"}
        if a == "demo-shortcut":  # it ended last and is the run that is opened
            page.locator(".st-key-swap_runs button").click()  # 3
            await_query(page, run="demo-honest", beside="demo-shortcut")
        masks = Run(tmp_path / "demo-honest").masks()
        shares = np.array([shares_on_tag(page, masks, place) for place in range(LOOKED_AT)])
    honest, shortcut = shares.mean(axis=0)
    assert shortcut > max(1.3 * honest, 2 * AREA), shares


def shares_on_tag(page, masks, place):
    """Of the light of both maps of an image, the honest run's first, how much lies on its tag."""
    shown = page.locator(".st-key-pixels_compare_image img")
    if place:
        tile = page.locator(TILE).nth(place)
        index = tile.get_attribute("data-index")
        tile.click()  # 4, 5
        await_query(page, image=index)  # until then the maps are those of the image before
        page.locator(f'.st-key-pixels_compare_image img[alt^="Test image {index}:"]').wait_for()
    else:  # the image stays when the runs swap, and the order of the tiles does not
        index = re.match(r"Test image (\d+):", shown.get_attribute("alt"))[1]
    on_tag = masks[int(index)] == TAG
    light = [image_pixels(picture).astype(float).sum(axis=2) for picture in await_maps(page, 2)]
    return [values[on_tag].sum() / values.sum() for values in light]
