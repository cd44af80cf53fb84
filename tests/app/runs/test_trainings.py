"""Trainings that the page starts, stops and resumes, through AppTest; and what the table says of a running one."""

import os
import shutil
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from sightline.app.permissions import NotPermitted
from sightline.app.runs import demo, loaders, notes, processes, trainings
from sightline.app.views.curves import run_panel, run_table
from sightline.run_store import files
from sightline.run_store.note import RunNote
from sightline.run_store.run import Run
from sightline.run_store.training_options import OPTIONS
from sightline.run_store.writer import RunWriter
from sightline.training.recipe import RECIPES, TrainConfig
from sightline.training.train import parse
from tests.app_pages import await_end, charts_of, checked, edit_record, end_processes, open_page, rows_of


@pytest.fixture
def runs(tmp_path, monkeypatch, tiny_folder):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SIGHTLINE_DATASETS", os.pathsep.join((str(tmp_path / "images"), str(tiny_folder))))
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


def control_of(name):
    """What the row of a run offers to do about its training."""
    return rows_of(open_page())[name]["control"]


def form(app, **values):
    """Open the form that starts a training, fill it in, and send it."""
    app.session_state["training_new"] = True
    app.run()
    return send(app, **values)


def send(app, **values):
    """Fill in the form that is open, by the labels of its fields, and send it."""
    fields = {field.label: field for field in (*app.text_input, *app.selectbox, *app.number_input)}
    for label, value in values.items():
        fields[label.replace("_", " ")].set_value(value)
    next(button for button in app.button if button.label == "Start").click()
    return checked(app.run())


def test_a_recorded_recipe_is_turned_back_into_the_options_it_came_from(tiny_run, runs):
    run = Run(tiny_run)
    parsed = parse(trainings.options(run.record.recipe))
    dataset, precision = run.record.dataset, run.record.recipe["precision"]
    expected = TrainConfig(dataset, "resnet18_narrow", 2, batch_size=32, learning_rate=0.05, threads=1)
    assert parsed == replace(expected, precision=precision)
    named = replace(RECIPES["fast"], epochs=5, flip=False)
    assert parse(trainings.options(asdict(named))) == named
    flags = {"flip": False, "progressive": True, "held_out": 5, "resume": True, "run": "anything", "no_such": 1}
    parsed = parse(trainings.options(flags))
    assert parsed == TrainConfig(flip=False, progressive=True, held_out=5)
    assert {"run", "resume", "without", *OPTIONS} == {field.name for field in fields(TrainConfig)}


def test_no_value_of_a_recipe_is_taken_for_an_option():
    words = trainings.options({"model": "--run", "mix": "-h", "device": "cpu --resume", "seed": "1\n--maps"})
    assert words == ["--model=--run", "--seed=1\n--maps", "--device=cpu --resume", "--mix=-h"]
    assert parse(["--model=--run"]).model == "--run"


@pytest.mark.parametrize("epochs", [1001, 10**9, 0, "20", [1], None])
def test_a_recipe_of_too_many_epochs_is_not_trained_here(epochs):
    with pytest.raises(NotPermitted, match="1 to 1,000 epochs.*sightline train --epochs N"):
        trainings.options({"epochs": epochs})
    with pytest.raises(NotPermitted, match="1 to 1,000 epochs"):
        trainings.options({"epochs": 20, "planned_epochs": epochs})
    assert trainings.options({"epochs": 1000, "planned_epochs": 1000}) == ["--epochs=1000"]


@pytest.mark.parametrize("kept", [21, -1, "5", None])
def test_a_recipe_that_keeps_too_many_weights_is_not_trained_here(kept):
    with pytest.raises(NotPermitted, match="at most 20 epochs, since they take room.*sightline train --keep-epochs N"):
        trainings.options({"keep_epochs": kept})
    assert trainings.options({"keep_epochs": 20}) == ["--keep-epochs=20"]


def test_an_interrupted_training_is_really_resumed_to_its_end(interrupted, tiny_run):
    assert control_of("stopped") == "resume" and run_panel.act("resume", interrupted) == ""
    await_end(("training", interrupted.path))
    assert not processes.failure(("training", interrupted.path))
    run = Run(interrupted.path)
    assert run.state == run.record.state == "complete"
    assert run.predictions().table.equals(Run(tiny_run).predictions().table)
    assert control_of("stopped") == ""


def test_the_page_of_an_interrupted_run_offers_to_resume_it(interrupted, calls):
    app = open_page("mistakes", run="stopped")
    app.button(key="training_resume").click().run()
    ((key, module, *options),) = calls
    assert (key, module) == (("training", interrupted.path), "sightline.training.train")
    assert options[-2:] == [f"--run={interrupted.path}", "--resume"]


def test_a_running_training_of_the_page_can_be_stopped_and_that_is_no_failure(interrupted, calls, monkeypatch):
    monkeypatch.setattr(processes, "is_running", lambda key: key == ("training", interrupted.path))
    assert control_of("stopped") == "stop" and run_panel.act("stop", interrupted) == ""
    assert calls == [(("training", interrupted.path),)]


def test_a_training_that_was_told_to_stop_says_so_at_once(interrupted, monkeypatch):
    monkeypatch.setattr(processes, "is_running", lambda key: key == ("training", interrupted.path))
    monkeypatch.setattr(processes, "is_stopping", lambda key: key == ("training", interrupted.path))
    assert control_of("stopped") == "stopping"
    button = open_page("mistakes", run="stopped").button(key="training_stop")
    assert button.label == "Stopping …" and button.disabled


def test_a_run_of_the_demo_is_stopped_with_the_demo(runs, interrupted, calls, monkeypatch):
    run = Run(interrupted.path.rename(runs / "demo-honest"))
    monkeypatch.setattr(processes, "is_running", lambda key: key == ("demo", runs))
    assert trainings.control(run) == ("resume", "")  # it is not the demo that made it
    with RunWriter.reopen(run.path, run.record):
        assert trainings.control(run) == ("stop", "")
        trainings.stop(run)
    assert calls == [(("demo", runs),)]


def test_a_run_that_was_only_evaluated_or_is_complete_is_not_resumed(interrupted, tiny_run):
    assert not trainings.can_resume(Run(tiny_run))
    edit_record(interrupted.path, recipe={"weights": "somewhere"})
    assert "training_resume" not in keys(open_page("mistakes", run="stopped"))


def test_a_new_training_is_started_under_a_name_that_is_free(interrupted, runs, calls):
    app = open_page(state={"training_new": True})
    for name in ("", "stopped", "a/b", ".."):
        assert "no run has yet" in form(app, Name_of_the_run=name).error[0].value and not calls
    images = runs.parent / "images"
    form(app, Images=f"folder:{images}", Model="resnet18", Epochs=3, Name_of_the_run="first try")
    assert not app.text_input  # it closes after it acted
    path = runs / "first try"
    options = (f"--dataset=folder:{images}", "--model=resnet18", "--epochs=3", f"--run={path}")
    assert calls == [(("training", path), "sightline.training.train", *options)]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a\0b", "U+0000"),
        ("a\u202eb", "U+202E"),
        ("a\u2066b", "U+2066"),
        ("a\x1bb", "U+001B"),
        ("😀" * 90, "360 bytes"),
    ],
)
def test_a_name_that_no_folder_should_have_is_refused_in_a_sentence(interrupted, runs, calls, name, says):
    app = form(open_page(), Name_of_the_run=name)
    assert says in app.error[0].value.replace("\\", "") and not calls
    form(app, Name_of_the_run="Größe 👩‍👧 2")
    assert calls[0][0] == ("training", runs / "Größe 👩‍👧 2")


def test_a_page_trains_on_what_lies_below_the_named_folders_only_wherever_links_lead(interrupted, runs, calls):
    images, secret = runs.parent / "images", runs.parent / "secret"
    for folder in (images / "good", secret):
        folder.mkdir(parents=True)
    (images / "link").symlink_to(secret)
    (images / "circle").symlink_to(images / "circle")
    (secret / "back").symlink_to(images)
    app = open_page(state={"training_new": True})
    for path in (secret, "/", "/etc", images / "..", images / "link", images / "link" / "x", images / "circle",
                 f"{images}2", ".", "~", "none", "a\0b"):  # fmt: skip
        error = form(app, Images=f"folder:{path}").error[0].value.replace("\\", "")
        assert f"below {images}, " in error and "sightline show --datasets DIR" in error, path
    assert "Unknown data set" in form(app, Images="file:x").error[0].value
    assert "Nobody has the home folder" in form(app, Images="folder:~nobody-of-this-name/x").error[0].value
    assert not calls
    for number, path in enumerate((images / "good", images / "to come", secret / "back" / "good"), 1):
        form(app, Images=f"folder:{path}", Name_of_the_run=f"run {number}")
        assert calls[-1][2] == f"--dataset=folder:{path}"
    form(app, Images="planted-shapes:shortcut", Name_of_the_run="shapes")
    assert calls[-1][2] == "--dataset=planted-shapes:shortcut"


def test_without_named_folders_it_is_the_one_in_which_the_server_works(runs, monkeypatch):
    monkeypatch.delenv("SIGHTLINE_DATASETS")
    monkeypatch.chdir(runs.parent)
    assert trainings.options({"dataset": "folder:photos"}) == ["--dataset=folder:photos"]
    with pytest.raises(NotPermitted):
        trainings.options({"dataset": "folder:../photos"})


def test_images_that_a_run_brings_with_it_are_not_trained_on_unless_their_folder_was_named(interrupted, monkeypatch):
    """They may be links to others: run/train/a -> /home/somebody/pictures."""
    monkeypatch.chdir(interrupted.path.parent.parent)
    monkeypatch.delenv("SIGHTLINE_DATASETS")
    recipe = {"dataset": "folder:runs/stopped/images"}
    edit_record(interrupted.path, recipe=interrupted.record.recipe | recipe)
    with pytest.raises(NotPermitted, match="no images below the folder of runs"):
        trainings.resume(Run(interrupted.path))
    monkeypatch.setenv("SIGHTLINE_DATASETS", "runs")
    assert trainings.options(recipe) == ["--dataset=folder:runs/stopped/images"]


def test_more_epochs_than_a_page_trains_are_refused_in_a_sentence(interrupted, calls):
    app = form(open_page(), Epochs=1001)
    assert "keeps others waiting" in app.error[0].value and not calls
    assert checked(app.run()).error  # as the table does every few seconds
    assert not form(app, Epochs=10).error and calls


@pytest.mark.parametrize(
    "recipe",
    [
        {"dataset": "folder:/etc"}, {"dataset": "csv:/etc/table.csv"}, {"dataset": "npz:/etc/set.npz"},
        {"dataset": "hf:/etc"}, {"dataset": "runs/own.py:data"}, {"pretrained": "/etc/passwd"}, {"pretrained": 5},
        {"epochs": 10**9},
    ],
)  # fmt: skip
def test_the_run_of_a_stranger_that_asks_for_too_much_is_not_resumed_and_says_why(interrupted, calls, recipe):
    edit_record(interrupted.path, recipe=interrupted.record.recipe | recipe)
    button = open_page("mistakes", run="stopped").button(key="training_resume")
    row, said = rows_of(open_page(run="stopped"))["stopped"], run_panel.act("resume", Run(interrupted.path))
    assert button.disabled and row["why_not"] == said
    assert any(word in said and word in button.help for word in ("below", "epochs", "program"))
    assert not calls


def test_a_training_that_waits_says_so_and_can_be_taken_back(interrupted, runs, monkeypatch):
    monkeypatch.setattr(processes, "MOST", 0)
    app = form(open_page(), Name_of_the_run="new")
    assert any(caption.value == "new · Waiting: 0 others run" for caption in app.caption)
    assert "no run has yet" in form(app, Name_of_the_run="new").error[0].value
    app = open_page("mistakes", run="stopped")
    app.button(key="training_resume").click().run()
    assert control_of("stopped") == "cancel"
    assert checked(app).button(key="training_stop").label == "Cancel training"
    app.button(key="training_stop").click().run()
    assert "training_resume" in keys(app)
    app = open_page()
    app.button(key="training_news_stop_new").click().run()
    assert not any("Waiting" in caption.value for caption in checked(app).caption)
    assert not processes.folders("training")


def test_where_visitors_only_look_nothing_is_trained_renamed_or_measured(interrupted, tiny_run, runs, monkeypatch):
    shutil.copytree(tiny_run, runs / "complete")
    monkeypatch.setenv("SIGHTLINE_READ_ONLY", "1")
    app = open_page(run="stopped", state={"training_new": True, "runs_table_form": ("rename", "stopped")})
    assert len(charts_of(app)) == 2
    assert [(row["control"], row["menu"]) for row in rows_of(app).values()] == [("", []), ("", [])]
    assert not [button for button in app.button if button.label in ("Start", "Save")] and not app.text_input
    assert "training_resume" not in keys(open_page("mistakes", run="stopped"))
    for view in ("trust", "layers"):
        app = open_page(view, run="complete")
        assert f"{view}_measure_button" not in keys(app)
        assert any("whoever hosts it can measure" in caption.value for caption in app.caption)
        assert any(code.value.startswith("sightline quality") for code in app.code)
    assert open_page("layers", run="complete").file_uploader  # an upload belongs to its session alone
    for does in ("resume", "stop", "cancel", "hide", "archive"):  # whatever the page has offered
        assert "This server only shows runs" in run_panel.act(does, interrupted)
    with pytest.raises(NotPermitted):
        notes.save(interrupted, RunNote("another name"))
    assert not (interrupted.path / files.NOTE).exists()


def test_where_visitors_only_look_and_there_is_no_run_the_page_says_so(runs, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_READ_ONLY", "1")
    app = open_page()
    assert "whoever hosts it can put some there" in app.markdown[-1].value and not app.button
    with pytest.raises(NotPermitted):
        demo.train_demo(runs)


def test_a_training_that_fails_says_why_until_it_was_read(interrupted, runs):
    app = open_page(state={"training_new": True})
    form(app, Images=f"folder:{runs.parent}/images/no_such_folder", Name_of_the_run="lost")
    assert any("lost is starting" in caption.value for caption in app.caption)
    await_end(("training", runs / "lost"))
    app = open_page()
    assert app.error[0].value.startswith("lost: Error") and "no\\_such\\_folder" in app.error[0].value
    app.button(key="dismiss_lost").click().run()
    assert not checked(app).error and not open_page().error


def open_form(name):
    return open_page(state={"runs_table_form": ("duplicate", name)})


def test_a_run_is_trained_once_more_with_changes_under_a_free_name(interrupted, runs, calls):
    recipe = asdict(TrainConfig("planted-shapes:honest", "resnet18_narrow", 3, learning_rate=0.04, mix="mixup"))
    edit_record(interrupted.path, recipe=recipe | {"run": "elsewhere", "precision": "float32", "planned_epochs": 3})
    edit_record(interrupted.path, dataset="planted-shapes:shortcut")  # which a recipe may misname
    app = open_form("stopped")
    assert {field.label: field.value for field in (*app.text_input, *app.number_input)} == {
        "Images": "planted-shapes:shortcut", "Name of the run": "stopped-2", "Epochs": 3, "Batch size": 128,
        "Learning rate": 0.04, "Seed": 0, "CPU threads": None, "Image side": None, "Held out": None, "Epochs kept": 0,
    }  # fmt: skip
    send(app, Images="planted-shapes", Epochs=5, Batch_size=64, Learning_rate=0.02, Held_out=100, CPU_threads=2)
    ((key, module, *words),) = calls
    assert (key, module) == (("training", runs / "stopped-2"), "sightline.training.train")
    expected = TrainConfig(
        "planted-shapes", "resnet18_narrow", 5, batch_size=64, learning_rate=0.02, mix="mixup", precision="float32",
        held_out=100, threads=2, run=runs / "stopped-2",
    )  # fmt: skip
    assert parse(words) == expected
    assert not app.number_input  # the form is closed


def test_what_is_duplicated_is_checked_as_any_training_of_the_page(interrupted, runs, calls):
    for values, says in (
        ({"Images": "folder:/etc"}, "sightline show --datasets DIR"),
        ({"Images": "own.py:data"}, "No page reads a data set that is a program"),
        ({"Name_of_the_run": "stopped"}, "no run has yet"),
        ({"Name_of_the_run": "a/b"}, "no run has yet"),
    ):
        app = send(open_form("stopped"), **values)
        assert says in app.error[0].value.replace("\\", "") and not calls
        assert says in app.run().error[0].value.replace("\\", "")  # all is drawn every few seconds


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"recipe": {"weights": "somewhere"}}, "This run was trained elsewhere"),
        ({"network": "graph"}, "This run was trained elsewhere"),
        ({"recipe": {"without": "list.csv"}}, "trained without some of its training images"),
        ({"recipe": {"left_out": 7}}, "trained without some of its training images"),
    ],
)
def test_a_run_that_no_page_can_train_once_more_says_why(interrupted, changes, says):
    edit_record(interrupted.path, **changes)
    app = open_form("stopped")
    assert says in app.info[0].value and not app.number_input


def test_a_stranger_s_recipe_fills_no_field_with_what_it_cannot_hold(interrupted, calls):
    odd = {"epochs": "many", "batch_size": 1, "learning_rate": 10**400, "seed": -1, "threads": [2], "held_out": True}
    edit_record(interrupted.path, recipe=odd)
    app = open_form("stopped")
    assert [field.value for field in app.number_input] == [1, 2, 1e-9, 0, None, None, None, 0]


@pytest.mark.parametrize(
    ("silence", "words"),
    [(0, "4 images/s, 1 min 0 s left"), (-60, "4 images/s, 1 min 0 s left"), (25, "4 images/s, 35.0 s left"),
     (90, "4 images/s, 0.0 s left"), (151, "no news for 2 min 31 s, an epoch took 30.0 s")],
)  # fmt: skip
def test_a_running_training_says_how_fast_it_is_and_a_stalled_one_that_it_is_silent(
    interrupted, monkeypatch, silence, words
):
    """120 training images, 30 seconds an epoch, one of three done; a clock that went backwards makes no difference."""
    record = replace(
        interrupted.record, image_counts={"train": 120, "test": 64}, recipe={"epochs": 2, "planned_epochs": 3}
    )
    with RunWriter.reopen(interrupted.path, record) as writer:
        row = {"epoch": 1, "train_loss": 2, "train_accuracy": 0.5, "test_loss": 2, "test_accuracy": 0.5}
        writer.restart([[*row.values(), 0.1, 30]])
        now = time.time()
        os.utime(interrupted.path / files.METRICS, (now, now))
        monkeypatch.setattr(run_table.time, "time", lambda: now + silence)
        (progress,) = run_table.read_progress(())
        assert loaders.status(interrupted).state == "running"
    assert run_table.state_words(progress) == f"training: epoch 1 of 3, {words}"
