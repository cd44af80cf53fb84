"""A real server, a real browser, and a run that was really trained."""

import shutil

import pytest

from tests.e2e.browser_page import VIEWPORT, chromium_path, prepared
from tests.fabricated import CHROMIUM_OPTIONS, LAUNCHER, fabricate_run, serve

HOSTILE_NAME = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="package")
def browser():
    """One for all tests of this folder, and gone after them: other tests cannot run beside Playwright's event loop."""
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def served(tiny_run, tmp_path_factory):
    """A folder of two runs: `tiny`, really trained, and an older one whose name and classes are hostile.

    Who puts a run there takes it away again, as from `no_runs`.
    """
    runs = tmp_path_factory.mktemp("served")
    shutil.copytree(tiny_run, runs / "tiny")
    fabricate_run(runs / HOSTILE_NAME, 60, (HOSTILE_NAME, ":red[x]", "owl"), with_model=True)
    return runs


@pytest.fixture(scope="package")
def address(browser, served):
    """The address of the server of `served`."""
    with serve(LAUNCHER, served) as url:
        yield url


@pytest.fixture(scope="package")
def no_runs(tmp_path_factory):
    """An empty folder."""
    return tmp_path_factory.mktemp("none")


@pytest.fixture(scope="package")
def empty_address(browser, no_runs):
    """The address of the server of `no_runs`."""
    with serve(LAUNCHER, no_runs) as url:
        yield url
