"""What commands print, on any terminal, into pipes and files that take no more: how far they are, and their end."""

import io
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

CRASHES = ("SIGSEGV", "SIGABRT", "SIGFPE", "SIGBUS", "SIGILL")
_BAR = re.compile(r"(?:(?P<what>.*?): )?\s*(?P<percent>\d+)%\|.*?\[[\d:]+<(?P<left>[\d:?]+)")  # of tqdm


@dataclass(frozen=True)
class ProgressBar:
    """How far a command is. share: 0–1. left: time, as tqdm writes it; "?" where it is not known."""

    share: float = 0.0
    what: str = ""
    left: str = "?"


@contextmanager
def patient_output() -> Iterator[list[OSError]]:
    """Let stdout and stderr write what they can, and yield the error of what they could not.

    A character that the terminal has not is written as its escape, \\u732b; a pipe that nobody reads and a full disk
    lose the words.
    """
    lost: list[OSError] = []
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_patient(stream, lost) for stream in before)
    try:
        yield lost
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before


def last_bar(said: Sequence[str]) -> ProgressBar:
    """Return the last bar of its progress among the lines that a command said.

    >>> last_bar(["decoding:  25%|██▌       | 30/120 [00:01<00:03, 30.00image/s]", "Warning: slow"])
    ProgressBar(share=0.25, what='decoding', left='00:03')
    """
    for words in reversed(said):
        if found := _BAR.match(words):
            return ProgressBar(int(found["percent"]) / 100, (found["what"] or "").strip(), found["left"])
    return ProgressBar()


def last_words(exit_code: int, said: Sequence[str]) -> str:
    """Say why a command failed: by which signal it was killed, else the last of the lines that it said.

    >>> last_words(1, ["decoding", "Error: no space is left."]), last_words(-9, [])
    ('Error: no space is left.', 'It was killed (SIGKILL), perhaps because the memory was full.')
    """
    if exit_code >= 0:
        return said[-1] if said else "It stopped without a word."
    # What it said last, perhaps a bar, is not why it ended.
    name = next((number.name for number in signal.Signals if number == -exit_code), f"signal {-exit_code}")
    if name in CRASHES:
        return f"It crashed inside a library ({name})."
    return f"It was killed ({name}){', perhaps because the memory was full' * (name == 'SIGKILL')}."


def in_columns(lines: Sequence[Sequence[str]]) -> str:
    """Write lines of as many words each below one another.

    >>> print(in_columns([("layer", "verdict"), ("layer4.1", "supported")]))
    layer     verdict
    layer4.1  supported
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ((word.ljust(width) for word, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join("  ".join(words).rstrip() for words in padded)


class _Patient(io.FileIO):
    """An open file whose writing never fails."""

    def __init__(self, number: int, lost: list[OSError]):
        super().__init__(number, "wb", closefd=False)
        self.lost = lost

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError as error:
            self.lost[:] = self.lost or [error]  # the first says enough
            return len(content)


def _patient(stream: TextIO | None, lost: list[OSError]) -> TextIO:
    if stream is None:  # closed before the program began
        return open(os.devnull, "w")
    try:
        number = stream.fileno()
    except OSError:  # no file, but what the caller of `main` put in its place
        return stream
    raw = _Patient(number, lost)
    return io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=True)
