"""A report in a real JupyterLab: shown under its cell, kept in the notebook, and there without a kernel."""

import nbformat
import pytest
from nbconvert import HTMLExporter

from tests.e2e.browser_page import VIEWPORT, prepared
from tests.e2e.jupyter_lab import CELL, jupyter_lab, write_notebook
from tests.fabricated import fabricate_run

FRAME = "iframe[title='Report of pets']"
CURVES = "#curves path.line"
NO_KERNELS = {"KernelSpecManager.allowed_kernelspecs": "['none']"}
RUN = "from pathlib import Path\nimport sightline\nrun = sightline.Run(Path('runs/pets'))\nrun"


@pytest.fixture(scope="module")
def folder(browser, tmp_path_factory):
    """A folder of a notebook with a run and its report, as JupyterLab saved it, and a copy that is not trusted."""
    folder = tmp_path_factory.mktemp("jupyter")
    fabricate_run(folder / "runs" / "pets", 12, ("cat", "dog", "owl"), with_model=True)
    write_notebook(folder / "ours.ipynb", RUN, "run.report(images=2)")
    with jupyter_lab(folder) as address:
        page = opened(browser, address.format("ours.ipynb"))
        page.locator(f"{CELL} .cm-content").first.click()
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
        page.keyboard.press("Shift+Enter")
        page.locator(f"{CELL} .jp-OutputArea table").wait_for()
        page.keyboard.press("Shift+Enter")
        page.frame_locator(FRAME).locator(CURVES).first.wait_for()
        page.keyboard.press("Control+s")
        page.locator(".jp-DirListing-item[title*='ours.ipynb']").wait_for()
        page.wait_for_function("document.querySelectorAll('.jp-mod-current.jp-mod-dirty').length === 0")
        page.context.close()
    notebook = nbformat.read(folder / "ours.ipynb", 4)
    notebook.cells[0].source += "  # changed"
    nbformat.write(notebook, folder / "theirs.ipynb")
    return folder


@pytest.fixture(scope="module")
def without_kernel(folder):
    """The address of a JupyterLab that has no kernel to start."""
    with jupyter_lab(folder, NO_KERNELS) as address:
        yield address


def opened(browser, address, **options):
    """A page that keeps what it asked for and what went wrong in it."""
    page = prepared(browser.new_context(viewport=VIEWPORT, **options).new_page())
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request))
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    return page


def opened_without_kernel(browser, address, **options):
    page = opened(browser, address, **options)
    page.locator(".jp-Dialog").get_by_role("button", name="No Kernel").click()
    return page


def test_a_notebook_keeps_the_report_and_shows_it_again_without_a_kernel(browser, folder, without_kernel):
    page = opened_without_kernel(browser, without_kernel.format("ours.ipynb"))
    frame = page.frame_locator(FRAME)
    frame.locator(CURVES).first.wait_for()
    frame.get_by_role("navigation").get_by_text("Training").click()
    assert frame.locator(CURVES).first.is_visible()  # the link led to the part, and the frame nowhere else
    assert page.locator(FRAME).bounding_box()["height"] == 720
    (inside,) = [one for one in page.frames if one.url == "about:srcdoc"]
    assert inside.evaluate("window.origin") == "null"
    assert [one.url for one in page.asked if one.frame == inside] == []
    assert page.errors == []
    table = page.locator(f"{CELL} .jp-OutputArea table").inner_text()
    assert "75.0 % of 12 test images" in table
    page.context.close()


def test_of_a_notebook_that_is_not_trusted_the_figures_are_left(browser, without_kernel):
    page = opened_without_kernel(browser, without_kernel.format("theirs.ipynb") + "&reset")
    outputs = page.locator(f"{CELL} .jp-OutputArea-output")
    left = outputs.filter(has_text="accuracy 75.0 % of 12 test images")
    left.filter(has_text="Trust Notebook").wait_for()
    outputs.locator("table").filter(has_text="75.0 % of 12 test images").wait_for()
    assert page.locator("iframe").count() == 0
    page.context.close()


def test_the_notebook_as_a_file_of_html_shows_the_report(browser, folder):
    file = folder / "ours.html"
    file.write_text(HTMLExporter().from_filename(folder / "ours.ipynb")[0], encoding="utf-8")
    context = browser.new_context(viewport=VIEWPORT, offline=True)
    page = prepared(context.new_page())
    page.goto(file.as_uri())
    page.frame_locator(FRAME).locator(CURVES).first.wait_for()
    context.close()
