"""The confusion matrix in a browser: its cells and names filter, by mouse and by keyboard, at every width."""

import shutil

import numpy as np
import pytest

from sightline.run_store.run import Run
from tests.e2e.browser_page import TILE, await_count, await_query, await_still, await_text, open_address, prepared
from tests.fabricated import LAUNCHER, fabricate_run, serve

MATRIX = ".st-key-mistakes_matrix"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_run):
    """`tiny`, which was really trained, and one of 100 classes."""
    root = tmp_path_factory.mktemp("matrices")
    shutil.copytree(tiny_run, root / "tiny")
    fabricate_run(root / "hundred", 1000, tuple(f"a long name {code}" for code in range(100)), side=8)
    return root


@pytest.fixture(scope="module")
def address(browser, runs):
    with serve(LAUNCHER, runs) as url:
        yield url


@pytest.fixture(scope="module")
def counts(runs):
    """Of `tiny`: images by true and predicted class, counted here."""
    predictions = Run(runs / "tiny").predictions()
    found = np.zeros((10, 10), int)
    np.add.at(found, (predictions.column("label"), predictions.column("predicted")), 1)
    return found


@pytest.fixture(scope="module")
def names(runs):
    return Run(runs / "tiny").record.class_names


@pytest.fixture
def page(browser):
    """A tab of somebody else's: a switch that was left on is nobody's."""
    context = browser.new_context(viewport={"width": 1280, "height": 720}, reduced_motion="reduce")
    yield prepared(context.new_page())
    context.close()


def cell(page, label, predicted):
    """A cell by codes of classes; −1: the header of a row or of a column."""
    return page.locator(f'{MATRIX} [data-cell="{label},{predicted}"]')


def shown(page):
    """What is written in the rows of the matrix, and in which order of the classes."""
    rows = page.locator(f"{MATRIX} tr.cells").all()
    return [row.locator("th").inner_text() for row in rows], [row.locator("td").all_inner_texts() for row in rows]


def written(values):
    return [[str(value) if value else "" for value in row] for row in values]


def beside_diagonal(values):
    return values * (1 - np.eye(len(values), dtype=int))


def test_counts_shares_diagonal_and_order_are_what_the_switches_say(page, address, counts, names):
    open_address(page, f"{address}/mistakes?run=tiny", TILE)
    mistakes = beside_diagonal(counts)
    assert shown(page) == (list(names), written(mistakes))
    page.get_by_label("diagonal").check()
    assert shown(page)[1] == written(counts)
    page.get_by_label("diagonal").uncheck()
    page.get_by_label("most errors first").check()
    order = np.argsort(-mistakes.sum(axis=1), kind="stable")
    assert shown(page) == ([names[code] for code in order], written(mistakes[order][:, order]))
    columns = page.locator(f"{MATRIX} tr.columns th").all_inner_texts()
    assert columns == [names[code] for code in order]
    page.get_by_label("row %").check()
    order = np.argsort(-mistakes.sum(axis=1) / counts.sum(axis=1), kind="stable")
    shares = 100 * mistakes / counts.sum(axis=1, keepdims=True)
    expected = [[f"{share:.0f}" if images else "" for share, images in zip(*row, strict=True)]
                for row in zip(shares[order][:, order], mistakes[order][:, order], strict=True)]  # fmt: skip
    assert shown(page) == ([names[code] for code in order], expected)
    page.reload()
    page.wait_for_selector(TILE)
    assert page.get_by_label("row %").is_checked() and shown(page)[1] == expected


def test_the_name_of_a_row_filters_by_true_class_and_of_a_column_by_what_it_was_taken_for(page, address, counts, names):
    open_address(page, f"{address}/mistakes?run=tiny&show=all", TILE)
    label = int(counts.sum(axis=1).argmax())
    cell(page, label, -1).click()
    await_query(page, true=names[label], predicted=None)
    await_text(page, f"true: {names[label]}")
    assert cell(page, label, -1).get_attribute("aria-pressed") == "true"
    guess = int(beside_diagonal(counts).sum(axis=0).argmax())
    cell(page, -1, guess).click()
    await_query(page, true=None, predicted=names[guess])
    assert cell(page, label, -1).get_attribute("aria-pressed") == "false"
    cell(page, -1, guess).click()
    await_query(page, true=None, predicted=None)


def test_what_is_pointed_at_is_said_with_its_share(page, address, counts, names):
    open_address(page, f"{address}/mistakes?run=tiny", TILE)
    label, guess = np.unravel_index(beside_diagonal(counts).argmax(), counts.shape)
    said = page.locator(f"{MATRIX} .tip")
    cell(page, label, guess).hover()
    images, of = counts[label, guess], counts[label].sum()
    assert said.inner_text() == (
        f"{names[label]} taken for {names[guess]}: {images} images, {100 * images / of:.1f} % of {of}"
    )
    cell(page, -1, guess).hover()
    wrongly = beside_diagonal(counts)[:, guess].sum()
    assert said.inner_text() == f"{wrongly} images wrongly taken for {names[guess]}"
    page.mouse.move(1000, 10)
    assert not said.is_visible()


def test_arrow_keys_go_from_cell_to_cell_and_enter_filters(page, address, counts, names):
    open_address(page, f"{address}/mistakes?run=tiny", TILE)
    page.get_by_label("most errors first").focus()
    page.keyboard.press("Tab")
    focused = page.locator(f"{MATRIX} [data-cell]:focus")
    trace = []
    for key in ("Left", "Left", "Left", "End", "Up", "Down", "Home", "Right", "Right"):
        page.keyboard.press(key if key in ("Home", "End") else f"Arrow{key}")
        trace.append(focused.get_attribute("data-cell"))
    assert trace == ["0,0", "0,-1", "0,-1", "0,9", "0,9", "1,9", "1,-1", "1,0", "1,1"]
    assert page.locator(f"{MATRIX} [data-cell][tabindex='0']").count() == 1
    label, guess = (int(code) for code in np.unravel_index(beside_diagonal(counts).argmax(), counts.shape))
    for key, steps in (("ArrowUp", 1 - label), ("ArrowLeft", 1 - guess)):
        for _ in range(abs(steps)):
            page.keyboard.press(key if steps > 0 else {"ArrowUp": "ArrowDown", "ArrowLeft": "ArrowRight"}[key])
    assert focused.get_attribute("aria-label").startswith(f"{names[label]} taken for {names[guess]}: ")
    page.keyboard.press("Enter")
    await_query(page, true=names[label], predicted=names[guess])
    await_count(page.locator(TILE), int(min(24, counts[label, guess])))
    assert focused.get_attribute("aria-selected") == "true"  # and has the focus still
    for _ in range(9 - label + 1):
        page.keyboard.press("ArrowDown")
    assert focused.get_attribute("data-cell") == f"-1,{guess}"  # the name of the column
    page.keyboard.press(" ")
    await_query(page, true=None, predicted=names[guess])


def test_a_hundred_classes_are_drawn_without_names_and_enlarged_with_them(page, address):
    open_address(page, f"{address}/mistakes?run=hundred", TILE)
    assert cell(page, 0, 1).bounding_box()["width"] > 2
    assert not cell(page, 0, -1).is_visible() and not cell(page, -1, 0).is_visible()
    page.get_by_role("button", name="Enlarge").click()
    large = page.locator("[role=dialog] .matrix")
    large.wait_for()
    name = large.locator('[data-cell="99,-1"]')
    name.scroll_into_view_if_needed()
    assert name.is_visible() and name.inner_text() == "a long name 99"
    large.locator('[data-cell="5,6"]').click()
    await_query(page, true="a long name 5", predicted="a long name 6")
    await_count(page.locator("[role=dialog]"), 0)
    await_count(page.locator(TILE), 10)


@pytest.mark.parametrize("width", [390, 820, 1024, 1280, 1920])
def test_names_are_read_at_every_width_and_nothing_is_cut_that_has_room(page, address, width):
    page.set_viewport_size({"width": width, "height": 900})
    open_address(page, f"{address}/mistakes?run=tiny", TILE)
    await_still(page.locator(f"{MATRIX} .matrix"))
    box = page.locator(f"{MATRIX} .matrix").bounding_box()
    names = page.locator(f"{MATRIX} tr th button")
    assert names.count() == 20
    for name in names.all():
        assert name.evaluate("name => name.scrollWidth <= name.clientWidth")
        place = name.bounding_box()
        assert box["x"] - 1 <= place["x"] and place["x"] + place["width"] <= box["x"] + box["width"] + 12
        assert name.evaluate("name => parseFloat(getComputedStyle(name).fontSize)") >= 8
    assert page.evaluate("document.documentElement.scrollWidth") <= width
