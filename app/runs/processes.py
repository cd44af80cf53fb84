"""Commands that somebody starts on a page: each is a process of its own, of which there is one at a time for a key.

A key says what is done, and to which folder. `MOST` of them run at once; the others wait for a place, in the order in
which they were started. They end with the server.
"""

import os
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
from sightline.app.permissions import check_writable
from sightline.explain.output import ProgressBar, last_bar, last_words

MOST = 2  # processes at once: trainings and measurings together
ROOT = Path(sightline.__file__).resolve().parent.parent  # where a process finds the package, installed or not
Key = tuple[str, Path]
_STOPPED = (130, -signal.SIGTERM)  # exit codes of a command that was told to stop, after and before it listens
_TAIL = 4096  # bytes of what a process has said that are looked at


@lru_cache(1)
def _said_folder() -> "TemporaryDirectory[str]":
    """Make the folder of what the processes say; it goes with the server."""
    return TemporaryDirectory(prefix="sightline-", ignore_cleanup_errors=True)


@dataclass
class _Command:
    """What is run; of one that runs or has run its process, and the file of what it says; else why it could not."""

    words: list[str]
    process: "subprocess.Popen[bytes] | None" = None
    said: Path = Path(os.devnull)
    problem: str = ""
    is_told_to_stop: bool = False

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def is_waiting(self) -> bool:
        return self.process is None and not self.problem


_lock = threading.RLock()
_numbers = count()
_commands: dict[Key, _Command] = {}  # in the order in which they were started


def start(key: Key, module: str, *arguments: str) -> None:
    """Run python -m MODULE … as soon as there is a place, unless that of the same key runs or waits.

    Raises NotPermitted.
    """
    check_writable()
    with _lock:
        if is_running(key) or is_waiting(key):
            return
        _commands.pop(key, None)
        _commands[key] = _Command([sys.executable, "-m", module, *arguments])
        _fill_places()


def _fill_places() -> None:
    """Begin what waits, as long as there are places; called with the lock, at a start and at every end."""
    for command in list(_commands.values()):
        if command.is_waiting and running_count() < MOST:
            try:
                _begin(command)
            except (OSError, ValueError) as error:  # no memory is left, or a word that no command line holds
                command.problem = f"It could not be started ({error})."


def _begin(command: _Command) -> None:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command.said = Path(_said_folder().name, f"{next(_numbers)}.log")
    command.said.parent.mkdir(exist_ok=True)  # a system may clean up what has lain there for days
    with command.said.open("wb") as stream:
        # Safe: what lies in the folder in which the server was started must not take the place of a library.
        environment = os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
        process = subprocess.Popen(command.words, env=environment, stderr=stream)
    command.process = process
    threading.Thread(target=_await_end, args=(process,), name="process", daemon=True).start()


def _await_end(process: "subprocess.Popen[bytes]") -> None:
    process.wait()
    with _lock:
        _fill_places()


def stop(key: Key) -> None:
    """Interrupt the process, or forget the one that waits. Raises NotPermitted."""
    check_writable()
    _stop(key)


def stop_all() -> None:
    """Interrupt all processes, and forget those that wait: the server ends."""
    with _lock:
        for key in sorted(_commands, key=is_running):  # those that wait first: no place may become free for them
            _stop(key)


def _stop(key: Key) -> None:
    with _lock:
        if is_waiting(key):
            del _commands[key]
        elif is_running(key) and (process := _commands[key].process):
            _commands[key].is_told_to_stop = True
            process.terminate()


def is_running(key: Key) -> bool:
    """Tell whether the process of this key runs."""
    command = _commands.get(key)
    return command is not None and command.is_running


def is_stopping(key: Key) -> bool:
    """Tell whether the process of this key was told to stop, and still runs."""
    command = _commands.get(key)
    return command is not None and command.is_running and command.is_told_to_stop


def is_waiting(key: Key) -> bool:
    """Tell whether the process of this key waits for a place."""
    command = _commands.get(key)
    return command is not None and command.is_waiting


def running_count() -> int:
    """Return how many processes run."""
    return sum(command.is_running for command in list(_commands.values()))


def waiting_words() -> str:
    """Say what one that waits is waiting for."""
    number = running_count()
    return f"Waiting: {number} {'other runs' if number == 1 else 'others run'}"


def failure(key: Key) -> str:
    """Return the last words of a process that failed, else nothing."""
    command = _commands.get(key)
    if command is None or command.process is None:
        return command.problem if command else ""
    code = command.process.poll()
    return "" if code in (None, 0, *_STOPPED) else last_words(code, _said(key))


def folders(what: str) -> list[Path]:
    """List the folders to which this was done, or is being done."""
    return [folder for done, folder in list(_commands) if done == what]


def forget(key: Key) -> None:
    """Forget that a process failed."""
    with _lock:
        if not is_running(key) and not is_waiting(key):
            _commands.pop(key, None)


def progress(key: Key) -> ProgressBar:
    """Return what the last bar of its progress says."""
    return last_bar(_said(key))


def _said(key: Key) -> list[str]:
    """Return its last lines; none of one that is gone."""
    command = _commands.get(key)
    if command is None:
        return []
    try:
        with command.said.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            words = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return words.strip().replace("\r", "\n").splitlines()
