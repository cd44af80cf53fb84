"""Who works together, and what is said where processes cannot."""

import sys
import time

import pytest
import torch

from sightline.explain import precompute, world
from sightline.explain.world import World, WorldError


def test_the_processes_of_several_machines_are_refused(fabricated, call_main, monkeypatch):
    for name, value in {"RANK": 1, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}.items():
        monkeypatch.setenv(name, str(value))
    code, said = call_main(precompute, "--run", fabricated)
    assert code == 1 and said.startswith("Error: 2 processes on several machines cannot share") and "\n" not in said


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(WorldError, match="2 processes on this machine need a GPU each, and it has 1"):
        World(1, 2, 1, 2).joined(torch.device("cuda")).__enter__()


def test_one_that_finds_nothing_to_say_ends_as_by_ctrl_c(monkeypatch):
    monkeypatch.setattr(world, "PATIENCE", 0.01)
    with pytest.raises(KeyboardInterrupt):
        World(rank=1, size=2).interrupt()
        for _ in range(6000):
            time.sleep(0.01)


def test_one_that_is_alone_has_all_parts_and_waits_for_nobody():
    alone, values = World(), [slice(0, 2), slice(2, 3)]
    with alone.first_alone():
        alone.wait_for_all()
    assert alone.part(values) == alone.gather_all(values) == alone.share(values) == values
    assert [World(rank, 2).part(values) for rank in range(2)] == [values[:1], values[1:]]


@pytest.fixture
def left(monkeypatch):
    """A process that was connected: what it does last, in order."""
    done = []
    monkeypatch.setattr(world.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(world.dist, "destroy_process_group", lambda: done.append("goodbye"))
    monkeypatch.setattr(world.atexit, "_run_exitfuncs", lambda: done.append("exit functions"))
    monkeypatch.setattr(world.os, "_exit", done.append)
    return done


def test_one_that_has_done_its_work_says_goodbye_and_ends_before_its_interpreter_does(left):
    with World(0, 2).leaving():
        pass
    assert left == ["goodbye", "exit functions", 0]


@pytest.mark.parametrize(
    ("code", "expected", "said"), [("Error: it is lost.", 1, "Error: it is lost.\n"), (130, 130, "")]
)
def test_one_that_fails_says_why_and_waits_for_nobody(left, capsys, code, expected, said):
    with pytest.raises(SystemExit), World(0, 2).leaving():  # to go on after _exit is for this test only
        sys.exit(code)
    assert left == ["exit functions", expected] and capsys.readouterr().err == said


def test_one_that_has_talked_to_nobody_ends_as_any_program(left, monkeypatch):
    with World().leaving():
        pass
    monkeypatch.setattr(world.dist, "is_initialized", lambda: False)
    with pytest.raises(SystemExit, match="too few GPUs"), World(0, 2).leaving():
        sys.exit("too few GPUs")
    assert left == []
