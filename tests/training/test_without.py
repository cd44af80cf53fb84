"""Trainings without some of their images: which are left out, how long they go on, and what the run says of it."""

from dataclasses import replace

import numpy as np
import pytest

from sightline.app.runs import trainings
from sightline.image_data import DataError, content_fingerprint
from sightline.run_store import files
from sightline.run_store.left_out import left_out
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.training import train as train_module
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig, TrainingError, same_steps, steps_per_epoch
from sightline.training.train import parse, train
from tests.training.test_resume import assert_same, interrupted


@pytest.fixture
def listed(tmp_path):
    """The first 60 of 128 training images, as prove writes them: the labels as the file of a person has them."""
    file = tmp_path / "list.csv"
    file.write_text("\n".join(["similarity,train_index", *(f"0.5,{index}" for index in range(60))]))
    return file


@pytest.fixture
def config(tiny_data, listed, tmp_path, monkeypatch):
    """Of two steps an epoch with all 128 images of `tiny_data`, of one with the 68 that are not listed."""
    monkeypatch.setattr(train_module, "load_image_data", lambda *_, **__: tiny_data)
    return TrainConfig(
        model="resnet18_narrow", epochs=2, batch_size=64, threads=1, device="cpu", learning_rate=0.05,
        run=tmp_path / "run", without=listed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("epochs", "batch_size", "images", "kept", "expected"),
    [
        (4, 32, 5000, 2802, 7),  # 156 steps an epoch, then 87
        (4, 32, 5000, 2222, 9),
        (4, 32, 5000, 5000, 4),
        (1, 32, 100, 99, 1),
        (3, 128, 1000, 100, 21),  # one batch of 100 is one step
        (3, 128, 100, 2, 3),
    ],
)
def test_the_epochs_rise_so_that_the_steps_stay(epochs, batch_size, images, kept, expected):
    config = TrainConfig(epochs=epochs, batch_size=batch_size)
    assert same_steps(config, images, kept) == replace(config, epochs=expected)
    steps = expected * steps_per_epoch(config, kept)
    assert abs(steps - epochs * steps_per_epoch(config, images)) <= steps_per_epoch(config, kept) / 2


def test_more_epochs_than_a_run_may_have_are_refused():
    with pytest.raises(
        TrainingError, match="20 epochs of 1,000,000 images are 156,240 epochs of 100.*be 20,000; leave"
    ):
        same_steps(TrainConfig(), 10**6, 100)


def test_the_images_of_the_list_are_left_out_and_the_run_says_so(config, tiny_data, listed):
    run = Run(train(config))
    train_split = tiny_data.train
    rest = (train_split.images[60:], train_split.labels[60:], train_split.class_names)
    assert run.record.fingerprints["train"] == content_fingerprint(*rest)
    assert run.record.fingerprints["test"] == content_fingerprint(
        tiny_data.test.images, tiny_data.test.labels, tiny_data.test.class_names
    )
    np.testing.assert_allclose(run.record.mean, rest[0].mean((0, 1, 2)) / 255, rtol=1e-9)
    assert run.record.image_counts == {"train": 68, "test": 64}
    recipe = run.record.recipe
    assert (recipe["without"], recipe["left_out"], recipe["epochs"], recipe["planned_epochs"]) == (
        str(listed),
        60,
        2,
        4,
    )
    assert run.record.planned_epochs == len(run.metrics()) == 4
    kept = (run.path / files.WITHOUT).read_text().splitlines()
    assert kept[:2] == ["train_index,similarity", "0,0.5"] and len(kept) == 61
    assert left_out(run).indices.tolist() == list(range(60))


def test_a_run_that_leaves_nothing_out_says_nothing_of_it(config):
    run = Run(train(replace(config, without=None, epochs=1)))
    assert not {"left_out", "planned_epochs"} & run.record.recipe.keys() and run.record.planned_epochs == 1
    assert not (run.path / files.WITHOUT).exists()


def test_the_schedule_and_the_resolution_follow_the_epochs_that_there_are(config):
    run = Run(train(replace(config, epochs=3, progressive=True, warmup=0)))
    assert run.record.planned_epochs == 6 and run.record.full_size_from == 5
    rates = [epoch.learning_rate for epoch in run.metrics()]
    np.testing.assert_allclose(rates, 0.05 * np.arange(6, 0, -1) / 6)  # one step an epoch


@pytest.mark.parametrize("again", ["with the list", "without it, as the page resumes"])
def test_a_resumed_run_keeps_its_list_and_the_epochs_that_it_planned(config, listed, tmp_path, monkeypatch, again):
    whole = Run(train(replace(config, run=tmp_path / "whole")))
    run = interrupted(config, 3)
    assert len(run.metrics()) == 2
    if again == "with the list":
        listed = listed.rename(tmp_path / "renamed.csv")
        train(replace(config, resume=True, without=listed))
    else:
        listed.unlink()
        options = trainings.options(run.record.recipe)
        assert "--epochs=2" in options and not any("without" in word for word in options)
        train(parse([*options, f"--run={run.path}", "--resume"]))
    assert_same(Run(run.path), whole)
    assert Run(run.path).record.recipe == whole.record.recipe | {"run": str(run.path)}
    assert (run.path / files.WITHOUT).read_bytes() == (whole.path / files.WITHOUT).read_bytes()


def test_another_list_or_a_lost_one_does_not_go_on(config, listed, tmp_path):
    run = interrupted(config, 2)
    other = tmp_path / "other.csv"
    other.write_text("1\n")
    with pytest.raises(TrainingError, match="left_out was 60, is 1, data was .*with the same ones"):
        train(replace(config, resume=True, without=other))
    (run.path / files.WITHOUT).unlink()
    with pytest.raises(RunError, match="name it: --without FILE"):
        train(replace(config, resume=True, without=None))
    train(replace(config, resume=True))
    assert left_out(Run(run.path)).indices.tolist() == list(range(60))


def test_a_run_without_a_list_is_not_resumed_with_one(config):
    interrupted(replace(config, without=None), 2)
    with pytest.raises(TrainingError, match="left_out was None, is 60"):
        train(replace(config, resume=True))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("128\n", "Image 128 is not in the training split, whose 128 images are numbered from 0 to 127"),
        ("5\n-1\n", "Image -1 is not in the training split"),
        ("train_index,label\n5,nonsense\n", "Image 5 of the training split is of the class '.*', and 'nonsense' in"),
        ("\n".join(map(str, range(127))), "Of 128 training images 1 would be left, and at least 2 are needed"),
        ("train_index\n", "lists no image"),
    ],
)  # fmt: skip
def test_a_list_that_does_not_fit_is_refused_before_there_is_a_run(config, listed, content, says):
    listed.write_text(content)
    with pytest.raises(DataError, match=f"list.csv (does not fit planted-shapes. )?{says}"):
        train(config)
    assert not config.run.exists()


def test_the_numbers_are_those_of_the_split_after_held_out_images_and_the_sentence_says_so(config, listed, monkeypatch):
    listed.write_text("127\n")
    with pytest.raises(DataError, match="does not fit planted-shapes less the 28 of --held-out. Image 127 .* 0 to 99"):
        train(replace(config, held_out=28))


def test_class_names_that_agree_are_taken_and_a_class_that_loses_all_its_images_is_named(
    config, tiny_data, listed, capsys
):
    split = tiny_data.train
    rows = np.flatnonzero(split.labels == 3)
    listed.write_text("\n".join(["train_index,label", *(f"{row},{split.class_names[3]}" for row in rows)]))
    run = Run(train(config))
    assert run.record.class_names == split.class_names and run.record.image_counts["train"] == 128 - len(rows)
    assert f"Warning: No training image is left of the class {split.class_names[3]}." in capsys.readouterr().err


def test_a_full_disk_at_the_list_fails_the_run_with_a_sentence(config, monkeypatch):
    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sightline.run_store.writer.RunWriter.save_left_out", disk_full)
    with pytest.raises(TrainingError, match="failed: No space left on device"):
        train(config)


def test_the_batches_hold_none_of_the_images_that_are_left_out(config, tiny_data, monkeypatch):
    seen = []
    monkeypatch.setattr(Loop, "train_epoch", lambda self, *_: seen.append(self.data.train) or 1 / 0)
    with pytest.raises(TrainingError, match="division by zero"):
        train(config)
    assert np.array_equal(seen[0].images[:], tiny_data.train.images[60:])
    assert np.array_equal(seen[0].masks, tiny_data.train.masks[60:])
