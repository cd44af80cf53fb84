"""The demo, trained by a process of its own when somebody asks for it; it ends with the server."""

import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

ROOT = Path(__file__).parent.parent

_lock = threading.Lock()
_started: dict[Path, tuple["subprocess.Popen[bytes]", IO[bytes]]] = {}


def train_demo(runs: Path) -> None:
    """Train the two demo runs in this folder, unless that is being done."""
    with _lock:
        if is_training(runs):
            return
        errors = TemporaryFile()  # noqa: SIM115 (a with would close it before the process has written its last words)
        command = [sys.executable, "-m", "training.demo", "--runs", str(runs.absolute())]
        process = subprocess.Popen(command, cwd=ROOT, stderr=errors)
        _started[runs] = process, errors


def stop() -> None:
    """Interrupt what is being trained."""
    for process, _ in _started.values():
        process.terminate()  # nothing, where it has ended


def is_training(runs: Path) -> bool:
    return runs in _started and _started[runs][0].poll() is None


def failure(runs: Path) -> str:
    """The last words of a demo that failed, else empty."""
    if runs not in _started or not _started[runs][0].poll():
        return ""
    errors = _started[runs][1]
    errors.seek(0)
    words = errors.read().decode(errors="replace").strip().splitlines()
    return words[-1] if words else "It stopped without a word."
