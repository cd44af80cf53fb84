"""A training in several processes, as torchrun starts them: the same as in one, and its end when one is lost."""

from unittest.mock import Mock

import numpy as np
import pytest
from safetensors.numpy import load_file

from sightline.explain import world
from sightline.explain.world import World
from sightline.run_store import files
from sightline.run_store.left_out import left_out
from sightline.run_store.run import Run
from sightline.training.recipe import TrainingError
from sightline.training.train import parse, train
from tests.several_processes import finished, kill, torchrun

NO_BATCH_NORM = "timm:convnext_atto"
EPOCHS = 12  # so many that a process can be lost long before the last one


@pytest.fixture
def options(tiny_folder, data_dir, tmp_path):
    """Of the command line, for `tiny_folder`; the run is tmp_path / name."""

    def options(name, *others, model="resnet18_narrow", epochs=2):
        settings = ["--model", model, "--epochs", epochs, "--run", tmp_path / name, "--batch-size", 64, "--threads", 1]
        settings += ["--dataset", f"folder:{tiny_folder}", "--image-size", 32, "--precision", "float32"]
        return [*map(str, settings), "--learning-rate", "0.01", *others]

    return options


def in_one(arguments):
    """The run of a training in this process, which has loaded torch already."""
    return Run(train(parse(arguments)))


def in_two(arguments):
    """The run of a training in two processes, and all that they said."""
    with torchrun(2, "sightline.training.train", *arguments) as process:
        said = finished(process)
    return Run(parse(arguments).run), said


def largest_difference(run, other):
    weights, others = load_file(run.path / files.MODEL), load_file(other.path / files.MODEL)
    assert weights.keys() == others.keys()
    return max(abs(weights[name] - others[name]).max() for name in weights)


def test_without_batch_norm_two_processes_train_what_one_does(options, tmp_path):
    """Sums in another order, so rounding: float32 has 24 bits, and there are four steps."""
    (tmp_path / "list.csv").write_text("".join(f"{index}\n" for index in range(40)))
    others = ("--mix", "mixup", "--without", str(tmp_path / "list.csv"))
    one = in_one(options("one", *others, model=NO_BATCH_NORM))
    two, said = in_two(options("two", *others, model=NO_BATCH_NORM))
    assert largest_difference(one, two) < 1e-5
    assert said.count("epoch   1/4") == 1 and said.count("Done:") == 1  # only the first process speaks
    for mine, others in zip(two.metrics(), one.metrics(), strict=True):
        assert mine._replace(seconds=0) == pytest.approx(others._replace(seconds=0), rel=1e-4)
    assert (two.predictions().column("predicted") == one.predictions().column("predicted")).all()
    assert np.array_equal(two.history().predicted, one.history().predicted)
    assert len(left_out(two).indices) == two.record.recipe["left_out"] == 40 and two.record.planned_epochs == 4
    assert two.record.recipe["processes"] == 2 and "processes" not in one.record.recipe


def test_with_batch_norm_two_processes_come_near_and_go_on_as_one(options):
    """Each process normalises its own half of a batch, so that the runs differ by more than rounding."""
    one = in_one(options("one", epochs=4))
    two, _ = in_two(options("two", epochs=4))
    for mine, others in zip(two.metrics(), one.metrics(), strict=True):
        assert mine.learning_rate == others.learning_rate
        assert mine.train_loss == pytest.approx(others.train_loss, rel=0.1)
    assert 0 < largest_difference(one, two) < 0.2


@pytest.mark.parametrize("lost", [0, 1])
def test_a_process_that_dies_ends_the_run_which_another_number_of_processes_goes_on_with(options, tmp_path, lost):
    run = Run(tmp_path / "run")
    with torchrun(2, "sightline.training.train", *options("run", epochs=EPOCHS)) as process:
        said = kill(process, lost, when=lambda: (run.path / "metrics.csv").exists() and len(run.metrics()) >= 2)
    if lost == 1:
        assert run.state == "failed" and "another process of this command has ended" in run.record.reason
    else:  # nobody is left who could write why
        assert run.state == "interrupted" and "another process of this command has ended" in said
    before = run.metrics()
    assert 2 <= len(before) < EPOCHS
    resumed = in_one(options("run", "--resume", epochs=EPOCHS))
    assert (resumed.state, resumed.record.reason) == ("complete", "")
    assert resumed.metrics()[: len(before)] == before and len(resumed.metrics()) == EPOCHS


def test_a_batch_that_cannot_be_divided_is_refused_before_there_is_a_run(options, tmp_path, monkeypatch):
    """The processes need not talk to each other for that."""
    monkeypatch.setattr(World, "of_environment", lambda: World(0, 2, 0, 2))
    monkeypatch.setattr(world, "dist", Mock())
    with pytest.raises(TrainingError, match="--batch-size 63 cannot be divided among 2 processes"):
        train(parse(options("run", "--batch-size", "63")))
    assert not (tmp_path / "run").exists()
