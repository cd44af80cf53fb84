"""How every command ends: with a sentence, and no traceback for something the user can mend."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
    """One line for the user: torch and the operating system say more, or less."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})." if error.filename else f"{error.strerror}."
    return str(error).strip().split("\n")[0] or type(error).__name__
