"""What surrounds every view, in a real browser: header, keys, what opens, columns, at the widths that people have."""

import pytest

from tests.e2e.browser_page import TILE, await_count, await_query, await_still, open_address, query_of

PHONE, TABLET, LAPTOP = (390, 844), (820, 1180), (1280, 720)
IN_WINDOW = """
element => {
  const { left, top, right, bottom } = element.getBoundingClientRect()
  return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight
}
"""
IN_DIALOG = """
() => {
  let at = document.activeElement
  while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
  return at === document.body || at.closest("dialog") !== null
}
"""


@pytest.fixture
def mistakes(page, address):
    return open_address(page, f"{address}/mistakes?run=tiny", TILE)


def resize(page, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})


def image_of(page):
    return page.locator(".st-key-inspector_title p").first.inner_text()


@pytest.mark.parametrize("size", [PHONE, TABLET, (1024, 768), LAPTOP, (1920, 1080)])
def test_both_runs_can_be_chosen_and_nothing_of_the_header_is_cut_at_any_width(page, address, size):
    resize(page, size)
    open_address(page, f"{address}/mistakes?run=tiny", TILE)
    header = page.locator(".st-key-header")
    await_still(page.locator(".st-key-panel_inspector"))
    for place in (".st-key-shell_run", ".st-key-shell_second", ".st-key-page_keys_place"):
        assert header.locator(place).evaluate(IN_WINDOW), place
    boxes = [header.locator(f".st-key-shell_{name} input").bounding_box() for name in ("run", "second")]
    assert min(box["width"] for box in boxes) >= 80
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    first = page.locator("[data-testid=stMain] [class*='st-key-panel_']").first.bounding_box()
    assert first["y"] >= header.bounding_box()["height"]
    page.get_by_role("combobox", name="Second run").click()
    page.get_by_role("option").first.click()
    page.locator(".st-key-swap_runs button").wait_for()
    assert query_of(page)["beside"] != "tiny"


@pytest.mark.parametrize(("size", "rows"), [(PHONE, 3), (TABLET, 3), (LAPTOP, 1)])
def test_columns_stand_below_each_other_where_they_would_shrink(page, address, size, rows):
    resize(page, size)
    open_address(page, f"{address}/mistakes?run=tiny", TILE)
    await_still(page.locator(".st-key-panel_inspector"))
    panels = (page.locator(f".st-key-panel_{name}").bounding_box() for name in ("confusion", "set", "inspector"))
    assert len({round(box["y"]) for box in panels}) == rows


def test_a_page_is_presented_gone_through_and_left_by_keys_and_the_address_says_so(mistakes):
    page = mistakes
    order = page.locator(".st-key-mistakes_order")
    assert order.is_visible()
    page.keyboard.press("p")
    await_query(page, present="on")
    order.wait_for(state="hidden")
    first = image_of(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "was => !document.querySelector('.st-key-inspector_title p').innerText.includes(was)", arg=first
    )
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "was => document.querySelector('.st-key-inspector_title p').innerText.includes(was)", arg=first
    )
    page.keyboard.press("Escape")
    await_query(page, present=None)
    order.wait_for()
    page.go_back()
    await_query(page, present="on")


def test_no_key_acts_while_somebody_types_or_with_another_key(mistakes):
    page = mistakes
    page.get_by_role("combobox", name="Second run").click()
    page.keyboard.type("p?")
    page.keyboard.press("Escape")
    page.locator(".st-key-nav a").first.focus()
    page.keyboard.press("Control+p")
    page.keyboard.press("Alt+p")
    page.keyboard.press("?")  # is answered, and by then all that came before would have been
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("p")  # over the keys nothing is presented
    page.keyboard.press("Escape")
    await_count(page.get_by_role("dialog"), 0)
    assert "present" not in query_of(page)


def test_the_keys_are_told_by_a_question_mark_and_hold_the_focus(mistakes):
    page = mistakes
    page.get_by_role("button", name="Keys").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    dialog.wait_for()
    assert "present it" in dialog.inner_text()
    for _ in range(3):
        page.keyboard.press("Tab")
        assert page.evaluate(IN_DIALOG)
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


def test_a_copied_link_names_what_is_shown_and_the_button_says_that_it_copied(page, address):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_address(page, f"{address}/mistakes", TILE)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Link copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"{address}/mistakes?") and "run=tiny" in copied  # also when a newer run has come


def test_what_opens_uses_the_height_of_the_window_and_no_more(page, address):
    open_address(page, f"{address}/mistakes?run=tiny", TILE)
    resize(page, (1280, 420))
    page.locator(".st-key-filter_form button").first.click()
    opened = page.locator("[data-testid=stPopoverBody]")
    opened.locator("[data-testid=stSlider]").first.wait_for()
    page.wait_for_function(f"() => ({IN_WINDOW})(document.querySelector('[data-testid=stPopoverBody]'))")
    below = page.locator(".st-key-filter_form").bounding_box()
    assert opened.bounding_box()["height"] > 420 - below["y"] - below["height"]  # more than there is below the button
