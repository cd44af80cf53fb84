"""Trainings that the page starts, stops and resumes, through AppTest; and what the table says of a running one."""

import os
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sightline.app.runs import loaders, processes, trainings
from sightline.app.views.curves import run_table
from sightline.run_store import files
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.recipe import RECIPES, TrainConfig
from sightline.training.train import parse
from tests.app_pages import await_end, checked, edit_record, end_processes, open_page


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    yield tmp_path / "runs"
    end_processes("training")


@pytest.fixture
def interrupted(runs, tiny_run, data_dir):
    """As killed after its second and last epoch, before the predictions were written."""
    run = Run(Path(shutil.copytree(tiny_run, runs / "stopped")))
    (run.path / files.PREDICTIONS).unlink()
    edit_record(run.path, state="running")
    return run


@pytest.fixture
def calls(monkeypatch):
    """Instead of starting and stopping processes."""
    calls = []
    monkeypatch.setattr(processes, "start", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(processes, "stop", lambda *arguments: calls.append(arguments))
    return calls


def keys(app):
    return {button.key for button in app.button}


def form(app, **values):
    """Fill in the form that starts a training, by the labels of its fields, and send it."""
    fields = {field.label: field for field in (*app.text_input, *app.selectbox, *app.number_input)}
    for label, value in values.items():
        fields[label.replace("_", " ")].set_value(value)
    next(button for button in app.button if button.label == "Start").click()
    return checked(app.run())


def test_a_recorded_recipe_is_turned_back_into_the_options_it_came_from(tiny_run):
    run = Run(tiny_run)
    parsed = parse(trainings.options(run.record.recipe))
    dataset, precision = run.record.dataset, run.record.recipe["precision"]
    expected = TrainConfig(dataset, "resnet18_narrow", 2, batch_size=32, learning_rate=0.05, threads=1)
    assert parsed == replace(expected, precision=precision)
    named = replace(RECIPES["fast"], epochs=5, flip=False)
    assert parse(trainings.options(asdict(named))) == named
    flags = {"flip": False, "progressive": True, "held_out": 5, "resume": True, "run": "anything"}
    parsed = parse(trainings.options(flags))
    assert parsed == TrainConfig(flip=False, progressive=True, held_out=5)


def test_an_interrupted_training_is_really_resumed_to_its_end(interrupted, tiny_run):
    app = open_page(run="stopped")
    assert "training_stop" not in keys(app)
    app.button(key="training_resume").click().run()
    await_end(("training", interrupted.path))
    assert not processes.failure(("training", interrupted.path))
    run = Run(interrupted.path)
    assert run.state == run.record.state == "complete"
    assert run.predictions().table.equals(Run(tiny_run).predictions().table)
    assert not {"training_stop", "training_resume"} & keys(open_page(run="stopped"))


def test_the_page_of_an_interrupted_run_offers_to_resume_it(interrupted, calls):
    app = open_page("mistakes", run="stopped")
    app.button(key="training_resume").click().run()
    ((key, module, *options),) = calls
    assert (key, module) == (("training", interrupted.path), "sightline.training.train")
    assert options[-3:] == ["--run", str(interrupted.path), "--resume"]


def test_a_running_training_of_the_page_can_be_stopped_and_that_is_no_failure(interrupted, calls, monkeypatch):
    monkeypatch.setattr(processes, "is_running", lambda key: key == ("training", interrupted.path))
    app = open_page(run="stopped")
    assert "training_resume" not in keys(app)
    app.button(key="training_stop").click().run()
    assert calls == [(("training", interrupted.path),)]


def test_a_run_that_was_only_evaluated_or_is_complete_is_not_resumed(interrupted, tiny_run):
    assert not trainings.can_resume(Run(tiny_run))
    edit_record(interrupted.path, recipe={"weights": "somewhere"})
    assert "training_resume" not in keys(open_page("mistakes", run="stopped"))


def test_a_new_training_is_started_under_a_name_that_is_free(interrupted, runs, calls):
    app = open_page(state={"training_new": True})
    for name in ("", "stopped", "a/b", ".."):
        assert "no run has yet" in form(app, Name_of_the_run=name).error[0].value and not calls
    form(app, Images="folder:photos", Model="resnet18", Epochs=3, Name_of_the_run="first try")
    path = runs / "first try"
    options = ("--dataset", "folder:photos", "--model", "resnet18", "--epochs", "3", "--run", str(path))
    assert calls == [(("training", path), "sightline.training.train", *options)]


def test_a_training_that_fails_says_why_until_it_was_read(interrupted, runs):
    app = open_page(state={"training_new": True})
    form(app, Images="folder:no_such_folder", Name_of_the_run="lost")
    assert any("lost is starting" in caption.value for caption in app.caption)
    await_end(("training", runs / "lost"))
    app = open_page()
    assert app.error[0].value.startswith("lost: Error") and "no\\_such\\_folder" in app.error[0].value
    app.button(key="dismiss_lost").click().run()
    assert not checked(app).error and not open_page().error


@pytest.mark.parametrize(
    ("silence", "words"),
    [(0, "4 images/s, 1 min 0 s left"), (-60, "4 images/s, 1 min 0 s left"), (25, "4 images/s, 35.0 s left"),
     (90, "4 images/s, 0.0 s left"), (151, "no news for 2 min 31 s, an epoch took 30.0 s")],
)  # fmt: skip
def test_a_running_training_says_how_fast_it_is_and_a_stalled_one_that_it_is_silent(
    interrupted, monkeypatch, silence, words
):
    """120 training images, 30 seconds an epoch, one of three done; a clock that went backwards makes no difference."""
    record = replace(interrupted.record, image_counts={"train": 120, "test": 64}, recipe={"epochs": 3})
    with RunWriter.reopen(interrupted.path, record) as writer:
        row = {"epoch": 1, "train_loss": 2, "train_accuracy": 0.5, "test_loss": 2, "test_accuracy": 0.5}
        writer.restart([[*row.values(), 0.1, 30]])
        now = time.time()
        os.utime(interrupted.path / files.METRICS, (now, now))
        monkeypatch.setattr(run_table.time, "time", lambda: now + silence)
        (progress,) = run_table.read_progress(())
        assert loaders.status(interrupted).state == "running"
    assert run_table.state_words(progress) == f"training: epoch 1 of 3, {words}"
