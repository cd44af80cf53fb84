"""In a real browser, light and dark: axe finds nothing serious that is ours, and the Tab key reaches all there is."""

import re
import shutil
from dataclasses import replace
from itertools import cycle
from typing import NamedTuple

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from sightline.run_store import files
from sightline.run_store.proofs import Proof, rows_hash, write_proofs
from sightline.run_store.quality import QualityRow, write_quality
from sightline.run_store.run import Run
from tests.app.culprits.test_culprits import write as write_culprits
from tests.app_pages import edit_record
from tests.e2e.browser_page import MAP, READY, TILE, TOO_MANY, TRUST_ROW, focused, open_address, pixels_of, prepared
from tests.fabricated import LAUNCHER, LINES, MARKDOWN, fabricate_run, serve, speak_against
from tests.histories import keep_history
from tests.written_patterns import FIRST, HARD, write, write_maps

IMAGES = 60  # of ten classes; 0, 5, 10 … are wrong
TALL = {"width": 1280, "height": 1600}  # nothing has to be scrolled to, so that two screenshots can be compared
PHONE = {"width": 390, "height": 844}
THEMES = ("light", "dark")
SERIOUS = ("serious", "critical")
AT_REST = "document.getAnimations().every((animation) => animation.playState !== 'running')"
RING = 80  # pixels that change when the focus comes, at least; a slider's ring is the smallest


class View(NamedTuple):
    address: str
    shows: str  # a selector, there once it is drawn
    opens: str = ""  # a selector: what is clicked before axe looks


VIEWS = {
    "curves": View("/?run=two", LINES),
    "the tour": View("/?run=two", LINES, "button:has-text('Take the tour')"),
    "the settings of curves": View("/?run=two&chart=gap&smoothing=40", LINES, "button:has-text('Lines')"),
    "the runs in curves": View("/?run=two", LINES, "button:has-text('3 of 3 runs')"),
    "the menu of a run": View("/?run=two", LINES, ".st-key-runs_table [data-run=one] [data-does=menu]"),
    "mistakes": View("/mistakes?run=two", TILE),
    "the enlarged matrix": View("/mistakes?run=two", TILE, "[aria-label='Enlarge']"),
    "mistakes of a filter with a map": View("/mistakes?run=two&true=dog&show=all&map=shown", MAP),
    "the classes in mistakes": View("/mistakes?run=two", TILE, "button:has-text('By class')"),
    "the filters of mistakes": View("/mistakes?run=two", TILE, "button:has-text('Filter')"),
    "mistakes after an epoch": View("/mistakes?run=two&epoch=1", TILE),
    "no image in mistakes": View("/mistakes?run=two&true=cat&predicted=cat", ".st-key-chip_1"),
    "presented mistakes": View("/mistakes?run=two&beside=one&present=on", TILE),
    "the keys": View("/mistakes?run=two", TILE, "button[aria-label=Keys]"),
    "an address with stale values": View("/mistakes?run=gone&image=9999", "[data-testid=stAlert]"),
    "layers": View("/layers?run=two&image=0", MAP),
    "a map that is opened large": View("/layers?run=two&image=0", MAP, ".map-grid button.picture"),
    "the appearance of maps": View("/layers?run=two&image=0", MAP, ".st-key-layers_appearance summary"),
    "layers after an epoch": View("/layers?run=two&image=0&epoch=1", MAP),
    "layers after an epoch without weights": View("/layers?run=two&image=0&epoch=2", "[data-testid=stAlert]"),
    "training images in mistakes": View("/mistakes?run=one&image=0&culprit=3", ".map-pair"),
    "training images behind mistakes": View("/mistakes?run=one&behind=set", ".st-key-mistakes_ringleaders .tile"),
    "training images in layers": View("/layers?run=one&image=0&culprit=3", ".map-pair"),
    "layers of two runs": View("/layers?run=two&beside=one&image=0", MAP),
    "layers of all classes": View("/layers?run=two&image=0&hide=layer4&classes=all", ".map-classes"),
    "a brush in layers": View("/layers?run=two&image=0", MAP, "button:has-text('what I paint')"),
    "the choice of layers": View("/layers?run=two&image=0", MAP, ".st-key-layers_popover button"),
    "patterns": View("/patterns?run=one", ".st-key-panel_pattern_2"),
    "patterns that nobody looked for": View("/patterns?run=two", ".st-key-patterns_find_button button"),
    "trust": View("/trust?run=one", TRUST_ROW),
    "trust of two runs": View("/trust?run=one&beside=three", TRUST_ROW),
    "the rule in trust": View("/trust?run=one", TRUST_ROW, "button:has-text('The rule')"),
    "provisional figures": View("/trust?run=three", TRUST_ROW),
    "trust without figures": View("/trust?run=two", ".st-key-trust_measure_button button"),
    "compare": View("/compare?run=two&beside=one&compared=both-wrong", MAP),
    "no image in compare": View("/compare?run=two&beside=one&compared=only-a-right", "[data-testid=stAlert]"),
}  # fmt: skip


@pytest.fixture(scope="module")
def contexts(browser):
    """Of each theme one, whose pages are drawn in it, without the time that a transition takes."""
    settings = {"viewport": TALL, "reduced_motion": "reduce"}
    contexts = {theme: browser.new_context(color_scheme=theme, **settings) for theme in THEMES}
    yield contexts
    for context in contexts.values():
        context.close()


@pytest.fixture
def theme():
    """Of `page`, where a test is not parametrised with one."""
    return "light"


@pytest.fixture
def page(contexts, theme):
    page = prepared(contexts[theme].new_page())
    yield page
    page.close()


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    """Of a server with three runs on the same test split, which predict the same.

    Of the second, a history and the weights of an epoch were kept; the last one is being measured.
    """
    runs = tmp_path_factory.mktemp("alike")
    for name in ("one", "two", "three"):
        fabricate_run(runs / name, IMAGES, with_model=True)
        speak_against(runs / name, *range(10))  # so that maps have a badge
    figures = (("random", "input", 0.0, True), ("gradcam", "layer1", 0.1, False), ("gradcam", "layer4", 0.4, False))
    rows = [
        QualityRow(method, layer, "road_gap", gap, gap - 0.02, gap + 0.02, IMAGES, control, IMAGES, (7, 8), (3,))
        for method, layer, gap, control in figures
    ]
    write_quality(Run(runs / "one"), rows)
    edit_record(runs / "one", dataset="planted-shapes")  # which a page may train on
    write(Run(runs / "one"), FIRST, HARD)
    write_maps(Run(runs / "one"))
    proof = Proof("pattern 1", (1,), "lists/1.csv", 5, "two", "three", "a" * 64, rows_hash(Run(runs / "one")))
    write_proofs(Run(runs / "one"), [proof])
    codes = np.random.default_rng(0).integers(0, 10, (3, IMAGES))
    keep_history(runs / "two", codes, np.full((3, IMAGES), 0.5), epochs=(1, 2, 3))
    (runs / "two" / files.EPOCHS).mkdir()
    shutil.copy(runs / "two" / files.MODEL, runs / "two" / files.epoch_weights(1))
    write_culprits(Run(runs / "one"))
    write_quality(Run(runs / "three"), [replace(row, final=False, images=500) for row in rows])
    with serve(LAUNCHER, runs) as url:
        yield url


@pytest.fixture(scope="module")
def unavoidable(contexts, tmp_path_factory):
    """Theme → what axe finds on a page of Streamlit that says only “hello”."""
    folder, found = tmp_path_factory.mktemp("bare"), {}
    (folder / "bare.py").write_text('import streamlit as st\n\nst.write("hello")\n')
    with serve(folder / "bare.py", folder) as url:
        for theme, context in contexts.items():
            page = prepared(context.new_page())
            page.goto(url)
            page.wait_for_selector(MARKDOWN)
            page.wait_for_selector(READY)
            found[theme] = findings(page)
            page.close()
    return found


def findings(page):
    """Rule and element of what axe calls serious or critical. The class names that Streamlit makes up are left out."""
    page.wait_for_function(AT_REST)
    return {
        (violation["id"], re.sub(r' class="[^"]*"', "", node["html"]), node["failureSummary"].replace("\n", " "))
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    }


def show(page, address, view):
    open_address(page, address + view.address, view.shows)
    if view.opens:
        page.locator(view.opens).first.click()
        page.wait_for_selector(READY)
    page.wait_for_function(AT_REST)


# Neighbours in VIEWS are one page, with something open or chosen: in turns, each page is seen in both themes.
@pytest.mark.parametrize(("name", "theme"), [*zip(VIEWS, cycle(THEMES), strict=False)])
def test_axe_finds_nothing_serious_that_an_empty_page_of_streamlit_does_not_have(
    page, address, unavoidable, name, theme
):
    show(page, address, VIEWS[name])
    assert findings(page) - unavoidable[theme] == set()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    "name", ["curves", "mistakes", "layers of two runs", "patterns", "trust of two runs", "compare"]
)
def test_axe_finds_nothing_serious_on_a_phone(page, address, unavoidable, name, theme):
    page.set_viewport_size(PHONE)
    show(page, address, VIEWS[name])
    assert findings(page) - unavoidable[theme] == set()


@pytest.mark.parametrize("theme", THEMES)
def test_axe_finds_nothing_serious_on_the_page_without_runs(page, empty_address, unavoidable, theme):
    open_address(page, empty_address, ".st-key-train_demo button")
    assert findings(page) - unavoidable[theme] == set()


def test_axe_is_asked_what_it_can_find(page, address):
    """Else a rule that is never run would look like a page without findings."""
    open_address(page, f"{address}/mistakes?run=two", TILE)
    faults = '<p style="color:#bbb;background:#ccc">faint</p><img src="data:,">'
    page.locator(".st-key-panel_set").evaluate(
        "(panel, faults) => panel.insertAdjacentHTML('beforeend', faults)", faults
    )
    assert {rule for rule, *_ in findings(page)} == {"color-contrast", "image-alt"}


# Widget keys and beginnings of names, in the order of the Tab key.
HEADER = [
    ("nav", "Curves"),
    ("nav", "Mistakes"),
    ("nav", "Layers"),
    ("nav", "Patterns"),
    ("nav", "Trust"),
    ("nav", "Compare"),
]
PICKERS = [
    ("shell_run", "Run"), ("shell_second", "Second run"),
    ("page_keys", "Copy link"), ("page_keys", "Report"), ("page_keys", "Present"), ("page_keys", "Keys"),
]  # fmt: skip
REACHED = {
    "curves": [
        *PICKERS, ("introduction", "Take the tour"), ("introduction", "Got it"),
        ("curves_quantities", "loss"), ("curves_lines", "tune"), ("curves_files", "download"),
        ("curves_runs", "checklist"), ("curves_charts", "three"), ("curves_charts", "Train and test loss"),
        ("curves_charts", "Train and test accuracy"), ("training_new", "add"), ("runs_table", "run"),
        ("runs_table", "More about"),
    ],
    "mistakes of a filter with a map": [
        *PICKERS, ("mistakes_matrix", "Enlarge"), ("mistakes_matrix", ""), ("mistakes_matrix", "plane taken for car"),
        ("mistakes_table", "Most confused"), ("mistakes_pairs", ""), ("mistakes_order", "Order"),
        ("mistakes_csv", ""), ("mistakes_outcome", ""), ("chip_0", "true: dog"), ("filter_form", "filter_alt"),
        ("mistakes_gallery", ""), ("inspector_step_1", ""), ("panel_inspector", ""),
        ("mistakes_map", "Where it looked"), ("inspector_epochs", "What it was taken for"),
        ("panel_inspector", "Where did it look?"), ("mistakes_similar", ""),
    ],
    "layers": [
        *PICKERS, ("layers_cover", "hottest tenth"), ("layers_hide_layer", "Layer of the map"),
        ("inspector_step_1", ""), ("inspector_epochs", "What it was taken for"), ("layers_file_0", ""),
        ("layers_epoch", "Weights after epoch"),
        ("panel_grid", "– not measured"), ("panel_grid", ""), ("panel_grid", "blank"),
        ("layers_all_classes", "All classes"), ("layers_download-png", ""), ("layers_download-npz", ""),
        ("layers_method", "Method"), ("layers_popover", "4 shown"), ("layers_targets", "Classes"),
        ("layers_appearance", "keyboard_arrow_right"),
        ("layers_measure_images", "Test images"), ("layers_measure_button", "straighten"),
        ("layers_measure_start", "terminal"),
    ],
    "patterns": [
        *PICKERS, ("patterns_left_out_1", "1 car"), ("patterns_prove_button", ""), ("patterns_proof_0_head", "Compare"),
        ("patterns_proof_0_head", "Their curves"), ("pattern_head_1", "Show in Mistakes"), ("patterns_mistakes_1", ""),
        ("pattern_head_2", "Show in Mistakes"), ("patterns_find_button", ""),
    ],
    "trust": [
        *PICKERS, ("trust_explained", "gavel"), ("trust_explained", "info"), ("trust_again", "straighten"),
        ("trust_measure", "Measure"), ("trust_map", "Kind of map"), ("trust_best", ""), ("trust_worst", ""),
        ("trust_csv", ""),
        ("panel_table", "All figures"), ("panel_table", "Verdict"), ("panel_table", "ROAD"),
        ("panel_table", "✓ supported"),
    ],
    "compare": [
        *PICKERS, ("compare_matrix", "Enlarge"), ("compare_matrix", ""),
        ("compare_matrix", "plane taken for car"), ("compare_table", ""),
        ("compare_change", ""), ("compare_order", "Order"), ("compare_csv", ""), ("compare_gallery", ""),
        ("inspector_step_1", ""), ("compare_true", ""),
        ("panel_inspector", "blank"), ("panel_inspector", "Where did it look?"),
    ],
}  # fmt: skip


# Layers has most kinds of controls.
@pytest.mark.parametrize(("name", "theme"), [*zip(REACHED, cycle(THEMES), strict=False), ("layers", "dark")])
def test_the_tab_key_reaches_every_control_in_the_order_of_reading_and_its_focus_can_be_seen(page, address, name):
    show(page, address, VIEWS[name])
    stops, changes = walk(page)
    wanted = iter(stops)
    for key, words in HEADER + REACHED[name]:
        assert any(stop[0] == key and stop[1].startswith(words) for stop in wanted), f"{key}: {stops}"
    assert [stop for stop, change in zip(stops, changes, strict=True) if change < RING] == []


@pytest.mark.parametrize("theme", ["dark"])
def test_without_runs_the_tab_key_reaches_the_button_that_trains_the_demo(page, empty_address):
    open_address(page, empty_address, ".st-key-train_demo button")
    stops, changes = walk(page)
    assert "train_demo" in [key for key, _ in stops] and min(changes) >= RING


def walk(page):
    """Key and name of all that the Tab key reaches, and how many pixels at each change when the focus leaves it."""
    stops, with_focus, without = [], [], []
    for _ in range(TOO_MANY):
        page.keyboard.press("Tab")
        page.wait_for_function(AT_REST)
        stop = focused(page)
        without += [screenshot(page, left) for left in stops[-1:]]
        if stop is None or stops and stop == stops[0]:
            pairs = zip(with_focus, without, strict=True)
            changes = [int((np.abs(seen - left).max(axis=2) > 40).sum()) for seen, left in pairs]
            return [(stop["key"], stop["name"]) for stop in stops], changes
        stops.append(stop)
        with_focus.append(screenshot(page, stop))
    raise AssertionError(f"The Tab key has not left the page after {TOO_MANY} stops: {stops[-3:]}")


def screenshot(page, stop, margin=8):
    """The pixels of a stop, and of its margin, where a ring may lie."""
    left, top, right, bottom = stop["box"]
    left, top = max(0, left - margin), max(0, top - margin)
    clip = {"x": left, "y": top, "width": right + margin - left, "height": bottom + margin - top}
    return pixels_of(page.screenshot(clip=clip, animations="disabled"))


def test_what_is_focused_does_not_lie_under_the_header(page, address):
    page.set_viewport_size({"width": 1280, "height": 480})
    open_address(page, f"{address}/layers?run=two&image=0", MAP)
    header = page.locator(".st-key-header").bounding_box()["height"]
    page.get_by_text("Appearance").click()
    page.locator(".st-key-layers_colours input").focus()
    tops = []
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        stop = focused(page)
        if stop is None or stop["key"] in ("shell_run", "nav"):
            break
        tops.append((stop["own"], stop["key"], stop["name"]))
    assert len(tops) > 10 and min(tops)[0] >= header
