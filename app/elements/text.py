"""Other people's text (class names, run names, reasons) where Streamlit renders Markdown; numbers for people."""

import math
import re

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_SHORTCODE = re.compile(r":(?=[\w+/-]+:)")  # :smile: and :material/home: are replaced after escapes are resolved
_WORD_JOINER = "\u2060"  # invisible, no width


def escape_markdown(text: str) -> str:
    """Return text that is shown literally: no Markdown, HTML, directive (`:red[x]`), formula, image, emoji or icon."""
    one_line = " ".join(text.split())
    return _PUNCTUATION.sub(r"\\\1", _SHORTCODE.sub(f":{_WORD_JOINER}", one_line))


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
