"""Take a data set out of a Python file of the user's own, `FILE.py:NAME`, which is run for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sightline.image_data.splits import DataError
from sightline.own_file import OwnFile, OwnFileError

_WHAT = "a data set of (image, label), a dict of them by split, or a class or function without arguments that makes one"


def own_data(file: Path, name: str) -> Mapping[str, Any]:
    """Run a file and return the data sets that it has by a name: by split, or under "" where there is one only.

    Raises DataError, with the line, where the file, or what it calls by the name, fails.
    """
    own = OwnFile(file)
    try:
        module = own.load()
    except OwnFileError as error:
        raise DataError(str(error)) from error
    if not hasattr(module, name):
        there = [each for each, value in vars(module).items() if each[0] != "_" and not isinstance(value, ModuleType)]
        raise DataError(f"{file} has no {name}, but {', '.join(there) or 'nothing'}; name {_WHAT}.")
    found = getattr(module, name)
    if isinstance(found, type) or (callable(found) and not hasattr(found, "__getitem__")):
        try:
            with own.importable():
                found = found()
        except (Exception, SystemExit) as error:
            raise DataError(
                f"{name} of {file} could not be made: {own.describe(error)} It is called without arguments: where it "
                f"needs some, write a function such as def data(): return {name}(…), and name that."
            ) from error
    if found is None:
        raise DataError(f"{name} of {file} gives None; it must give {_WHAT}.")
    if isinstance(found, Mapping) and not found:
        raise DataError(f"{name} of {file} is an empty dict; it must have a data set for each split.")
    return found if isinstance(found, Mapping) else {"": found}
