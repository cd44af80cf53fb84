"""A cell of a real JupyterLab shows the page in a frame, in which it works."""

import io

import pytest
from PIL import Image

from sightline.app.notebook import LOCAL_PAGES
from tests.e2e.browser_page import READY, VIEWPORT, link_to, prepared
from tests.e2e.jupyter_lab import CELL, jupyter_lab, write_notebook
from tests.fabricated import fabricate_run

FRAME = "iframe[title=Sightline]"


@pytest.fixture(scope="module")
def jupyter(browser, tmp_path_factory):
    """The address of a notebook of one cell, which shows a run, in a JupyterLab without settings of anybody's."""
    folder = tmp_path_factory.mktemp("jupyter")
    fabricate_run(folder / "runs" / "pets", 12, ("cat", "dog", "owl"), with_model=True)
    write_notebook(
        folder / "look.ipynb", "from pathlib import Path\nimport sightline\nsightline.Run(Path('runs/pets')).show()"
    )
    with jupyter_lab(folder) as address:
        yield address.format("look.ipynb")


def test_a_cell_shows_the_mistakes_of_a_run_in_a_frame_that_takes_an_image(browser, jupyter):
    context = browser.new_context(viewport=VIEWPORT)
    page = prepared(context.new_page())
    page.goto(jupyter)
    page.locator(f"{CELL} .cm-content").first.click()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
    page.keyboard.press("Shift+Enter")
    frame = page.frame_locator(FRAME)
    frame.locator(READY).wait_for()
    frame.get_by_text("of 3 mistakes").wait_for()
    head = frame.locator(".st-key-mistakes_matrix .head")
    assert head.bounding_box()["height"] < 80  # no letter a line, narrow as it is
    link_to(frame, "Layers").click()
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(stream, "PNG")
    image = {"name": "holiday.png", "mimeType": "image/png", "buffer": stream.getvalue()}
    frame.locator("input[type=file]").set_input_files(image)
    frame.get_by_text("holiday.png").first.wait_for()

    address = page.locator(f"{CELL} .jp-OutputArea a").get_attribute("href")
    policy = page.request.get(address).headers["content-security-policy"]
    assert policy == " ".join(("frame-ancestors 'self'", *LOCAL_PAGES))
    context.close()
