"""In a real browser: the Report button downloads the report of what is on screen, and says how that goes."""

import shutil

import pytest

from tests.app_pages import edit_predicted
from tests.e2e.browser_page import PATIENCE, READY, TILE, open_address


@pytest.fixture(scope="module")
def second(served, tiny_run):
    """A second run of the same images."""
    path = shutil.copytree(tiny_run, served / "second")
    edit_predicted(path, {0: 1, 1: 2})
    yield path
    shutil.rmtree(path)


def report_of(page, press):
    with page.expect_download(timeout=PATIENCE) as downloading:
        press()
    return downloading.value


def test_the_report_is_that_of_the_run_and_the_set_on_screen(page, address, second, tmp_path, browser):
    page.set_viewport_size({"width": 390, "height": 800})
    open_address(page, f"{address}/mistakes?run=tiny&beside=second&show=all&true=star", TILE)
    button = page.get_by_role("button", name="Report")
    button.focus()
    download = report_of(page, lambda: page.keyboard.press("Enter"))
    assert download.suggested_filename.startswith("tiny") and download.suggested_filename.endswith("_report.html")
    page.get_by_text("Report saved as tiny").wait_for(timeout=PATIENCE)
    download.save_as(tmp_path / "report.html")
    opened = browser.new_page()
    opened.goto((tmp_path / "report.html").as_uri())
    assert [name.inner_text() for name in opened.locator("h1 bdi").all()] == ["tiny", "second"]
    assert "true=star" in opened.content() and "show=all" in opened.content()
    opened.close()


def test_while_it_is_made_the_visitor_sees_so_and_an_error_is_a_sentence(page, address):
    open_address(page, f"{address}/trust?run=tiny&present=on", READY)
    held = []
    page.route("**/report.html*", lambda route: held.append(route))
    button = page.get_by_role("button", name="Report")
    button.click()
    page.get_by_text("Making the report").wait_for()
    assert len(held) == 1 and "run=tiny" in held[0].request.url
    held[0].fulfill(status=422, content_type="text/plain", body="This run is not there any more.")
    page.get_by_text("No report was made: This run is not there any more.").wait_for(timeout=PATIENCE)
    page.unroute("**/report.html*")
    report_of(page, button.click)  # it can be asked for again


def test_how_far_it_is_is_said_and_pressing_again_stops_it(page, address):
    open_address(page, f"{address}/layers?run=tiny&method=occlusion&present=on", READY)
    page.route("**/how_far", lambda route: route.fulfill(body="maps of 3 of 24 images"))
    page.route("**/report.html*", lambda route: None)  # which takes for ever
    page.get_by_role("button", name="Report").click()
    page.get_by_text("Making the report: maps of 3 of 24 images … Press again to stop.").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Stop the report").click()
    page.get_by_text("Stopped: no report was made").wait_for(timeout=PATIENCE)
    page.unroute("**/report.html*")
    report_of(page, page.get_by_role("button", name="Report").click)


def test_a_report_that_waited_for_another_one_is_said_to_be_made(page, address):
    open_address(page, f"{address}/trust?run=tiny", READY)
    busy = [True]

    def answer(route):
        if busy and busy.pop():
            route.fulfill(status=503, headers={"Retry-After": "1"}, body="Another report is being made.")

    page.route("**/report.html*", answer)
    page.get_by_role("button", name="Report").click()
    page.get_by_text("Waiting: another report is being made on this server").wait_for()
    page.get_by_text("Making the report").wait_for(timeout=PATIENCE)
    page.get_by_role("button", name="Stop the report").click()
    page.get_by_text("Stopped: no report was made").wait_for(timeout=PATIENCE)
