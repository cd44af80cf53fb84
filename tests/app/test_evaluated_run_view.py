"""A run that was only evaluated, on the page of curves: it has none, and its accuracy is that of its predictions."""

import pytest

from sightline.run_store.metrics import METRICS_COLUMNS
from tests.app.test_app import begin, complete, open_view, text_of
from tests.app_pages import charts_of, rows_of

RECIPE = {"weights": "resnet.pt", "dataset": "folder:photos"}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def evaluated_run(runs):
    complete(runs / "photos", recipe=RECIPE)
    (runs / "photos" / "metrics.csv").write_text(",".join(METRICS_COLUMNS) + "\n")


def test_an_evaluated_run_says_that_no_training_was_recorded(evaluated_run):
    app = open_view("curves")
    said = text_of(app).replace("\\", "")  # which escapes Markdown
    assert not charts_of(app) and "no epoch has ended" not in said
    assert said.count("evaluated only, no training recorded: there are no curves.") == 2  # for the charts, in the table
    figures = rows_of(app)["photos"]["figures"]
    assert figures["accuracy"] == "80.0 %"  # 48 of 60
    assert {figures[name] for name in ("best", "gap", "epochs", "time")} == {"–"}


def test_its_neighbours_keep_their_curves(runs, evaluated_run):
    complete(runs / "trained")
    app = open_view("curves")
    assert charts_of(app) and text_of(app).count("no training recorded") == 1


def test_an_evaluation_that_stopped_says_how_to_finish_it(runs):
    begin(runs / "photos", epochs=0, recipe=RECIPE).__exit__()
    said = text_of(open_view("curves")).replace("\\", "")
    assert f"The evaluation stopped before its end. Finish it with: sightline evaluate --run {runs}" in said
