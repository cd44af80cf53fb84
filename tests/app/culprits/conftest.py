"""A run whose training images are named, and which a page may read."""

import shutil
from pathlib import Path

import pytest

from sightline.run_store.run import Run
from tests.app_pages import edit_record


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SIGHTLINE_DATASETS", str(tmp_path / "images"))
    run = Run(Path(shutil.copytree(fabricated, tmp_path / "runs" / "run")))
    edit_record(run.path, fingerprints={"train": "a", "test": "b"}, dataset="planted-shapes:honest")
    return Run(run.path)
