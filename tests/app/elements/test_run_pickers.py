"""What holds when another run becomes A."""

import shutil

import pytest

from sightline.app.elements.run_pickers import with_run
from sightline.app.runs import run_list
from sightline.report.address.selection import Selection
from sightline.run_store.predictions import Range
from tests.app_pages import edit_record

LOSS = ("loss", Range(high=1.0))


@pytest.fixture
def runs(tmp_path, monkeypatch, fabricated):
    """Runs a and b of the same images, and c, whose classes have other names."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path))
    for name in "abc":
        shutil.copytree(fabricated, tmp_path / name)
    edit_record(tmp_path / "c", class_names=["fox", "hen", "owl"])
    run_list.look()


def test_b_and_a_swap_with_the_sets_of_compare(runs):
    before = Selection(run="a", beside="b", compared="only A right", label="cat", image=3)
    found = with_run(before, "b")
    assert (found.run, found.beside, found.compared, found.label, found.image) == ("b", "a", "only B right", "cat", 3)


def test_classes_that_the_run_has_not_and_patterns_of_another_run_go(runs):
    before = Selection(run="a", label="cat", predicted="owl", columns=(LOSS, ("pattern", "1")))
    found = with_run(before, "c")
    assert (found.run, found.label, found.predicted, found.columns) == ("c", None, "owl", (LOSS,))
    assert with_run(before, "a").columns == before.columns
