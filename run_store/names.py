"""Names that people give to runs: what a name may hold, and how long the name of a folder may be."""

import os
import unicodedata

from sightline.run_store.record import RunError

MOST_FOLDER_NAME = 255  # bytes, in most file systems

# Besides what is invisible and joins an emoji's parts or letters of Arabic: those change how the rest is read.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REFUSED = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories: control characters, halves of one, ends of line


def check_text(text: str, what: str, allowed: str = "") -> None:
    """Raise RunError for a character that cannot be seen and does something, unless it is one of `allowed`.

    what: what the text is, such as “The name of the run”.
    """
    for character in text:
        if character in _DIRECTIONS or (character not in allowed and unicodedata.category(character) in _REFUSED):
            raise RunError(
                f"{what} holds the invisible character U+{ord(character):04X}; leave it out, "
                "and use letters, digits, spaces and signs."
            )


def check_folder_name(name: str) -> None:
    """Raise RunError for what should not name the folder of a new run, or is too long for it."""
    check_text(name, "The name of the run")
    size = len(os.fsencode(name))
    if size > MOST_FOLDER_NAME:
        raise RunError(f"The name of the run has {size} bytes, of which a folder's name may have {MOST_FOLDER_NAME}.")
