"""A cell of a real JupyterLab shows the page in a frame, in which it works."""

import io
import os
import sys

import nbformat
import pytest
from PIL import Image

from sightline.app.notebook import LOCAL_PAGES
from tests.e2e.browser_page import READY, VIEWPORT, link_to, prepared
from tests.fabricated import ROOT, answering, fabricate_run, free_port

CELL = ".jp-Notebook .jp-CodeCell"
FRAME = "iframe[title=Sightline]"
TOKEN = "let-me-in"


@pytest.fixture(scope="module")
def jupyter(browser, tmp_path_factory):
    """The address of a notebook of one cell, which shows a run, in a JupyterLab without settings of anybody's."""
    folder = tmp_path_factory.mktemp("jupyter")
    fabricate_run(folder / "runs" / "pets", 12, ("cat", "dog", "owl"), with_model=True)
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python"}})
    program = "from pathlib import Path\nimport sightline\nsightline.Run(Path('runs/pets')).show()"
    notebook.cells.append(nbformat.v4.new_code_cell(program))
    nbformat.write(notebook, folder / "look.ipynb")
    settings = {
        name: str(folder / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "XDG_CACHE_HOME")
    }
    options = {
        "ServerApp.port": (port := free_port()), "ServerApp.port_retries": 0, "ServerApp.root_dir": folder,
        "ServerApp.allow_root": True, "IdentityProvider.token": TOKEN, "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", *(f"--{name}={to}" for name, to in options.items())]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with (folder / "said").open("w") as said, answering(command, port, folder, said, PYTHONPATH=path, **settings):
        yield f"http://localhost:{port}/lab/tree/look.ipynb?token={TOKEN}"


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
