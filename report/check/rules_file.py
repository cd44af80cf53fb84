"""Read the rules file of a check: TOML, with a table a rule. Its errors name the line."""

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from sightline.report.check.result import visible
from sightline.report.check.rules import RULES, Rule
from sightline.run_store.files import FileError, open_regular

MOST_BYTES = 64 * 2**10


class RulesError(Exception):
    """A sentence for the user: what is wrong in the rules file, in which line, and what is allowed."""


def read_rules(file: Path) -> dict[str, Rule]:
    """Return the rules that a file names, in the order of RULES. Raises RulesError."""
    text = _read(file)
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        why = str(error).rstrip(".") if isinstance(error, ValueError) else "it is nested too deeply"
        raise RulesError(f"{file} is no TOML: {visible(why)}.") from error
    if not tables:
        raise RulesError(f"{file} names no rule; give a table for each, such as [accuracy], of: {', '.join(RULES)}.")
    for name, table in tables.items():
        where = f"{file}, line {_line(text, (name,))}"
        if name not in RULES:
            raise RulesError(f"{where}: there is no rule {visible(name)!r}; choose from: {', '.join(RULES)}.")
        if not isinstance(table, dict):
            raise RulesError(f"{where}: {name} must be a table; write [{name}], and its keys below it.")
        _check(name, table, file, text)
    return {
        name: rule(**{key: tuple(value) if isinstance(value, list) else value for key, value in tables[name].items()})
        for name, rule in RULES.items()
        if name in tables
    }


def _read(file: Path) -> str:
    """Return the text of the file. Raises RulesError."""
    try:
        with open_regular(str(file), MOST_BYTES) as stream:
            content = stream.read()
    except FileError as error:
        raise RulesError(f"The rules file {file} {error}.") from error
    except OSError as error:
        raise RulesError(f"The rules file {file} cannot be read ({error.strerror}).") from error
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RulesError(f"{file}, line {line}: this is not text in UTF-8; save it so.") from error


def _check(name: str, table: Mapping[str, Any], file: Path, text: str) -> None:
    """Raise RulesError for a key that the rule has not, or a value that the key does not take."""
    known: dict[str, Field[Any]] = {key.name: key for key in fields(RULES[name])}
    for key, value in table.items():
        where = f"{file}, line {_line(text, (name, key))}"
        if key not in known:
            raise RulesError(f"{where}: {name} has no key {visible(key)!r}; choose from: {', '.join(known)}.")
        allowed = known[key].metadata["values"]
        if not allowed.allow(value):
            raise RulesError(f"{where}: {name}.{key} must be {allowed.words}, not {visible(repr(value))[:80]}.")


def _line(text: str, path: tuple[str, ...]) -> int:
    """Return the line, from 1, in which what a path names ends: the first up to which the file has it."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            with suppress(tomllib.TOMLDecodeError):  # it ends inside a value of several lines
                found: Any = tomllib.loads("\n".join(lines[:number]))
                for name in path:
                    found = found.get(name) if isinstance(found, dict) else None
                if found is not None:
                    return number
    return len(lines)
