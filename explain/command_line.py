"""What commands share: how they end, with a sentence and no traceback, and names as options."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from tyro.constructors import PrimitiveConstructorSpec


@contextmanager
def ending_in_a_sentence(*errors: type[Exception], interrupted: str) -> Iterator[None]:
    """Exit with 1 and the sentence of one of `errors`, with 130 and `interrupted` after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt as interruption:  # raised with a sentence, it knows better where the work stood
        print(f"\nInterrupted: {interruption.args[0] if interruption.args else interrupted}", file=sys.stderr)
        sys.exit(130)
    except errors as error:
        is_ours = not isinstance(error, (OSError, RuntimeError, MemoryError))  # a sentence, perhaps with a table below
        sys.exit(f"Error: {error if is_ours else one_line(error)}")


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
