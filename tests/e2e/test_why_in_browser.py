"""In a real browser: somebody who knows nothing of the demo finds what its shortcut run goes by, and has the proof."""

import re
import subprocess
import sys
from urllib.parse import unquote

import numpy as np
import pytest

from sightline.run_store.proofs import read_proofs, read_result
from sightline.run_store.run import Run
from sightline.training.demo import ASKED, RECIPE, TRAIN
from tests.e2e.browser_page import READY, await_count, await_view, image_pixels, open_address
from tests.fabricated import LAUNCHER, ROOT, serve

TRAINED = 15 * 60_000  # milliseconds that the two trainings of a proof may take, on a machine under load
CARD = ".st-key-panel_card_0"
CULPRITS = ".st-key-mistakes_culprits .tile img:not(.over)"
PATCH = 40  # pixels of its colour, of the 64 of a tag, so that a part of it may be hidden


@pytest.fixture(scope="module")
def runs(browser, tmp_path_factory):
    """The shortcut run of the demo, made as `make demo` makes it."""
    folder = tmp_path_factory.mktemp("demo")
    run = folder / "demo-shortcut"
    training = (TRAIN, "--dataset", "planted-shapes:shortcut", *RECIPE, "--threads", "1", "--run", run)
    for words in (training, *((module, "--run", run) for module in ASKED)):
        subprocess.run([sys.executable, "-m", *map(str, words)], cwd=ROOT, check=True, capture_output=True)
    return folder


def swatch_colour(card):
    colour = re.search(r"rgb\((\d+),(\d+),(\d+)\)", unquote(card.locator(".swatch").get_attribute("src")))
    return np.array(colour.groups(), int)


def test_three_clicks_from_the_curves_to_the_patch_the_training_images_and_the_proof(stranger_page, runs):
    page, run = stranger_page, Run(runs / "demo-shortcut")
    with serve(LAUNCHER, runs) as address:
        open_address(page, address, ".st-key-panel_introduction")
        page.get_by_role("button", name="Got it").click()
        page.wait_for_selector(CARD)
        assert "stands out" in page.locator(CARD).inner_text()
        page.locator(CARD).get_by_role("link").click()  # the first
        await_view(page, "Patterns")
        card = page.locator(".st-key-panel_pattern_1")
        colour = swatch_colour(card)
        assert np.ptp(colour) > 200  # a colour, as none of the shapes has
        page.get_by_role("button", name="Train again without them").click()  # the second
        page.get_by_role("button", name="Stop").wait_for()  # what is clicked while the page is drawn anew is lost
        page.wait_for_selector(READY)
        card.get_by_role("link", name="Show in Mistakes").click()  # the third, while it trains
        await_view(page, "Mistakes")
        await_count(page.locator(CULPRITS), 10)
        pictures = [image_pixels(picture).astype(int) for picture in page.locator(CULPRITS).all()]
        with_patch = [(np.abs(picture - colour).max(axis=2) < 32).sum() >= PATCH for picture in pictures]
        assert sum(with_patch) >= 9
        page.go_back()
        await_view(page, "Patterns")
        verdict = page.get_by_text(re.compile("^Proved: trained without these images"))
        verdict.wait_for(timeout=TRAINED)
        said = verdict.inner_text()
    (proof,) = read_proofs(run)
    result = read_result(run, proof)
    assert result.is_proved and said == result.sentence
    assert result.without.accuracy.value > result.before.accuracy.value + 0.2
    assert not page.dialogs
