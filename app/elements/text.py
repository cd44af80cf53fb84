"""Other people's text (class names, run names, reasons) where Streamlit renders Markdown; numbers for people."""

import math
import re
from unicodedata import category, normalize

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_SHORTCODE = re.compile(r":(?=[\w+/-]+:)")  # :smile: and :material/home: are replaced after escapes are resolved
_WORD_JOINER = "\u2060"  # invisible, no width
_FORMULA = ("=", "+", "-", "@", "\u2212")  # what a formula begins with; also in full width, which becomes the same
_SEPARATORS = ("\t", "\r", "\n")  # what a spreadsheet may take for the end of a cell
_QUOTES = "\"'`\u2018\u2019\u201c\u201d"


def escape_markdown(text: str) -> str:
    """Return text that is shown literally: no Markdown, HTML, directive (`:red[x]`), formula, image, emoji or icon."""
    one_line = " ".join(text.split())
    return _PUNCTUATION.sub(r"\\\1", _SHORTCODE.sub(f":{_WORD_JOINER}", one_line))


def no_formula(text: str) -> str:
    """Return text that no spreadsheet runs as a formula, also where it leaves out what stands before the sign.

    >>> no_formula("=1+1"), no_formula(" ＝1"), no_formula("cat")
    ("'=1+1", "' ＝1", 'cat')
    """
    start = next((each for each in normalize("NFKC", text) if not _is_passed_over(each)), "")
    return f"'{text}" if start in _FORMULA or text[:1] in _SEPARATORS else text


def _is_passed_over(character: str) -> bool:
    """Tell whether a character may go unseen before a formula: spaces, quotes, and what is invisible."""
    return character in _QUOTES or category(character)[0] in "CZ"


def percent(share: float, digits: int = 1) -> str:
    """Write 0.934 as '93.4 %', NaN as '–'."""
    return "–" if share != share else f"{100 * share:.{digits}f} %"


def count(number: int) -> str:
    """Write 10000 as '10 000', with a space that does not break."""
    return f"{number:,}".replace(",", "\u202f")


def counted(number: int, noun: str) -> str:
    """Write '1 test image' for 1 and “test image”, '60 test images' for 60."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Write 3725 as '1 h 2 min', 75 as '1 min 15 s', 4.2 as '4.2 s'."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
