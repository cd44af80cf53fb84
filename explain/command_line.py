"""What commands share: how they end, with a sentence and no traceback, and names as options."""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from tyro.constructors import PrimitiveConstructorSpec

from sightline.explain.output import patient_output

DEBUG = "SIGHTLINE_DEBUG"  # an environment variable: set, an error also shows where in the code it came about


class UsageError(Exception):
    """A sentence for the user: which options do not go together, or which value an option may have."""


@contextmanager
def ending_in_a_sentence(*, interrupted: str, error_code: int = 1) -> Iterator[None]:
    """Exit with a sentence: `error_code` after an error, 2 after a UsageError, 130 and `interrupted` after Ctrl-C.

    What is printed inside never fails; where some was lost, that is said in the end, and it is an error.
    """
    with patient_output() as lost:
        try:
            yield
        except KeyboardInterrupt as interruption:  # raised with a sentence, it knows better where the work stood
            print(f"\nInterrupted: {interruption.args[0] if interruption.args else interrupted}", file=sys.stderr)
            sys.exit(130)
        except UsageError as error:
            _leave(f"Error: {error} See --help.", 2)
        except Exception as error:
            if os.environ.get(DEBUG):
                traceback.print_exc()
            _leave(f"Error: {sentence(error)}", error_code)
    if lost:
        _leave(f"Error: all is done, but not all of it could be printed: {one_line(lost[0])}", error_code)


def _leave(said: str, code: int) -> NoReturn:
    """Exit with a sentence on stderr."""
    if code == 1:
        sys.exit(said)  # whoever called `main` in this process has the sentence too
    print(said, file=sys.stderr)
    sys.exit(code)


def sentence(error: Exception) -> str:
    """Return what to tell the user of an error: ours are sentences, perhaps with a table; others have a line.

    An error that nobody foresaw is named with its type, and with the way to see where it came about.

    >>> sentence(KeyError("fc"))
    "KeyError: 'fc'; SIGHTLINE_DEBUG=1 shows where."
    """
    if type(error).__module__.startswith("sightline."):
        return str(error)
    line = one_line(error)
    if isinstance(error, (OSError, MemoryError)) or "memory" in line.lower():  # torch says it in several ways
        return line
    name = type(error).__name__
    what = name if line == name else f"{name}: {line.rstrip('.')}"
    return f"{what}; {DEBUG}=1 shows where."


def one_line(error: Exception) -> str:
    """Return one line for the user: torch and the operating system say more, or less.

    >>> one_line(FileNotFoundError(2, "No such file or directory", "photo.png"))
    'No such file or directory (photo.png).'
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})." if error.filename else f"{error.strerror}."
    return str(error).strip().split("\n")[0] or type(error).__name__


def names(*allowed: str) -> PrimitiveConstructorSpec[tuple[str, ...]]:
    """Return the type of an option of several names, separated by commas; of `allowed`, where there are any."""

    def read(words: list[str]) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(name.strip() for name in words[0].split(",")))
        for name in found:
            if allowed and name not in allowed:
                raise ValueError(f"Unknown name {name!r}; choose from: {', '.join(allowed)}.")
        return found

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME,NAME",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda found: [",".join(found)],
    )


def numbers() -> PrimitiveConstructorSpec[tuple[int, ...]]:
    """Return the type of an option of several whole numbers from 0 on, separated by commas."""

    def read(words: list[str]) -> tuple[int, ...]:
        found = [word.strip() for word in words[0].split(",")]
        for word in found:
            if not word.isdecimal():
                raise ValueError(f"{word!r} is no number; write numbers from 0 on, separated by commas: 3,17.")
        return tuple(dict.fromkeys(map(int, found)))

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="NUMBER,NUMBER",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda found: [",".join(map(str, found))],
    )


def whole(least: int, most: int) -> PrimitiveConstructorSpec[int]:
    """Return the type of an option of one whole number, from `least` to `most`."""

    def read(words: list[str]) -> int:
        if not words[0].isdecimal() or not least <= int(words[0]) <= most:
            raise ValueError(f"{words[0]!r} is no whole number from {least} to {most}.")
        return int(words[0])

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{least}–{most}",
        instance_from_str=read,
        is_instance=lambda value: value is None or isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    )


def name_of(allowed: Iterable[str]) -> PrimitiveConstructorSpec[str]:
    """Return the type of an option of one name, of those in `allowed`, which the help lists."""
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{{{','.join(allowed)}}}",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda name: [name],
        choices=tuple(allowed),
    )
