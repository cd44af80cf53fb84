"""A training that was stopped goes on as if it never had been."""

from dataclasses import replace

import pytest
import torch

from run_store.maps import are_written
from run_store.run import CHECKPOINT_FILE, MODEL_FILE, RECORD_FILE, Run, RunError
from run_store.writer import RunWriter
from training.loop import Loop
from training.recipe import TrainConfig, TrainingError
from training.train import train


@pytest.fixture
def config(tiny_folder, data_dir, tmp_path):
    return TrainConfig(
        dataset=f"folder:{tiny_folder}",
        model="resnet18_narrow",
        epochs=3,
        batch_size=64,
        learning_rate=0.05,
        cutout=8,
        threads=1,
        run=tmp_path / "run",
    )


def interrupt(owner, method, monkeypatch, at_epoch=None):
    """Ctrl-C when `method` is called (in this epoch)."""
    original = getattr(owner, method)

    def stopped(self, epoch, *arguments):
        if at_epoch in (None, epoch):
            raise KeyboardInterrupt
        return original(self, epoch, *arguments)

    monkeypatch.setattr(owner, method, stopped)


def interrupted(config, owner, method, at_epoch=None):
    with pytest.MonkeyPatch.context() as patch:
        interrupt(owner, method, patch, at_epoch)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    return Run(config.run)


@pytest.mark.parametrize(("owner", "method", "at_epoch"), [(Loop, "train_epoch", 2), (RunWriter, "save_model", None)])
def test_a_resumed_run_ends_like_one_that_was_never_interrupted(config, tmp_path, owner, method, at_epoch):
    whole = Run(train(replace(config, run=tmp_path / "whole")))
    run = interrupted(config, owner, method, at_epoch)
    assert run.state == "interrupted"
    resumed = Run(train(replace(config, resume=True)))
    assert resumed.state == "complete"
    assert (resumed.path / MODEL_FILE).read_bytes() == (whole.path / MODEL_FILE).read_bytes()
    assert resumed.predictions().table.equals(whole.predictions().table)
    as_if_timeless = [[row._replace(seconds=0) for row in run.metrics()] for run in (resumed, whole)]
    assert as_if_timeless[0] == as_if_timeless[1]


def test_a_failed_run_is_resumed_after_its_last_good_epoch(config):
    run = interrupted(config, Loop, "train_epoch", 3)
    with RunWriter.reopen(run.path, run.record) as writer:
        writer.fail("No space left on device.")
    assert Run(train(replace(config, resume=True))).record.reason == ""
    assert [row.epoch for row in Run(config.run).metrics()] == [1, 2, 3]


def test_other_settings_are_refused_and_named(config):
    run = interrupted(config, Loop, "train_epoch", 2)
    before = {file.name: file.read_bytes() for file in run.path.iterdir()}
    with pytest.raises(TrainingError, match="epochs was 3, is 5.*resume it with the same ones"):
        train(replace(config, epochs=5, resume=True))
    assert {file.name: file.read_bytes() for file in run.path.iterdir()} == before


def test_maps_may_be_asked_for_when_a_run_goes_on_also_one_that_knew_no_such_option(config):
    run = interrupted(config, Loop, "train_epoch", 3)
    recipe = {name: value for name, value in run.record.recipe.items() if name != "maps"}
    (run.path / RECORD_FILE).write_text(replace(run.record, recipe=recipe).to_json())
    train(replace(config, resume=True, maps=True))
    assert are_written(Run(config.run), "gradcam", "layer4", "label")


def test_a_complete_run_and_one_without_a_finished_epoch_are_not_resumed(config, tiny_run):
    with pytest.raises(TrainingError, match="is complete, there is nothing to resume"):
        train(replace(config, run=tiny_run, resume=True))
    interrupted(config, Loop, "train_epoch", 1)
    with pytest.raises(RunError, match="has no finished epoch to go on from"):
        train(replace(config, resume=True))


def test_another_device_is_refused_since_its_arithmetic_differs(config):
    run = interrupted(config, Loop, "train_epoch", 2)
    (run.path / RECORD_FILE).write_text(replace(run.record, device="cuda").to_json())
    with pytest.raises(TrainingError, match="device was cuda, is cpu"):
        train(replace(config, resume=True))


def test_a_damaged_checkpoint_is_one_sentence(config):
    run = interrupted(config, Loop, "train_epoch", 2)
    (run.path / CHECKPOINT_FILE).write_bytes(b"other bytes")
    with pytest.raises(RunError, match="resume.pt is damaged; train the run again"):
        train(replace(config, resume=True))
    torch.save({"model": {}}, run.path / CHECKPOINT_FILE)
    with pytest.raises(TrainingError, match="resume.pt is damaged; train the run again"):
        train(replace(config, resume=True))


def test_resuming_needs_the_name_of_a_run():
    with pytest.raises(TrainingError, match="--resume needs the run"):
        train(TrainConfig(resume=True))
