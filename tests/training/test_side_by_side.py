"""Trainings that one command starts: how many at once, how far they are, and their ends."""

import re
from functools import partial
from pathlib import Path

import pytest
from tqdm import tqdm

from sightline.training import side_by_side
from sightline.training.recipe import TrainingError
from sightline.training.side_by_side import run_side_by_side


class Fake:
    """Stands in for subprocess.Popen: says what the first option stands for, and ends at its third poll."""

    SAYS = {
        "half": b"decoding:  90%|## | 9/10 [00:01<00:00, 9image/s]\r 50%|## | 5/10 [00:01<00:01, 5image/s]",
        "decoding": b"decoding:  90%|## | 9/10 [00:01<00:00, 9image/s]",
        "fails": b"Error: the loss is not finite.",
    }
    living = most = 0
    ended: list[str] = []

    def __init__(self, command, *, env, stdout, stderr):
        self.option, self.polls = command[-1], 0
        stderr.write(self.SAYS[self.option])
        stderr.flush()
        Fake.living += 1
        Fake.most = max(Fake.most, Fake.living)

    def poll(self):
        self.polls += 1
        if self.polls < 3:
            return None
        Fake.living -= 1
        return int(self.option == "fails")

    def terminate(self):
        Fake.ended.append(self.option)

    def wait(self):
        pass


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    for name, value in (("living", 0), ("most", 0), ("ended", [])):
        monkeypatch.setattr(Fake, name, value)
    monkeypatch.setattr(side_by_side.subprocess, "Popen", Fake)
    monkeypatch.setattr(side_by_side, "_LOOK", 0)


def runs(*options):
    return {Path(f"run-{number}"): [option] for number, option in enumerate(options)}


@pytest.mark.parametrize("at_once", [1, 2])
def test_as_many_run_at_once_as_may(at_once):
    run_side_by_side(runs("half", "half", "half"), at_once, "training")
    assert Fake.most == at_once and Fake.ended == []


def test_the_bar_counts_the_epochs_and_not_the_decoding(capsys, monkeypatch):
    monkeypatch.setattr(side_by_side, "tqdm", partial(tqdm, mininterval=0))
    run_side_by_side(runs("half", "decoding"), 2, "training again")
    shares = [int(found) for found in re.findall(r"training again: +(\d+)%\|", capsys.readouterr().err)]
    assert sorted({*shares}) == [0, 25, 100]


def test_one_that_fails_is_told_in_its_own_words_when_the_others_have_ended():
    with pytest.raises(TrainingError, match=r"^run-0: Error: the loss is not finite\.$"):
        run_side_by_side(runs("fails", "half"), 2, "training")
    assert Fake.living == 0


def test_ctrl_c_ends_those_that_run(monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(side_by_side.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_side_by_side(runs("half", "half", "half"), 2, "training")
    assert Fake.ended == ["half", "half"]
