"""Training images of patterns, ringleaders, and the lists that are made of them."""

import shutil

import numpy as np
import pytest

from sightline.run_store.hashes import weights_hash
from sightline.run_store.patterns import Attended, Pattern, Patterns, read_patterns, read_space, write_patterns
from sightline.run_store.run import Run


def pattern(number, taken_for, kind="pattern"):
    seen = Attended((200.0, 10.0, 10.0), 0.1, (0.5, 0.5), 0.1)
    return Pattern(number, kind, 4, 2, 2, 1.0, 0.3, 1.0, 0.1, 0.1, 0.01, 0.01, 0.9, taken_for, seen)


def patterns_of(run, *found):
    count = len(run.images())
    return Patterns("layer4", "gradcam", 2, weights_hash(run), found, np.full(count, -1), np.zeros(count, np.int8))


@pytest.fixture
def run(fabricated, tmp_path):
    return Run(shutil.copytree(fabricated, tmp_path / "run"))


def test_a_space_is_read_as_it_was_written_however_its_arrays_lie_in_memory(run):
    space = {"components": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(2, 3)), "mean": np.arange(6)[::2]}
    write_patterns(run, patterns_of(run), space)
    found = read_space(run, read_patterns(run))
    assert found["components"].tolist() == [[0, 1, 2], [3, 4, 5]] and found["mean"].tolist() == [0, 2, 4]
