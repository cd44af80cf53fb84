"""Text in tables to take along, of which no cell is a formula: names in them are other people's."""

from unicodedata import category, normalize

_FORMULA = ("=", "+", "-", "@", "\u2212")  # what a formula begins with; also in full width, which becomes the same
_SEPARATORS = ("\t", "\r", "\n")  # what a spreadsheet may take for the end of a cell
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"


def no_formula(text: str) -> str:
    """Return text that no spreadsheet runs as a formula, also where it leaves out what stands before the sign.

    >>> no_formula("=1+1"), no_formula(" ＝1"), no_formula("cat")
    ("'=1+1", "' ＝1", 'cat')
    """
    start = next((each for each in normalize("NFKC", text) if not _is_passed_over(each)), "")
    return f"'{text}" if start in _FORMULA or text[:1] in _SEPARATORS else text


def without_guard(cell: str) -> str:
    """Return the text that `no_formula` made this cell of.

    >>> without_guard("'=1+1"), without_guard("'cat")
    ('=1+1', "'cat")
    """
    return cell[1:] if cell[:1] == "'" and no_formula(cell[1:]) == cell else cell


def _is_passed_over(character: str) -> bool:
    """Tell whether a character may go unseen before a formula: spaces, quotes, and what is invisible."""
    return character in _QUOTES or category(character)[0] in "CZ"
