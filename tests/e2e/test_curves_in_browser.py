"""In a real browser: the charts of Curves, read and clicked by mouse and by keyboard, in windows of every width."""

import shutil

import pytest

from sightline.run_store.files import METRICS
from sightline.run_store.quality import QualityRow, write_quality
from sightline.run_store.run import Run
from tests.e2e.browser_page import (
    CURVES,
    MATRIX,
    TILE,
    VIEWPORT,
    await_count,
    await_query,
    await_still,
    await_view,
    open_address,
    query_of,
)
from tests.fabricated import LAUNCHER, LINES, fabricate_run, serve

PHONE = {"width": 390, "height": 844}
LEGEND = ".st-key-curves_charts .legend button"
READING = ".st-key-curves_charts .reading:visible"
LONG = "a-run-whose-name-is-as-long-as-those-that-trainings-without-some-images-have"


@pytest.fixture(scope="module")
def address(browser, tiny_run, tmp_path_factory):
    """Of a server with `tiny`, which has a history of two epochs, and two runs of twenty epochs that have none."""
    runs = tmp_path_factory.mktemp("curves")
    shutil.copytree(tiny_run, runs / "tiny")
    for name in ("plain", LONG):
        fabricate_run(runs / name, 60, with_model=True)
    kinds = (("random", "input", 0.0, True), ("gradcam", "layer4", 0.4, False))
    rows = [
        QualityRow(method, layer, "road_gap", gap, gap - 0.02, gap + 0.02, 60, control, 60, (7, 8), (3,))
        for method, layer, gap, control in kinds
    ]
    write_quality(Run(runs / "plain"), rows)
    figures = (runs / LONG / METRICS).read_text()
    (runs / LONG / METRICS).write_text(figures.replace(",0.7", ",0.5"))
    with serve(LAUNCHER, runs) as url:
        yield url


@pytest.fixture
def curves(page, address):
    page.set_viewport_size(VIEWPORT)
    open_address(page, f"{address}/?run=plain", LINES)
    await_still(page.locator(CURVES).first)
    return page


def end_of(page, run, line="test", chart=0):
    """Where a line ends, in the window."""
    drawn = page.locator(".st-key-curves_charts .chart").nth(chart)
    drawn.scroll_into_view_if_needed()
    await_still(drawn)
    return drawn.locator(f'path.line[data-run="{run}"][data-line="{line}"]').evaluate(
        "path => { const { x, y } = path.getPointAtLength(path.getTotalLength());"
        "const point = new DOMPoint(x, y).matrixTransform(path.getScreenCTM()); return [point.x, point.y] }"
    )


def test_an_entry_of_the_legend_chooses_its_run_by_mouse_and_by_keyboard(curves):
    entries = curves.locator(LEGEND)
    assert entries.evaluate_all("all => all.map((one) => one.ariaPressed)").count("true") == 1
    curves.locator(f'{LEGEND}[data-run="tiny"]').click()
    await_query(curves, run="tiny")
    curves.locator(f'{LEGEND}[data-run="tiny"][aria-pressed="true"]').wait_for()
    curves.locator(f'{LEGEND}[data-run="plain"]').focus()
    curves.keyboard.press("Enter")
    await_query(curves, run="plain")
    curves.go_back()
    await_query(curves, run="tiny")


def test_a_click_at_a_line_opens_the_mistakes_of_its_run_after_that_epoch_or_chooses_it(curves):
    at = end_of(curves, LONG, chart=1)
    curves.mouse.move(*at)
    assert f"Click: choose {LONG}" in curves.locator(READING).last.inner_text()
    curves.mouse.click(*at)
    await_query(curves, run=LONG)  # nobody kept its history
    assert curves.locator(CURVES).count() == 2
    curves.locator(f'{LEGEND}[data-run="{LONG}"][aria-pressed="true"]').wait_for()
    curves.mouse.click(*end_of(curves, "tiny"))
    await_view(curves, "Mistakes")
    assert query_of(curves)["run"] == "tiny" and "epoch" not in query_of(curves)  # as it ended


def test_a_pointer_in_one_chart_reads_the_same_epoch_in_all_and_asks_nobody(curves):
    curves.mouse.move(*end_of(curves, "tiny", chart=1))
    await_count(curves.locator(READING), 2)
    readings = curves.locator(READING).all_inner_texts()
    assert all(text.startswith("epoch 2") for text in readings)
    assert "Click: the mistakes of tiny after epoch 2" in readings[1] and "Click" not in readings[0]
    across = [end_of(curves, "tiny", chart=chart)[0] for chart in (0, 1)]
    rules = curves.locator(".st-key-curves_charts .rule").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().x)"
    )
    assert rules == pytest.approx(across, abs=1)
    curves.mouse.move(5, 5)
    await_count(curves.locator(READING), 0)


def test_the_keyboard_goes_from_epoch_to_epoch_and_from_run_to_run(curves):
    chart = curves.locator(CURVES).first
    curves.locator(LEGEND).last.focus()
    curves.keyboard.press("Tab")
    assert chart.get_attribute("aria-label") == "Train and test loss by epoch"
    await_count(curves.locator(READING), 2)
    assert chart.get_attribute("aria-valuenow") == "20"
    curves.keyboard.press("Home")
    curves.keyboard.press("ArrowRight")
    assert chart.get_attribute("aria-valuenow") == "2"
    while "Enter: the mistakes of tiny after epoch 2" not in chart.get_attribute("aria-valuetext"):
        curves.keyboard.press("ArrowDown")
    curves.keyboard.press("Home")
    curves.keyboard.press("Enter")
    await_view(curves, "Mistakes")
    await_query(curves, run="tiny", epoch="1")


BOXES = """
all => all.map((one) => one.getBoundingClientRect()).map(({ left, right, top, bottom }) => [left, right, top, bottom])
"""


@pytest.mark.parametrize("width", [390, 820, 1280, 1920])
def test_names_stand_at_the_ends_of_lines_whole_and_beside_each_other(page, address, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_address(page, f"{address}/?run=plain&chart=loss&chart=accuracy", LINES)
    await_still(page.locator(CURVES).first)
    for chart in page.locator(".st-key-curves_charts .chart").all():
        names = chart.locator("text.name")
        assert {text.replace("\n", "") for text in names.evaluate_all("all => all.map((one) => one.textContent)")} == {
            "tiny", "plain", LONG,
        }  # fmt: skip
        left, right, top, bottom = chart.locator("svg").evaluate_all(BOXES)[0]
        boxes = sorted(names.evaluate_all(BOXES), key=lambda box: box[2])
        assert all(left <= box[0] and box[1] <= right + 1 and top <= box[2] and box[3] <= bottom for box in boxes)
        assert all(above[3] <= below[2] + 3 for above, below in zip(boxes, boxes[1:], strict=False))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    columns = {box[0] for box in page.locator(CURVES).evaluate_all(BOXES)}
    assert len(columns) == (1 if width < 800 else 2)
    page.mouse.move(*end_of(page, "tiny"))
    assert page.locator(READING).first.inner_text().startswith("epoch 2")
    for place in (*page.locator(LEGEND).all(), *page.locator(".st-key-curves_quantities button").all()):
        left, right, *_ = place.evaluate_all(BOXES)[0]
        assert left >= 0 and right <= width
        assert place.evaluate("one => one.scrollWidth <= one.clientWidth + 2")


def test_no_toolbar_lies_over_the_controls_of_a_chart(page, address):
    chart = "[class*='st-key-trust_chart'] [data-testid=stVegaLiteChart]"
    page.set_viewport_size(VIEWPORT)
    open_address(page, f"{address}/trust?run=plain", chart)
    page.locator(chart).hover()
    await_count(page.locator(".st-key-panel_figures [data-testid=stElementToolbar]:visible"), 0)


CARD = ".st-key-tour .card"


def await_step(page, words):
    page.locator(CARD).get_by_text(words).wait_for()


def test_the_tour_moves_on_by_clicking_what_it_points_at_and_does_not_come_back(stranger_page, address):
    page = stranger_page
    open_address(page, f"{address}/?run=tiny", LINES)
    page.get_by_role("button", name="Take the tour").click()
    await_step(page, "1 of 5")
    page.mouse.click(*end_of(page, "tiny"))
    await_view(page, "Mistakes")
    await_step(page, "2 of 5")
    ring, matrix = (page.locator(place).evaluate_all(BOXES)[0] for place in (".st-key-tour .ring", ".matrix"))
    assert ring[0] <= matrix[0] and ring[1] >= matrix[1] and ring[2] <= matrix[2]
    page.locator(MATRIX).first.locator("td").last.click()
    await_step(page, "3 of 5")
    page.locator(TILE).first.click()
    await_step(page, "4 of 5")
    page.locator(CARD).get_by_role("button", name="Open Layers").click()
    await_view(page, "Layers")
    await_step(page, "Where did it look")
    page.locator(CARD).get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    await_view(page, "Patterns")
    page.locator(CARD).get_by_role("button", name="Done").click()
    await_count(page.locator(CARD), 0)
    open_address(page, f"{address}/?run=tiny", LINES)
    assert page.locator(".st-key-panel_introduction").count() == page.locator(CARD).count() == 0


def test_the_tour_fits_on_a_phone_and_escape_leaves_it_for_good(stranger_page, address):
    page = stranger_page
    page.set_viewport_size(PHONE)
    open_address(page, f"{address}/?run=tiny", LINES)
    page.get_by_role("button", name="Take the tour").press("Enter")
    await_step(page, "1 of 5")
    assert page.locator(CARD).get_by_role("button", name="Next").evaluate("one => one.matches(':focus')")
    left, right, top, bottom = page.locator(CARD).evaluate_all(BOXES)[0]
    assert left >= 0 and right <= PHONE["width"] and top >= 0 and bottom <= PHONE["height"]
    page.keyboard.press("Escape")
    await_count(page.locator(CARD), 0)
    await_count(page.locator(".st-key-panel_introduction"), 0)
    open_address(page, f"{address}/?run=tiny", LINES)
    assert page.locator(".st-key-panel_introduction").count() == 0
