"""Event files are read by TensorBoard itself."""

from dataclasses import replace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sightline.run_store.run import Run
from sightline.training import recipe
from sightline.training.event_files import TAGS
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig, TrainingError
from sightline.training.train import train


def scalars(run):
    """By tag, epoch and value."""
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_shows_what_metrics_csv_holds_once_also_after_a_resumed_training(
    tiny_folder, data_dir, tmp_path, monkeypatch
):
    config = TrainConfig(f"folder:{tiny_folder}", "resnet18_narrow", 2, run=tmp_path / "run", tensorboard=True)
    config = replace(config, batch_size=64, threads=1)
    train_epoch = Loop.train_epoch

    def stopped(self, epoch, progress):
        if epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, epoch, progress)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Loop, "train_epoch", stopped)
        train(config)
    assert [epoch for epoch, _ in scalars(Run(config.run))["loss/train"]] == [1]
    run = Run(train(replace(config, resume=True)))
    found = scalars(run)
    assert set(found) == {"loss/train", "loss/test", "accuracy/train", "accuracy/test", "learning_rate", "seconds"}
    for name, tag in TAGS.items():
        written = [(epoch.epoch, getattr(epoch, name)) for epoch in run.metrics()]
        assert [step for step, _ in found[tag]] == [1, 2]
        assert found[tag] == [(step, pytest.approx(value, rel=1e-4)) for step, value in written]


def test_without_the_package_a_sentence_names_it(monkeypatch):
    monkeypatch.setattr(recipe, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match="pip install 'tensorboard>=2.20,<3'"):
        TrainConfig(tensorboard=True).check()
    TrainConfig().check()
