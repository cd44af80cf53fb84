"""Commands that another command starts, side by side, and waits for."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from sightline.explain.output import last_bar, last_words
from sightline.training.recipe import TrainingError

_LOOK = 0.2  # seconds between two looks at how far they are
_TAIL = 4096  # bytes of what one has said that are looked at


@dataclass
class _Command:
    process: "subprocess.Popen[bytes]"
    said: Path  # a pipe would fill and stop it

    @classmethod
    def start(cls, words: Sequence[str], said: Path, threads: int | None) -> "_Command":
        environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
        with said.open("wb") as stream:
            return cls(
                subprocess.Popen(
                    [sys.executable, "-m", *words], env=environment, stdout=subprocess.DEVNULL, stderr=stream
                ),
                said,
            )

    @property
    def last_lines(self) -> list[str]:
        with self.said.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
            return stream.read().decode(errors="replace").strip().replace("\r", "\n").splitlines()

    @property
    def share(self) -> float:
        """How far its main bar is, 0–1, which has no name: before it there are others, of decoding images."""
        bar = last_bar(self.last_lines)
        return 0.0 if bar.what else bar.share


def run_side_by_side(
    commands: Mapping[Path, Sequence[str]], at_once: int, what: str, threads: int | None = None
) -> None:
    """Run a command for each run, so many at once, and wait for all.

    commands: by run the module and its options. what: said by the bar that shows how far they are. threads: that each
    may compute with, where it has no option for it.
    Raises TrainingError, with their last words, where some failed. Whatever ends this ends them politely, as Ctrl-C
    does: a training keeps its finished epochs.
    """
    if not commands:
        return
    waiting = list(commands)
    running: dict[Path, _Command] = {}
    failed: dict[Path, str] = {}
    with TemporaryDirectory(prefix="sightline-") as folder, tqdm(desc=what, total=100 * len(waiting), unit="%") as bar:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    run = waiting.pop(0)
                    running[run] = _Command.start(commands[run], Path(folder, f"{len(waiting)}.log"), threads)
                time.sleep(_LOOK)
                for run, command in list(running.items()):
                    code = command.process.poll()
                    if code is not None:
                        del running[run]
                    if code:
                        failed[run] = last_words(code, command.last_lines)
                shares = len(commands) - len(waiting) - len(running) + sum(one.share for one in running.values())
                bar.update(max(0, round(100 * shares) - bar.n))
        finally:
            for command in running.values():
                command.process.terminate()
            for command in running.values():
                command.process.wait()
    if failed:
        raise TrainingError("; ".join(f"{run}: {words}" for run, words in failed.items()))
