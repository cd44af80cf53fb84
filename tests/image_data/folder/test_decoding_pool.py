"""Many files are decoded by worker processes, to the pixels that one thread would give."""

import errno
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest

from sightline.image_data.folder import decoding_pool
from sightline.image_data.folder.decoding_pool import PROCESSES_FROM, DecodingPool, decode_batch

start = subprocess.Popen


@pytest.fixture
def files(folder):
    """Twelve images, and one that is broken."""
    (folder / "train" / "cat" / "broken.png").write_bytes(b"x")
    return sorted(map(str, folder.glob("*/*/*.png")))


@pytest.mark.parametrize(
    "popen",
    [
        start,
        lambda _, **pipes: start([sys.executable, "-c", "raise SystemExit(1)"], **pipes),
        OSError(errno.EAGAIN, "Resource temporarily unavailable"),
    ],
    ids=["work", "die", "cannot be started"],
)
def test_worker_processes_decode_as_this_one_does_also_where_they_fail(files, monkeypatch, popen):
    starting = Mock(side_effect=popen)
    monkeypatch.setattr(subprocess, "Popen", starting)
    monkeypatch.setattr(decoding_pool, "BATCH", 2)
    with DecodingPool(PROCESSES_FROM, workers=2) as pool:
        batches = list(pool.decode(files, 16))
    expected = decode_batch(files, 16)
    assert np.array_equal(np.concatenate([batch.images for batch in batches]), expected.images)
    assert [failure for batch in batches for failure in batch.failures.values()] == list(expected.failures.values())
    assert starting.call_count == 2


def test_few_files_start_no_process(files, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    with DecodingPool(PROCESSES_FROM - 1, workers=2) as pool:
        (batch,) = pool.decode(files, 16)
    assert len(batch.images) == 12 and list(batch.failures) == [files.index(f) for f in files if "broken" in f]
