"""The examples in docstrings: each runs and gives what it shows, and every public name has one."""

import doctest
import importlib

import pytest
import torch

import sightline
from tests.fabricated import ROOT, fabricate_run

PACKAGES = ("image_data", "model_zoo", "run_store", "explain", "training", "report", "app")
FILES = [*(ROOT / "sightline").glob("*.py"), *(file for name in PACKAGES for file in (ROOT / name).rglob("*.py"))]


def module_name(file):
    inside = ".".join(file.relative_to(ROOT).with_suffix("").parts).removeprefix("sightline.")
    return f"sightline.{inside}".removesuffix(".__init__")


WITH_EXAMPLES = sorted(module_name(file) for file in FILES if ">>>" in file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def somewhere(tmp_path_factory):
    """A folder with a run, runs/pets, in which the examples are run."""
    folder = tmp_path_factory.mktemp("somewhere")
    (folder / "runs").mkdir()
    fabricate_run(folder / "runs" / "pets", 12, ("cat", "dog", "owl"), with_model=True)
    return folder


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_give_what_they_show(name, somewhere, monkeypatch):
    monkeypatch.chdir(somewhere)
    monkeypatch.setattr("sys.stdin", None)  # with a terminal, `show` waits for Ctrl-C
    with torch.random.fork_rng():
        result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0 < result.attempted


@pytest.mark.parametrize("name", sightline.__all__)
def test_every_public_name_has_an_example(name):
    assert doctest.DocTestParser().get_examples(getattr(sightline, name).__doc__)
