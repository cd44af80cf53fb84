"""What the confusion matrix is drawn from; how it is drawn: tests/e2e/test_matrix_in_browser.py."""

import json

import numpy as np
import pytest

from sightline.report.drawing.matrix import Cells, confusion_cells
from sightline.run_store.confusion import Confusion
from sightline.run_store.run import Run
from tests.app_pages import open_page
from tests.fabricated import CLASSES


def test_cells_are_those_that_have_images_and_shares_are_of_the_true_class():
    # true 0 0 1 2 2 2 of four classes
    confusion = Confusion.of(np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 0, 2]), classes=4)
    assert confusion_cells(confusion) == Cells("0 0 1 0 1 1 1 1 1 2 0 2 2 2 1", (2, 1, 3, 0))


@pytest.fixture
def drawn(sixty, monkeypatch):
    """What the matrix of Mistakes gets at an address."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(sixty))

    def open_matrix(**query):
        app = open_page("mistakes", run="run", **query)
        (matrix,) = (one for one in app.get("bidi_component") if "matrix" in one.proto.component_name)
        return json.loads(matrix.proto.json) | {"caption": app.caption[0].value}

    return open_matrix


def test_the_matrix_counts_all_images_whatever_class_and_outcome_are_asked_for(drawn):
    everything = drawn()
    assert everything["names"] == list(CLASSES) and everything["support"] == [6] * 10
    assert sum(map(int, everything["cells"].split()[2::3])) == 60 and everything["selected"] == [-1, -1]
    assert "pass the filters" not in everything["caption"]
    cat = drawn(true="cat", show="right")
    assert cat["selected"] == [CLASSES.index("cat"), -1]
    assert {**cat, "selected": None} == {**everything, "selected": None}


def test_the_matrix_counts_the_images_that_pass_a_range_and_says_so(drawn, sixty):
    confidence = Run(sixty / "run").predictions().column("confidence")
    least = float(np.quantile(confidence, 0.75))
    images = int((confidence >= least).sum())
    narrowed = drawn(range=f"confidence:{least}..")
    assert sum(narrowed["support"]) == images < 60
    assert f"Of the {images} images that pass the filters, right or wrong." in narrowed["caption"]
