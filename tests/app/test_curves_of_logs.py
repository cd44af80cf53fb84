"""Runs whose curves come from a log: alone, or beside a model that was trained elsewhere."""

from dataclasses import replace

import pytest

from sightline.app.runs import run_list
from sightline.app.runs.trainings import can_resume
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.foreign.imported_log import record_log
from sightline.training.new_run import describe_curves
from tests.app.test_app import begin, complete, open_view, text_of
from tests.app_pages import charts_of, rows_of

TIMM = "epoch,train_loss,eval_loss,eval_top1\n0,2,2.5,30\n1,1.5,,\n2,1,1.5,50\n"
COLUMNS = ["accuracy", "best", "gap", "epochs", "date", "time", "parameters", "model", "data"]
LOSSES = "epoch,loss\n1,2\n2,1\n"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def record(runs, tmp_path):
    def record_text(name, text, **named):
        file = tmp_path / f"{name}.csv"
        file.write_text(text)
        run, _ = record_log(runs / name, file, **named)
        return run

    return record_text


def said_by(app):
    return text_of(app).replace("\\", "")  # which escapes Markdown


def row_of(app, name):
    return rows_of(app)[name]


def test_a_run_of_curves_alone_is_drawn_and_its_row_has_a_dash_for_all_that_nobody_knows(record):
    record("bird", TIMM)
    app = open_view("curves")
    assert len(charts_of(app)) == 2
    row = row_of(app, "bird")
    assert list(row["figures"]) == COLUMNS
    assert row["cells"][:4] == ["50.0 %", "50.0 % (3)", "–", "3"] and row["cells"][5:] == ["–", "–", "–", "–"]
    assert row["words"] == "complete" and row["notes"] == ["log: bird.csv"]


def test_the_row_says_what_the_run_and_its_images_are_called(record):
    record("bird", TIMM, model="my net", dataset="my photos")
    assert row_of(open_view("curves"), "bird")["cells"][-2:] == ["my net", "my photos"]


def test_what_no_shown_run_has_is_named_and_not_drawn(record):
    record("plain", LOSSES)
    app = open_view("curves", chart=["loss", "accuracy", "learning rate"])
    assert len(charts_of(app)) == 1
    for name in ("Accuracy", "Learning rate"):
        assert f"{name}: no run shown here has any." in said_by(app)


def test_where_no_chosen_chart_can_be_drawn_the_page_still_says_why(record):
    record("plain", LOSSES)
    app = open_view("curves", chart=["accuracy"])
    assert not charts_of(app) and "Accuracy: no run shown here has any." in said_by(app)


def test_a_run_that_lacks_what_another_has_is_named_below_the_charts(record):
    record("plain", LOSSES)
    record("bird", TIMM)
    app = open_view("curves")
    assert len(charts_of(app)) == 2 and "Accuracy: not known of plain." in said_by(app)


@pytest.mark.parametrize("view", ["mistakes", "layers", "trust", "compare"])
def test_every_other_view_says_that_the_run_has_curves_only_and_how_to_make_more_of_it(record, tmp_path, view):
    record("bird", TIMM)
    app = open_view(view, run="bird")
    assert [element.value for element in app.subheader] == ["Curves only"]
    assert "It has no images, predictions or model" in said_by(app)
    (code,) = app.code
    assert code.value.split("\n") == [
        f"sightline evaluate --predictions FILE --log {tmp_path}/bird.csv",
        f"sightline evaluate --model NAME --weights FILE --dataset SOURCE --log {tmp_path}/bird.csv",
    ]
    assert not app.button or all("training" not in button.key for button in app.button)


@pytest.mark.parametrize("view", ["mistakes", "layers", "trust"])
def test_pinned_beside_another_run_it_is_said_to_have_no_predictions(runs, record, view):
    complete(runs / "trained")
    record("bird", TIMM)
    app = open_view(view, run="trained", beside="bird")
    if view != "trust":
        assert "has no predictions that could be shown beside." in said_by(app)
    assert "tested on other images" not in said_by(app)


def test_compared_with_another_run_it_is_said_to_have_curves_only(runs, record):
    complete(runs / "trained")
    record("bird", TIMM)
    app = open_view("compare", run="trained", beside="bird")
    assert [element.value for element in app.subheader] == ["Curves only"]


def test_what_opens_is_a_run_with_images_where_there_is_one(runs, record):
    record("bird", TIMM)  # made today, and the other years ago
    assert run_list.default_run() == "bird"
    complete(runs / "trained", created="2020-01-01T00:00:00Z")
    assert run_list.default_run() == "trained"


def test_a_run_that_was_trained_elsewhere_is_never_resumed_here(runs):
    with RunWriter.create(runs / "curves", describe_curves({"epochs": 9})) as writer:
        writer.append_metrics({"epoch": 1, "train_loss": 1.0})
        said = said_by(open_view("curves", run="curves"))
        assert "training: epoch 1 of 9" in said and "curves" in said
    begin(runs / "evaluated", recipe={"weights": "net.pt", "epochs": 9}).__exit__()
    begin(runs / "exported", network="graph").__exit__()
    begin(runs / "ours").__exit__()
    assert {name: can_resume(Run(runs / name)) for name in ("curves", "evaluated", "exported", "ours")} == {
        "curves": False, "evaluated": False, "exported": False, "ours": True,
    }  # fmt: skip
    said = said_by(open_view("curves", run="curves"))
    assert "The training stopped before its end. It was trained elsewhere, and cannot go on here." in said


def test_a_model_with_a_log_beside_it_has_its_curves_and_the_accuracy_of_its_predictions(runs):
    complete(runs / "photos", recipe={"weights": "files/net.pt", "log": "files/log.csv"})
    file = runs / "photos" / "metrics.csv"
    file.write_text(file.read_text().split("\n")[0] + "\n1,2,,2,0.25,,\n2,1,,1,0.5,,\n")
    app = open_view("curves")
    row = row_of(app, "photos")
    assert charts_of(app) and "no training recorded" not in said_by(app)
    assert row["cells"][:4] == ["80.0 %", "50.0 % (2)", "–", "2"]  # of 60 images 48 are right
    assert row["figures"]["time"] == "–"
    assert row["notes"] == ["weights: net.pt, log: log.csv"]


def test_settings_are_compared_among_the_trainings_that_were_run_here(runs, record):
    record("bird", TIMM)
    complete(runs / "one", recipe={"epochs": 4, "seed": 0})
    complete(runs / "two", recipe={"epochs": 4, "seed": 1})
    assert list(row_of(open_view("curves"), "one")["figures"]) == [*COLUMNS, "seed"]


def test_a_run_that_is_being_recorded_is_followed(runs):
    with RunWriter.create(runs / "mine", describe_curves({})) as writer:
        assert "no epoch has ended yet" in said_by(open_view("curves"))
        writer.append_metrics({"epoch": 1, "train_loss": 1.0})
        assert charts_of(open_view("curves")) and row_of(open_view("curves"), "mine")["words"] == "training"
        writer.describe(replace(writer.record, state="complete"))
    assert row_of(open_view("curves"), "mine")["words"] == "complete"
