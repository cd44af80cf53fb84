"""A real JupyterLab, without settings of anybody's."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat

from tests.fabricated import ROOT, answering, free_port

TOKEN = "let-me-in"
CELL = ".jp-Notebook .jp-CodeCell"


def write_notebook(file: Path, *programs: str) -> None:
    """A notebook whose cells have not been run."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python"}})
    notebook.cells += [nbformat.v4.new_code_cell(program) for program in programs]
    nbformat.write(notebook, file)


@contextmanager
def jupyter_lab(folder: Path, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of JupyterLab on a folder, in which it also keeps what it knows, up to the path of a notebook."""
    settings = {
        name: str(folder / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "XDG_CACHE_HOME")
    }
    options = {
        "ServerApp.port": (port := free_port()), "ServerApp.port_retries": 0, "ServerApp.root_dir": folder,
        "ServerApp.allow_root": True, "IdentityProvider.token": TOKEN, "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate", **(more or {}),
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", *(f"--{name}={to}" for name, to in options.items())]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with (folder / "said").open("w") as said, answering(command, port, folder, said, PYTHONPATH=path, **settings):
        yield f"http://localhost:{port}/lab/tree/{{}}?token={TOKEN}"
