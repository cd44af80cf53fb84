"""The images of a report, opened from the disk: what is shown is switched, and opens large, by mouse and keys."""

import shutil

import numpy as np
import pytest

from sightline.report.asked import ask
from sightline.report.page import make_report
from sightline.run_store.maps import MapsWriter
from sightline.run_store.run import Run
from tests.e2e.browser_page import VIEWPORT
from tests.fabricated import LAYERS

SHOWN = "section > .shown-images figure.on"
LARGE = "dialog.large-image"


@pytest.fixture(scope="module")
def report(fabricated, tmp_path_factory):
    """A report of three mistakes, with stored maps of both classes at four layers."""
    folder = tmp_path_factory.mktemp("report")
    run = Run(shutil.copytree(fabricated, folder / "run"))
    for number, layer in enumerate(LAYERS):
        for target in ("predicted", "label"):
            writer = MapsWriter(run, "gradcam", layer, target, (4, 4))
            writer.write(np.arange(12), np.random.default_rng(number).random((12, 4, 4), np.float32))
            writer.finish()
    return make_report(ask(run)).save(folder / "report.html").as_uri()


@pytest.fixture(params=[VIEWPORT, {"width": 390, "height": 800}], ids=["laptop", "phone"])
def opened(browser, report, request):
    """The page without a network, and what its images' script complains of and asks for."""
    context = browser.new_context(viewport=request.param, offline=True)
    page = context.new_page()
    page.asked, page.errors = [], []
    page.on("request", lambda one: page.asked.append(one.url) if not one.url.startswith(("file:", "data:")) else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: page.errors.append(message.text))
    page.goto(report)
    yield page
    assert page.asked == []
    assert page.errors == []
    context.close()


def layers_of(page, place=SHOWN):
    return page.eval_on_selector_all(place, "figures => figures.map(one => [one.dataset.target, one.dataset.layer])")


def choose(page, name, value):
    page.locator(f'.map-choice input[name="{name}"][value="{value}"] + span').click()


def test_target_layer_and_overlay_change_what_is_shown(opened):
    assert layers_of(opened) == [["predicted", "3"]] * 3
    choose(opened, "target", "rival")
    choose(opened, "layer", "1")
    assert layers_of(opened) == [["rival", "1"]] * 3
    opacity = f"getComputedStyle(document.querySelector('{SHOWN} img')).opacity"
    assert float(opened.evaluate(opacity)) == pytest.approx(0.6)
    choose(opened, "show", "map")
    assert float(opened.evaluate(opacity)) == 1
    choose(opened, "show", "image")
    assert opened.locator(f"{SHOWN}.input").count() == 3
    assert opened.locator(SHOWN).count() == 3


def test_an_image_lies_under_its_map_and_the_page_is_no_wider_than_the_window(opened):
    under = opened.eval_on_selector(f"{SHOWN} .picture", "one => getComputedStyle(one).backgroundImage")
    assert under.startswith('url("data:image/png;base64,')
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_image_opens_large_and_arrow_keys_lead_on(opened):
    opened.locator(f"{SHOWN} .picture").first.focus()
    opened.keyboard.press("Enter")
    title = opened.locator(f"{LARGE} h3")
    first = title.inner_text()
    assert first.split() == opened.locator(".shown-image h3").first.inner_text().split()
    assert opened.locator(f"{LARGE} .all-maps figure").count() == 8
    opened.keyboard.press("ArrowRight")
    assert title.inner_text() != first
    opened.keyboard.press("ArrowUp")
    assert layers_of(opened, f"{LARGE} .large .map") == [["predicted", "2"]]
    opened.locator(f"{LARGE} .all-maps .picture").nth(5).click()
    assert layers_of(opened, f"{LARGE} .large .map") == [["rival", "1"]]
    opened.locator(f"{LARGE} .large .picture").first.click()  # whatever had the focus is drawn anew, or can have none
    opened.keyboard.press("ArrowRight")
    opened.get_by_role("button", name="‹ Previous").click()
    opened.get_by_role("button", name="Next ›").click()
    opened.keyboard.press("Home")
    assert title.inner_text() == first
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("Escape")
    assert opened.locator(LARGE).is_hidden()
    assert layers_of(opened) == [["rival", "1"]] * 3
    assert opened.evaluate("document.activeElement.closest('.shown-image h3, .shown-image') === "
                           "document.querySelectorAll('.shown-image')[1]")  # fmt: skip


def test_on_paper_all_maps_of_an_image_are_there(opened):
    opened.emulate_media(media="print")
    seen = opened.eval_on_selector_all(
        "section > .shown-images figure", "figures => figures.filter(one => one.offsetWidth > 0).length"
    )
    assert seen == 3 * 9
    assert opened.locator(".map-choice").is_hidden()
