"""A training that was stopped goes on as if it never had been."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sightline.model_zoo import MODELS, ModelSpec
from sightline.run_store import files
from sightline.run_store.maps import are_written
from sightline.run_store.run import Run, list_runs
from sightline.run_store.writer import RunWriter
from sightline.training.evaluate import EvaluateConfig, evaluate
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig, TrainingError
from sightline.training.train import train
from tests.tiny_networks import Shared

WITH_DROPOUT = "torchvision:squeezenet1_1"


@pytest.fixture
def config(tiny_folder, data_dir, tmp_path):
    return TrainConfig(
        dataset=f"folder:{tiny_folder}",
        model="resnet18_narrow",
        epochs=3,
        batch_size=64,
        learning_rate=0.05,
        cutout=8,
        alternating_flip=True,
        mix="cutmix",
        threads=1,
        run=tmp_path / "run",
    )


def interrupted(config, epoch):
    """The run of a training that was ended by Ctrl-C in this epoch."""
    train_epoch = Loop.train_epoch

    def stopped(self, number, progress):
        if number == epoch:
            raise KeyboardInterrupt
        return train_epoch(self, number, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "train_epoch", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    return Run(config.run)


def all_files(run):
    return {file.relative_to(run.path) for file in run.path.rglob("*")}


def epochs(run):
    """The files of the weights of epochs, and what is in them."""
    return {file.name: file.read_bytes() for file in (run.path / files.EPOCHS).glob("*")}


def assert_same(run, other):
    """Complete, and equal in all but the seconds and what names the run."""
    assert run.state == "complete"
    assert (run.path / files.MODEL).read_bytes() == (other.path / files.MODEL).read_bytes()
    assert run.predictions().table.equals(other.predictions().table)
    assert epochs(run) == epochs(other)
    assert (run.path / files.HISTORY).read_bytes() == (other.path / files.HISTORY).read_bytes()
    assert [row._replace(seconds=0) for row in run.metrics()] == [row._replace(seconds=0) for row in other.metrics()]


@pytest.mark.parametrize(("model", "epoch"), [("resnet18_narrow", 1), ("resnet18_narrow", 2), (WITH_DROPOUT, 2)])
def test_a_resumed_run_ends_like_one_that_was_never_interrupted(config, tmp_path, model, epoch):
    config = replace(config, model=model, image_size=32)
    whole = Run(train(replace(config, run=tmp_path / "whole")))
    run = interrupted(config, epoch)
    assert run.state == "interrupted"
    assert_same(Run(train(replace(config, resume=True))), whole)


def test_a_network_with_one_tensor_under_several_names_trains_resumes_and_is_evaluated(config, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "shared", ModelSpec(Shared, layers=("first", "tied")))
    config = replace(config, model="shared")
    whole = Run(train(replace(config, run=tmp_path / "whole")))
    run = interrupted(config, 2)
    assert_same(Run(train(replace(config, resume=True))), whole)
    model = run.load_model()
    assert model.tied.weight is model.block.weight
    before = run.predictions()
    evaluate(EvaluateConfig(run.path))
    assert run.predictions().table.equals(before.table)


class Killed(BaseException):
    """As SIGKILL: nobody catches it, and no file is tidied away."""


def kill_at(write, patch):
    """End the process at its `write`-th write, when half of the bytes are in the temporary file, or in metrics.csv."""
    done = []
    whole, append = files.write_atomically, RunWriter.append_metrics

    def is_last():
        done.append(True)
        return len(done) == write

    def write_atomically(file, content):
        if is_last():
            content = content if isinstance(content, bytes) else b"".join(content)
            file.with_name(f".{file.name}.1234567").write_bytes(content[: len(content) // 2])
            raise Killed
        whole(file, content)

    def append_metrics(self, row):
        if is_last():
            with (self.path / files.METRICS).open("a") as stream:
                stream.write("1,2.")
            raise Killed
        append(self, row)

    patch.setattr(files, "write_atomically", write_atomically)
    patch.setattr(RunWriter, "append_metrics", append_metrics)
    return done


def test_a_training_killed_at_any_of_its_writes_leaves_a_run_that_opens_and_goes_on(config, tmp_path):
    config = replace(config, epochs=2, keep_epochs=2)
    with pytest.MonkeyPatch.context() as patch:
        writes = kill_at(0, patch)
        whole = Run(train(replace(config, run=tmp_path / "whole")))
    epochs = []
    for write in range(1, len(writes) + 1):
        killed = replace(config, run=tmp_path / f"killed-{write}", resume=True)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            kill_at(write, patch)
            train(killed)
        run = Run(killed.run)
        is_run = (run.path / files.RECORD).exists()
        assert (run in list_runs(tmp_path)) == is_run
        if is_run:
            epochs.append(len(run.metrics()))
            assert run.state == ("complete" if write == len(writes) else "interrupted")
        if write < len(writes):
            train(killed)
            assert all_files(run) == all_files(whole)
        assert_same(run, whole)
    assert epochs == sorted(epochs) and set(epochs) == {0, 1, 2}  # an epoch that is there stays


def test_a_run_from_before_there_was_a_history_begins_it_where_it_goes_on(config, tmp_path):
    whole = Run(train(replace(config, run=tmp_path / "whole"))).history()
    run = interrupted(config, 2)
    (run.path / files.HISTORY).unlink()
    train(replace(config, resume=True))
    found = run.history()
    assert found.epochs.tolist() == [2, 3]
    assert np.array_equal(found.predicted, whole.predicted[1:])
    assert np.array_equal(found.confidence, whole.confidence[1:])


def test_a_damaged_history_is_a_sentence_that_says_how_to_go_on(config):
    run = interrupted(config, 2)
    (run.path / files.HISTORY).write_bytes(b"other bytes")
    with pytest.raises(TrainingError, match="history.npz .* Remove it: the run then has no history"):
        train(replace(config, resume=True))
    (run.path / files.HISTORY).unlink()
    assert Run(train(replace(config, resume=True))).state == "complete"


def test_a_failed_run_is_resumed_after_its_last_good_epoch(config):
    run = interrupted(config, 3)
    with RunWriter.reopen(run.path, run.record) as writer:
        writer.fail("No space left on device.")
    assert Run(train(replace(config, resume=True))).record.reason == ""
    assert [row.epoch for row in Run(config.run).metrics()] == [1, 2, 3]


def test_other_settings_are_refused_and_named(config):
    run = interrupted(config, 2)
    before = {file.name: file.read_bytes() for file in run.path.iterdir()}
    with pytest.raises(TrainingError, match="epochs was 3, is 5.*resume it with the same ones"):
        train(replace(config, epochs=5, resume=True))
    assert {file.name: file.read_bytes() for file in run.path.iterdir()} == before


def test_maps_may_be_asked_for_when_a_run_goes_on_also_one_older_than_this_and_another_option(config):
    run = interrupted(config, 3)
    recipe = {name: value for name, value in run.record.recipe.items() if name not in ("maps", "warmup")}
    (run.path / files.RECORD).write_text(replace(run.record, recipe=recipe).to_json())
    train(replace(config, resume=True, maps=True))
    assert are_written(Run(config.run), "gradcam", "layer4", "label")


def test_a_complete_run_and_one_that_lost_its_checkpoint_are_not_resumed(config, tiny_run):
    with pytest.raises(TrainingError, match="is complete, there is nothing to resume"):
        train(replace(config, run=tiny_run, resume=True))
    run = interrupted(config, 2)
    (run.path / files.CHECKPOINT).unlink()
    with pytest.raises(TrainingError, match="run has lost its resume.pt; remove it and train it again"):
        train(replace(config, resume=True))
    assert len(run.metrics()) == 1


def test_another_device_is_refused_since_its_arithmetic_differs(config):
    run = interrupted(config, 2)
    (run.path / files.RECORD).write_text(replace(run.record, device="cuda").to_json())
    with pytest.raises(TrainingError, match="device was cuda, is cpu"):
        train(replace(config, resume=True))


def test_a_damaged_checkpoint_is_one_sentence(config):
    run = interrupted(config, 2)
    (run.path / files.CHECKPOINT).write_bytes(b"other bytes")
    with pytest.raises(TrainingError, match="resume.pt is damaged; train the run again"):
        train(replace(config, resume=True))
    torch.save({"model": {}}, run.path / files.CHECKPOINT)
    with pytest.raises(TrainingError, match="resume.pt is damaged; train the run again"):
        train(replace(config, resume=True))


def test_resuming_needs_the_name_of_a_run():
    with pytest.raises(TrainingError, match="--resume needs the run"):
        train(TrainConfig(resume=True))
