"""Commands that somebody starts on a page: each is a process of its own, of which there is one at a time for a key.

A key says what is done, and to which folder.

They end with the server.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import sightline
from sightline.explain.output import last_words

ROOT = Path(sightline.__file__).resolve().parent.parent  # where a process finds the package, installed or not
Key = tuple[str, Path]
_STOPPED = (130, -signal.SIGTERM)  # exit codes of a command that was told to stop, after and before it listens
_TAIL = 4096  # bytes of what a process has said that are looked at
_BAR = re.compile(r"(?:(?P<what>.*?): )?\s*(?P<percent>\d+)%\|.*?\[[\d:]+<(?P<left>[\d:?]+)")  # of tqdm


@dataclass(frozen=True)
class ProgressBar:
    """How far a command is. share: 0–1. left: time, as tqdm writes it; "?" where it is not known."""

    share: float = 0.0
    what: str = ""
    left: str = "?"


@lru_cache(1)
def _said_folder() -> "TemporaryDirectory[str]":
    """Make the folder of what the processes say; it goes with the server."""
    return TemporaryDirectory(prefix="sightline-", ignore_cleanup_errors=True)


_lock = threading.Lock()
_numbers = count()
_started: dict[Key, tuple["subprocess.Popen[bytes]", Path]] = {}


def start(key: Key, module: str, *arguments: str) -> None:
    """Run python -m MODULE …, unless the process of the same key still runs."""
    with _lock:
        if is_running(key):
            return
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", module, *arguments]
        said = Path(_said_folder().name, f"{next(_numbers)}.log")
        said.parent.mkdir(exist_ok=True)  # a system may clean up what has lain there for days
        with said.open("wb") as stream:
            # Safe: what lies in the folder in which the server was started must not take the place of a library.
            environment = os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
            process = subprocess.Popen(command, env=environment, stderr=stream)
        _started[key] = process, said


def stop(key: Key) -> None:
    """Interrupt the process."""
    if is_running(key):
        _started[key][0].terminate()


def stop_all() -> None:
    """Interrupt all processes."""
    for key in list(_started):
        stop(key)


def is_running(key: Key) -> bool:
    """Tell whether the process of this key runs."""
    return key in _started and _started[key][0].poll() is None


def failure(key: Key) -> str:
    """Return the last words of a process that failed, else nothing."""
    code = _started[key][0].poll() if key in _started else None
    return "" if code in (None, 0, *_STOPPED) else last_words(code, _said(key))


def folders(what: str) -> list[Path]:
    """List the folders to which this was done, or is being done."""
    return [folder for done, folder in list(_started) if done == what]


def forget(key: Key) -> None:
    """Forget that a process failed."""
    with _lock:
        if not is_running(key):
            _started.pop(key, None)


def progress(key: Key) -> ProgressBar:
    """Return what the last bar of its progress says."""
    for words in reversed(_said(key)):
        if found := _BAR.match(words):
            return ProgressBar(int(found["percent"]) / 100, (found["what"] or "").strip(), found["left"])
    return ProgressBar()


def _said(key: Key) -> list[str]:
    """Return its last lines."""
    try:
        with _started[key][1].open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            words = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return words.strip().replace("\r", "\n").splitlines()
