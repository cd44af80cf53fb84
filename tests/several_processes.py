"""Commands in several processes, as torchrun starts them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fabricated import ROOT

LONGEST = 120  # seconds until what is waited for has happened


@contextmanager
def torchrun(size: int, module: str, *arguments: object) -> Iterator[subprocess.Popen]:
    """Start a command in so many processes of one thread; those that are left in the end are killed."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", size, "-m", module]
    process = subprocess.Popen(
        [*map(str, command), "--", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def finished(process: subprocess.Popen) -> str:
    """Wait for the end, which must be a good one, and return all that the processes said."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def kill(process: subprocess.Popen, rank: int, when: Callable[[], bool]) -> str:
    """Kill the process of this rank once something has happened; the end must be a bad one. Returns what all said."""
    deadline = time.monotonic() + LONGEST
    while not when():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    os.kill(_worker(process.pid, rank), signal.SIGKILL)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    return said


def _worker(launcher: int, rank: int) -> int:
    """The process of this rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # ended meanwhile
            continue
        if parent == launcher and f"RANK={rank}".encode() in environment:
            return int(folder.name)
    raise LookupError(rank)
