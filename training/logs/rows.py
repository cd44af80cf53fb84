"""The lines of a log, whatever program wrote it, and those of a CSV or JSON file."""

import codecs
import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sightline.run_store.files import FileError, open_regular
from sightline.training.logs.columns import is_split, shown, understand

MOST_BYTES = 16 * 2**20  # of a text, whose lines take thirty times as much memory
OTHERS_KEPT = 1000
_RUN = ("run", "run_name", "experiment", "trial", "fold", "seed")
_SPLIT = ("phase", "split", "mode", "subset", "stage")
_TENSOR = re.compile(r"tensor\(([^,)]+).*\)")  # as Python writes one
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,2}):(\d\d)")
_NUMBERED = re.compile(r"(?:epoch)?[ _-]?(\d+)", re.I)
BETWEEN = " - "  # a run and a figure, as W&B names a column
_RANGE = ("__MIN", "__MAX")  # of what W&B has put together in one line

Row = dict[str, float]


@dataclass
class Rows:
    """The lines of a log: in each, the names that say something, with their numbers.

    others: names that say nothing. unread: lines that are none. Where the log is of several runs, those names that
    belong to one begin with its name and " - ".
    """

    rows: list[Row] = field(default_factory=list)
    others: dict[str, None] = field(default_factory=dict)
    unread: int = 0
    is_by_run: bool = False

    def add(self, cells: Mapping[str, Any]) -> None:
        """Take a line of names and values, which may be text."""
        numbers: Row = {}
        run = split = ""
        for name, value in cells.items():
            role = _role(name)
            if role == "run" and value is not None:
                run = f"{run} {value}".strip()
            elif role == "split" and isinstance(value, str) and is_split(value):
                split = value
            elif (number := parse_number(value)) is not None:
                if role == "figure":
                    numbers[name] = number
                else:
                    self.pass_over(name)
            self.is_by_run |= role == "range"
        if run or split:
            self.is_by_run |= bool(run)
            numbers = {_named(name, run, split): number for name, number in numbers.items()}
        if numbers:
            self.rows.append(numbers)

    def pass_over(self, name: str) -> None:
        """Keep the name of a column that says nothing."""
        if name and not name.endswith(_RANGE) and len(self.others) < OTHERS_KEPT:
            self.others[name] = None

    def of_one_run(self) -> list[Row]:
        """Return the lines with names of figures. Raises FileError where several runs have any."""
        if not self.is_by_run:
            return self.rows
        runs: dict[str, None] = {}
        for name in {name: None for row in self.rows for name in row}:
            run, _, figure = name.rpartition(BETWEEN)
            column = understand(figure)
            if run and column and column.quantity in ("loss", "accuracy", "error"):
                runs[run] = None
        if len(runs) > 1:
            raise FileError(f"holds {len(runs)} runs: {shown(list(runs))}; give a log of one")
        return [{name.rpartition(BETWEEN)[2]: value for name, value in row.items()} for row in self.rows]


@lru_cache(4096)
def _role(name: str) -> str:
    """Say what a column is for: "figure", "run", "split", "range", or "" for none of them."""
    if name.endswith(_RANGE):
        return "range"
    if name.lower() in _RUN:
        return "run"
    if name.lower() in _SPLIT:
        return "split"
    return "figure" if understand(name.rpartition(BETWEEN)[2]) else ""


def _named(name: str, run: str, split: str) -> str:
    """Return the name of a figure with that of the run and the images that its line is of."""
    column = understand(name)
    if split and column and not column.split and column.quantity not in ("epoch", "step"):
        name = f"{split}/{name}"
    return f"{run}{BETWEEN}{name}" if run else name


def parse_number(value: object) -> float | None:
    """Return a number that may be written as text, 93.4% as 0.934, 1:02:50 in seconds; None for what is none.

    >>> parse_number(" 1e-3 "), parse_number("93.4%"), parse_number("tensor(0.5, device='cuda:0')"), parse_number("")
    (0.001, 0.934, 0.5, None)
    """
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**53 else None
    if not isinstance(value, str) or not value or len(value) > 100:
        return None
    try:
        return float(value)
    except ValueError:
        text = _TENSOR.sub(r"\1", value.strip())
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return 3600 * hours + 60 * minutes + seconds
    with suppress(ValueError):
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    return None


def read_text(path: Path) -> Rows:
    """Read a CSV, JSON or JSON-lines file. Raises FileError for what is none; else OSError."""
    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise FileError(f"is larger than {MOST_BYTES // 2**20} MiB; give a log with fewer lines, such as one an epoch")
    with closing(open_regular(os.fspath(path), MOST_BYTES)) as stream:
        content = stream.read()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # PowerShell's
    if b"\0" in content[:4096] and not wide:
        raise FileError("is no text; a log is a CSV or JSON file, or an event file of TensorBoard")
    text = content.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    if not text.strip():
        raise FileError("is empty")
    try:
        return _read_json(text) if text.lstrip()[0] in "{[" else _read_csv(text)
    except RecursionError as error:
        raise FileError("is nested too deeply") from error


def _read_csv(text: str) -> Rows:
    found, header = Rows(), None
    lines = text.lstrip().lstrip("# ")
    first = lines.split("\n", 1)[0]
    delimiter = max(",;\t|", key=first.count)
    if delimiter not in first:
        delimiter = " "
    try:
        for cells in csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter, skipinitialspace=True):
            if not any(cells):
                continue
            if delimiter != ",":
                cells = [cell.replace(",", ".") for cell in cells]  # a decimal comma
            if header is None or (all(parse_number(cell) is None for cell in cells) and any(map(understand, cells))):
                header = [cell.strip() for cell in cells]  # again, where a training was resumed
            elif len(cells) != len(header):
                found.unread += 1
            else:
                found.add(dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise FileError(f"is no table ({error})") from error
    if header and all(parse_number(cell) is not None for cell in header):
        raise FileError("has no line with the names of its columns, which has to be the first")
    for name in header or ():
        if not understand(name):
            found.pass_over(name)
    return found


def _read_json(text: str) -> Rows:
    found = Rows()
    try:
        content = json.loads(text)
    except ValueError:  # a line each
        lines = list(_json_lines(text))
        found.unread = lines.count(None)
        entries: Iterable[Any] = [line for line in lines if line is not None]
    else:
        entries = _entries(content)
    for entry in entries:
        if isinstance(entry, dict):
            found.add(_flat(entry))
        else:
            found.unread += 1
    return found


def _json_lines(text: str) -> Iterator[Any]:
    for line in filter(str.strip, text.split("\n")):
        try:
            yield json.loads(line)
        except ValueError:
            yield None


def _entries(content: Any) -> list[Any]:
    """Return the lines of a JSON file: those of transformers, a list of them, or a list for each column."""
    if isinstance(content, dict) and isinstance(content.get("log_history"), list):
        history = content["log_history"]  # its last line is of the whole training
        return [line for line in history if not (isinstance(line, dict) and "train_runtime" in line)]
    if isinstance(content, dict) and isinstance(content.get("history"), dict | list):
        return _entries(content["history"])
    if (
        isinstance(content, dict)
        and content
        and all(isinstance(line, dict) and _NUMBERED.fullmatch(name) for name, line in content.items())
    ):
        return [{"epoch": _NUMBERED.sub(r"\1", name)} | line for name, line in content.items()]
    if isinstance(content, dict) and any(isinstance(values, list) for values in content.values()):
        columns = {name: values for name, values in content.items() if isinstance(values, list)}
        longest = max(map(len, columns.values()))
        return [
            {name: values[place] for name, values in columns.items() if place < len(values)} for place in range(longest)
        ]
    return content if isinstance(content, list) else [content]


def _flat(entry: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return {"val/loss": 1} for {"val": {"loss": 1}}."""
    flat: dict[str, Any] = {}
    for name, value in entry.items():
        flat |= _flat(value, f"{prefix}{name}/") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
