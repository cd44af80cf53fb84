"""The notebook of docs/, run by a real kernel of Jupyter: each cell works, and the dashboard ends with the kernel."""

import os
import re
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import nbformat
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient

from sightline.run_store.run import Run
from tests.fabricated import PATIENCE, ROOT

NOTEBOOK = ROOT / "docs" / "own-model.ipynb"


@pytest.fixture
def client(tmp_path, monkeypatch):
    """What runs the notebook in an empty folder, with settings of nobody's, and one thread."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    for name, value in {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # which Streamlit sets in the process that imports it
    (tmp_path / "work").mkdir()
    resources = {"metadata": {"path": str(tmp_path / "work")}}
    patience = {"timeout": 5 * PATIENCE, "iopub_timeout": PATIENCE, "raise_on_iopub_timeout": True}
    return NotebookClient(nbformat.read(NOTEBOOK, 4), KernelManager(), resources=resources, **patience)


def is_served(address: str) -> bool:
    with socket.socket() as opened:
        return opened.connect_ex(("127.0.0.1", urlsplit(address).port)) == 0


def test_the_notebook_of_the_docs_works_and_its_dashboard_ends_with_the_kernel(client, tmp_path):
    manager = client.km
    with client.setup_kernel(cleanup_kc=False):
        cells = [client.execute_cell(cell, number) for number, cell in enumerate(client.nb.cells)]
        run = Run(tmp_path / "work" / "runs" / "own-model")
        assert run.state == "complete" and run.record.class_names
        (shown,) = [output.data["text/html"] for cell in cells for output in cell.get("outputs", ())
                    if "text/html" in output.get("data", {})]  # fmt: skip
        (address,) = re.findall(r'<a href="([^"]+)"', shown)
        assert address.endswith("/mistakes?run=own-model") and "<iframe" in shown
        assert any("image/png" in output.get("data", {}) for output in cells[-1].outputs)
        manager.interrupt_kernel()
        with urlopen(address, timeout=PATIENCE) as answer:
            assert answer.status == 200
        client.kc.stop_channels()
        manager.shutdown_kernel()
    deadline = time.monotonic() + PATIENCE
    while is_served(address):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_notebook_is_kept_without_what_its_cells_gave():
    cells = nbformat.read(NOTEBOOK, 4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert NOTEBOOK.stat().st_size < 20_000


def test_the_page_about_python_leads_to_the_notebook():
    assert f"]({NOTEBOOK.name})" in Path(ROOT, "docs", "python.md").read_text()
