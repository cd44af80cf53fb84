"""Take a data set out of a Python file of the user's own, `FILE.py:NAME`, which is run for it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

from sightline.image_data.splits import DataError

_WHAT = "a data set of (image, label), a dict of them by split, or a class or function without arguments that makes one"


def own_data(file: Path, name: str) -> Mapping[str, Any]:
    """Run a file and return the data sets that it has by a name: by split, or under "" where there is one only.

    Raises DataError, with the line, where the file, or what it calls by the name, fails.
    """
    module = _run(file)
    if not hasattr(module, name):
        there = [each for each, value in vars(module).items() if each[0] != "_" and not isinstance(value, ModuleType)]
        raise DataError(f"{file} has no {name}, but {', '.join(there) or 'nothing'}; name {_WHAT}.")
    found = getattr(module, name)
    if isinstance(found, type) or (callable(found) and not hasattr(found, "__getitem__")):
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise DataError(
                f"{name} of {file} could not be made ({_described(file, error)}). It is called without arguments: "
                f"where it needs some, write a function such as def data(): return {name}(…), and name that."
            ) from error
    if found is None:
        raise DataError(f"{name} of {file} gives None; it must give {_WHAT}.")
    if isinstance(found, Mapping) and not found:
        raise DataError(f"{name} of {file} is an empty dict; it must have a data set for each split.")
    return found if isinstance(found, Mapping) else {"": found}


def _run(file: Path) -> ModuleType:
    if not file.is_file():
        raise DataError(f"There is no file {file}; FILE.py:NAME names {_WHAT} in a Python file.")
    spec = util.spec_from_file_location(f"sightline_own_data_{file.stem}", file.resolve())
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = util.module_from_spec(spec)
    path, arguments = list(sys.path), sys.argv
    sys.modules[spec.name] = module  # what pickles or resolves annotations looks it up
    sys.path.insert(0, str(file.resolve().parent))
    sys.argv = [str(file)]  # our options are none of its own
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise DataError(f"{file} could not be run ({_described(file, error)}).") from error
    finally:
        sys.path[:], sys.argv = path, arguments
    return module


def _described(file: Path, error: BaseException) -> str:
    """Say what an error was, and in which line of the file."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file.resolve())
    ]
    said = str(error)
    if isinstance(error, SyntaxError):
        lines, said = [error.lineno], error.msg
    words = (said.strip().splitlines() or [""])[0][:200]
    return f"{type(error).__name__}{f' in line {lines[-1]}' if lines else ''}{f': {words}' if words else ''}"
