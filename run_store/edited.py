"""Tables in CSV that people may have edited, in whatever program."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from sightline.run_store.files import FileError


def edited_rows(stream: BinaryIO) -> Iterator[list[str]]:
    """Yield the cells of each row that is not empty, without the spaces around them.

    Raises FileError for what is no text in UTF-8, and, while it is gone through, for what is no table.
    """
    try:
        text = stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError("is not text in UTF-8; save it as CSV in UTF-8") from error
    delimiter = max(",;\t", key=text.partition("\n")[0].count)  # spreadsheets of some countries write semicolons
    return _rows(text, delimiter)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            if any(cells := [cell.strip() for cell in row]):
                yield cells
    except csv.Error as error:
        raise FileError(f"is no table in CSV ({error})") from error


def in_terminal(text: str) -> str:
    """Return the beginning of a text of a file with "?" for what a terminal or a page would obey."""
    return "".join(sign if sign.isprintable() else "?" for sign in text[:200])
