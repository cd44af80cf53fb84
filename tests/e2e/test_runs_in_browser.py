"""The table of runs, with the mouse, with the keyboard and on a phone."""

import json
import shutil

import pytest

from tests.e2e.browser_page import await_count, await_query, await_view, open_address, query_of
from tests.fabricated import LAUNCHER, fabricate_run, serve

TABLE = ".st-key-runs_table"
DRAWN_ANEW = """
() => new Promise((done) => {
  const app = document.querySelector("[data-testid=stApp]")
  let seen = 0
  new MutationObserver(() => { if (app.dataset.testScriptState === "notRunning" && ++seen === 2) done() })
    .observe(app, { attributeFilter: ["data-test-script-state"] })
})
"""
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs one, two and three, of which the last opens: all alike, but for their ages and epochs."""
    runs = tmp_path_factory.mktemp("runs")
    for number, name in enumerate(("one", "two", "three"), 1):
        fabricate_run(runs / name, 40)
        record = json.loads((runs / name / "run.json").read_text())
        created, recipe = f"2026-01-0{number}T00:00:00Z", {"epochs": 20, "seed": number}
        (runs / name / "run.json").write_text(json.dumps(record | {"created": created, "recipe": recipe}))
        lines = (runs / name / "metrics.csv").read_text().splitlines(keepends=True)
        (runs / name / "metrics.csv").write_text("".join(lines[: 1 + 5 * number]))
    return runs


@pytest.fixture(scope="module")
def address(browser, folder):
    with serve(LAUNCHER, folder) as url:
        yield url


def row_of(page, name):
    return page.locator(f'{TABLE} tbody tr[data-run="{name}"]')


def names_of(page):
    return page.locator(f"{TABLE} tbody tr").evaluate_all("(rows) => rows.map((row) => row.dataset.run)")


def await_names(page, names):
    from playwright.sync_api import expect

    expect(page.locator(f"{TABLE} .name")).to_have_text(names)


def choose_in_menu(page, name, words):
    row_of(page, name).get_by_role("button", name="More about").click()
    page.get_by_role("menuitem", name=words).click()


def test_rows_choose_and_pin_runs_and_open_their_mistakes(page, address):
    open_address(page, address, f"{TABLE} .name")
    assert names_of(page) == ["three", "two", "one"]
    row_of(page, "two").locator("td").last.click()  # anywhere in the row
    await_query(page, run="two")
    row_of(page, "one").get_by_role("button", name="Pin one as B").click()
    await_query(page, run="two", beside="one")
    assert row_of(page, "two").locator(".place").inner_text() == "A"
    assert row_of(page, "one").locator(".place").inner_text() == "B"
    row_of(page, "one").locator(".name").click()
    await_query(page, run="one", beside="two")  # they swap
    row_of(page, "three").get_by_role("button", name="See the mistakes of three").click()
    await_view(page, "Mistakes")
    assert query_of(page)["run"] == "three"


def test_the_focus_stays_on_its_row_while_others_change(page, address):
    open_address(page, f"{address}/?run=three", f"{TABLE} .name")
    focused = row_of(page, "one").locator(".name")
    focused.focus()
    row_of(page, "two").locator("td").last.evaluate("(cell) => cell.click()")  # which moves no focus
    await_query(page, run="two")
    assert row_of(page, "two").locator(".place").inner_text() == "A"
    assert focused.evaluate("(name) => name === name.getRootNode().activeElement")


def test_the_table_is_sorted_by_any_column_and_the_address_says_so(page, address):
    open_address(page, address, f"{TABLE} .name")
    head = page.locator(f"{TABLE} thead")
    head.get_by_role("button", name="epochs").click()
    await_query(page, sort="-epochs")
    await_names(page, ["three", "two", "one"])
    head.get_by_role("button", name="epochs").click()
    await_query(page, sort="epochs")
    await_names(page, ["one", "two", "three"])
    assert head.locator("[aria-sort=ascending]").inner_text().startswith("epochs")
    open_address(page, f"{address}/?sort=-seed", f"{TABLE} .name")
    await_names(page, ["three", "two", "one"])


def test_a_run_is_renamed_hidden_and_archived_with_the_keyboard(page, address, folder):
    open_address(page, address, f"{TABLE} .name")
    row_of(page, "three").get_by_role("button", name="More about").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")  # opens the menu of the next row, and is on its first entry
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_label("Name").fill("the second")
    page.evaluate(DRAWN_ANEW)  # as it is every few seconds: the form and what was typed stay
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await_names(page, ["three", "the second", "one"])
    await_count(page.get_by_role("dialog"), 0)
    choose_in_menu(page, "two", "Hide from charts")
    await_count(row_of(page, "two").filter(has_text="hidden"), 1)
    choose_in_menu(page, "two", "Archive")
    await_names(page, ["three", "one"])
    page.get_by_text("1 archived").click()
    await_names(page, ["three", "the second", "one"])
    choose_in_menu(page, "two", "Take out of the archive")
    choose_in_menu(page, "two", "Show in charts")
    note = folder / "two" / "note.json"
    await_count(row_of(page, "two").filter(has_text="hidden"), 0)
    assert json.loads(note.read_text()) == {"name": "the second", "text": "", "hidden": False, "archived": False}
    note.unlink()


def test_a_run_is_trained_once_more_with_changes_and_stopped_from_its_row(page, address, folder):
    open_address(page, address, f"{TABLE} .name")
    choose_in_menu(page, "one", "Duplicate with changes")
    form = page.get_by_role("dialog")
    form.get_by_label("Images", exact=True).fill("planted-shapes")
    form.get_by_label("Epochs", exact=True).fill("900")
    form.get_by_role("button", name="Start").click()
    await_count(form, 0)
    stop = row_of(page, "one-2").get_by_role("button", name="Stop one-2")
    stop.click()
    await_count(row_of(page, "one-2").get_by_role("button", name="Resume one-2"), 1)
    recipe = json.loads((folder / "one-2" / "run.json").read_text())["recipe"]
    assert recipe["dataset"] == "planted-shapes" and recipe["epochs"] == 900 and recipe["seed"] == 1
    shutil.rmtree(folder / "one-2")


def test_on_a_phone_each_run_is_a_card_and_nothing_scrolls_sideways(browser, address):
    context = browser.new_context(viewport=PHONE)
    page = open_address(context.new_page(), address, f"{TABLE} .name")
    boxes = [row.bounding_box() for row in page.locator(f"{TABLE} tbody tr").all()]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= PHONE["width"] for box in boxes)
    shown = row_of(page, "two").locator("td:visible, button:visible").all()
    assert len(shown) > 6
    assert all((box := one.bounding_box())["x"] + box["width"] <= PHONE["width"] for one in shown)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    context.close()
