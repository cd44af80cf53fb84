"""Who works together, and what is said where processes cannot."""

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
