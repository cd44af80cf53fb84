from pathlib import Path

import pytest
import tyro

from sightline.run_store.run import Run
from sightline.training import side_by_side
from sightline.training.demo import TRAIN, DemoConfig, train_demo
from sightline.training.recipe import TrainConfig, TrainingError


class FakeTraining:
    """Stands in for subprocess.Popen: makes the run directory and ends at once."""

    started: list[TrainConfig] = []
    asked: list[list[str]] = []
    returncode = 0

    def __init__(self, command, *, env, stdout, stderr):
        if command[2] != TRAIN:
            self.asked.append(command[2:])
            return
        config = tyro.cli(TrainConfig, args=command[3:])
        config.check()
        config.run.mkdir(parents=True)
        self.started.append(config)
        stderr.write(b"Warning: slow\nError: the disk is full\n")
        stderr.flush()

    def poll(self):
        return self.returncode


@pytest.fixture
def trainings(monkeypatch):
    monkeypatch.setattr(FakeTraining, "started", [])
    monkeypatch.setattr(FakeTraining, "asked", [])
    monkeypatch.setattr(side_by_side.subprocess, "Popen", FakeTraining)
    monkeypatch.setattr(side_by_side, "_LOOK", 0)
    return FakeTraining.started


def test_the_demo_trains_the_same_recipe_with_and_without_the_shortcut(tmp_path, trainings):
    runs = train_demo(DemoConfig(tmp_path, seed=3))
    assert runs == [tmp_path / "demo-honest", tmp_path / "demo-shortcut"]
    assert [config.dataset for config in trainings] == ["planted-shapes:honest", "planted-shapes:shortcut"]
    assert {(config.model, config.epochs, config.seed) for config in trainings} == {("resnet18_narrow", 4, 3)}
    commands = ("sightline.explain.patterns", "sightline.explain.influence")
    assert FakeTraining.asked == [[command, "--run", str(run)] for command in commands for run in runs]


@pytest.mark.parametrize("state", ["complete", "running"])
def test_a_run_that_is_there_or_under_way_is_not_trained_again(tmp_path, trainings, monkeypatch, state):
    for name in ("demo-honest", "demo-shortcut"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(Run, "state", property(lambda run: state))
    assert train_demo(DemoConfig(tmp_path)) == []
    assert trainings == []


def test_an_interrupted_demo_run_is_kept_and_trained_anew_beside_it(tmp_path, trainings, monkeypatch):
    (tmp_path / "demo-honest").mkdir()
    monkeypatch.setattr(Run, "state", property(lambda run: "interrupted"))
    train_demo(DemoConfig(tmp_path))
    assert (tmp_path / "demo-honest") not in [config.run for config in trainings]
    assert Path(tmp_path / "demo-honest-2") in [config.run for config in trainings]


def test_a_failed_training_is_reported_in_its_own_last_words(tmp_path, trainings, monkeypatch):
    monkeypatch.setattr(FakeTraining, "returncode", 1)
    with pytest.raises(TrainingError, match="demo-honest: Error: the disk is full"):
        train_demo(DemoConfig(tmp_path))
