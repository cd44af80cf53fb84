"""A real server, a real browser, and a run that was really trained."""

import shutil

import pytest

from tests.e2e.browser_page import VIEWPORT, chromium_path, prepared
from tests.fabricated import CHROMIUM_OPTIONS, ROOT, fabricate_run, serve

HOSTILE_NAME = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser():
    """With a fresh profile. Not for the session: Playwright's event loop would stay open under the other tests."""
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visitor(browser):
    """One browser context for the tests that need no other: it keeps Streamlit's scripts in its cache."""
    context = browser.new_context(viewport=VIEWPORT, color_scheme="light")
    yield context
    context.close()


@pytest.fixture
def page(visitor):
    """A new tab, and with it a new session; `page.dialogs` collects what alert() says."""
    page = prepared(visitor.new_page())
    yield page
    page.close()


@pytest.fixture
def stranger_page(browser):
    """A page of somebody else: nothing is shared but the address."""
    context = browser.new_context(viewport=VIEWPORT, color_scheme="light")
    yield prepared(context.new_page())
    context.close()


@pytest.fixture(scope="module")
def address(browser, tiny_run, tmp_path_factory):
    """Of a server with two runs: `tiny`, really trained, and an older one whose name and classes are hostile."""
    runs = tmp_path_factory.mktemp("served")
    shutil.copytree(tiny_run, runs / "tiny")
    fabricate_run(runs / HOSTILE_NAME, 60, (HOSTILE_NAME, ":red[x]", "owl"), with_model=True)
    with serve(ROOT / "app" / "main.py", runs) as url:
        yield url
