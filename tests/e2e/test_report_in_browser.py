"""A report in a real browser: opened from a file with the network off, it asks for nothing, and all of it works."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe

from sightline.report.asked import ask
from sightline.report.page import make_report
from sightline.run_store.note import RunNote, write_note
from sightline.run_store.run import Run
from tests.app_pages import edit_predicted, edit_record
from tests.e2e.browser_page import prepared
from tests.fabricated import ROOT, fabricate_run

HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
SERIOUS = ("serious", "critical")
WIDTHS = (1280, 390)
EXAMPLE = ROOT / "docs" / "report-example.html"
# Elements draw themselves in shadow roots, which Playwright's selectors look into.
LEGEND, LINES, CELL = ".legend .run", "path.line", ".matrix [data-cell='0,1']"


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The addresses of two files: the report of two runs, and that of a run whose every text is hostile."""
    folder = tmp_path_factory.mktemp("reports")
    fabricate_run(folder / "one", 60)
    shutil.copytree(folder / "one", folder / "two")
    edit_predicted(folder / "two", {0: 0, 5: 5})
    fabricate_run(folder / "bad", 60, (HOSTILE, "{{ 7 * 7 }}", ":red[x]"))
    write_note(folder / "bad", RunNote(name=HOSTILE[:100], text=HOSTILE))
    edit_record(
        folder / "bad", recipe={"learning_rate": HOSTILE}, packages={HOSTILE: HOSTILE}, dataset=HOSTILE, device=HOSTILE
    )
    pair = make_report(ask(Run(folder / "one"), Run(folder / "two"), command="sightline report --run one"))
    hostile = make_report(ask(Run(folder / "bad"), command=HOSTILE))
    return {
        name: report.save(folder / f"{name}.html").as_uri() for name, report in (("pair", pair), ("hostile", hostile))
    }


@pytest.fixture(params=[("light", 1280)])
def page(request, browser):
    """A page without a network, light or dark, so wide; `asked` and `said` collect its requests and its complaints."""
    theme, width = request.param
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 800}, offline=True)
    page = prepared(context.new_page())
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    requests = [url for url in page.asked if not url.startswith("data:")]
    assert len(requests) == 1 and requests[0].startswith("file:")  # the file itself
    assert page.said == [] and page.dialogs == []
    context.close()


def test_a_click_in_the_legend_emphasises_a_run_until_the_next(page, reports):
    page.goto(reports["pair"])
    page.locator(LEGEND).first.click()
    page.mouse.move(0, 0)
    faint = page.locator(f"{LINES}.other")
    assert {line.get_attribute("data-run") for line in faint.all()} == {"two"}
    assert [entry.get_attribute("aria-pressed") for entry in page.locator(LEGEND).all()] == ["true", "false"]
    page.locator(LEGEND).first.click()
    page.mouse.move(0, 0)
    assert page.locator(f"{LINES}:not(.other)").count() == page.locator(LINES).count()


def test_the_curves_are_read_by_mouse_and_by_keys(page, reports):
    page.goto(reports["pair"])
    chart = page.locator(".chart svg").first
    chart.hover()
    page.locator(".reading").first.get_by_text("epoch").wait_for()
    page.mouse.move(0, 0)
    chart.focus()
    page.keyboard.press("Home")
    assert chart.get_attribute("aria-valuenow") == "1" and "one: " in chart.get_attribute("aria-valuetext")
    assert "Enter" not in chart.get_attribute("aria-valuetext")  # there is nowhere to go
    page.keyboard.press("End")
    assert chart.get_attribute("aria-valuenow") == "20"


def test_the_matrix_opens_large_and_closes_where_it_was(page, reports):
    page.goto(reports["pair"])
    enlarge = page.get_by_role("button", name="Enlarge")
    enlarge.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.locator(CELL).hover()
    dialog.locator(".tip").get_by_text("plane taken for car: 6 images").wait_for()
    assert dialog.locator(".matrix").bounding_box()["width"] > page.locator("#classes .matrix").bounding_box()["width"]
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    enlarge.click()
    dialog.get_by_role("button", name="Close").click()
    dialog.wait_for(state="detached")


def test_the_calibration_is_read_and_its_threshold_moved_by_keys(page, reports):
    page.goto(reports["pair"])
    calibration = page.locator("#calibration .calibration").first
    calibration.locator(".dot").last.focus()
    calibration.locator(".now").get_by_text("90–100 % sure: right on").wait_for()
    calibration.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    calibration.locator(".now").get_by_text("The surest").wait_for()


def test_the_theme_is_changed_and_sections_are_gone_to_by_keys(page, reports):
    page.goto(reports["pair"])
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.get_by_role("button", name="Light").focus()
    page.get_by_role("link", name="Origin").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#origin').getBoundingClientRect().top < innerHeight")


@pytest.mark.parametrize("page", [(theme, width) for theme in ("light", "dark") for width in WIDTHS], indirect=True)
@pytest.mark.parametrize("name", ["pair", "hostile"])
def test_axe_finds_nothing_serious_and_nothing_is_pushed_sideways(page, reports, name):
    page.goto(reports[name])
    page.get_by_text("The figures by epoch").click()
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] in SERIOUS] == []


def test_a_hostile_run_makes_a_boring_report(page, reports):
    page.goto(reports["hostile"])
    assert page.locator("img:not([src^='data:image/'])").count() == 0
    assert page.locator("script").count() == page.locator(".element").count() + 1
    assert HOSTILE in page.locator("#origin").inner_text()


def test_on_paper_charts_are_as_wide_as_the_page_and_nothing_but_content_is_printed(page, reports):
    page.goto(reports["pair"])
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    widths = page.evaluate("[...document.querySelectorAll('.element')].map((one) => one.clientWidth)")
    assert max(widths) == 882 and not page.get_by_role("button", name="Dark").is_visible()
    assert not page.get_by_role("navigation").is_visible() and not page.locator(".switches").first.is_visible()
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.get_by_role("navigation").is_visible()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def test_without_javascript_the_tables_hold_the_figures(browser, reports):
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = prepared(context.new_page())
    page.goto(reports["pair"])
    assert page.locator("noscript .why").is_visible()
    assert page.get_by_role("table", name="Accuracy by class").get_by_role("row").count() == 11
    context.close()


def test_the_example_of_the_docs_is_small_and_can_be_clicked_through(page):
    assert EXAMPLE.stat().st_size <= 1_000_000
    page.goto(EXAMPLE.as_uri())
    page.locator(LINES).first.wait_for()
    for link in page.locator("nav a").all():
        link.click()
        assert page.locator(link.get_attribute("href")).is_visible()
    page.get_by_text("layer1", exact=True).first.click()
    page.get_by_text("Map", exact=True).first.click()
    page.locator(".shown-image .map.on button").first.click()
    page.locator("dialog[open] img").first.wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog[open]").wait_for(state="detached")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 23)"
