"""Commands that a page or a message shows for copying: names in them are other people's text."""

import shlex
from pathlib import Path


def command(*words: str | Path) -> str:
    """Write a command of Sightline for a shell, so that no word of it is anything but a word.

    Characters that show nothing, such as those that turn the direction of a line, become escapes of bash and zsh.

    >>> command("evaluate", "--run", Path("runs/my run; rm x"))
    "sightline evaluate --run 'runs/my run; rm x'"
    """
    return " ".join(["sightline", *map(quoted, words)])


def network_command(dataset: str, table: object) -> str:
    """Write the command that records a network on the images of a run of predictions alone.

    dataset, table: of that run; where the table names the images itself, the data set is yet to be named.

    >>> network_command("folder:photos", "scores.csv")
    'sightline evaluate --model NAME --weights FILE --dataset folder:photos'
    """
    source = "SOURCE" if dataset == str(table) else dataset
    return command("evaluate", "--model", "NAME", "--weights", "FILE", "--dataset", source)


def richer_commands(log: object) -> tuple[str, str]:
    """Return the commands that make a run of a log and predictions, or of a log and a model; None: a log not known."""
    curves = ("--log", str(log or "LOG"))
    model = ("--model", "NAME", "--weights", "FILE", "--dataset", "SOURCE")
    return command("evaluate", "--predictions", "FILE", *curves), command("evaluate", *model, *curves)


def quoted(name: str | Path) -> str:
    """Write a name as one word of a shell."""
    word = str(name)
    if word.isprintable():
        return shlex.quote(word)
    signs = (sign if sign.isprintable() and sign not in "\\'" else _escape(ord(sign)) for sign in word)
    return f"$'{''.join(signs)}'"


def _escape(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\U{code:08x}"
