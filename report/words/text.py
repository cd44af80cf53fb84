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


def p_words(p_value: float) -> str:
    """Write 0.0312 as 'p = 0.031', what is smaller than 0.001 as 'p < 0.001'."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def after_words(epoch: int | None) -> str:
    """Write “ after epoch 3”, to be put behind the name of a run; nothing behind that of one as it ended."""
    return "" if epoch is None else f" after epoch {epoch}"


def duration(seconds: float) -> str:
    """Write 3725 as '1 h 2 min', 75 as '1 min 15 s', 4.2 as '4.2 s'."""
    if not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def about(seconds: float) -> str:
    """Write a time that is not known exactly: 2 as 'a few seconds', 28 as 'about 30 seconds', 170 as 'about 3 minutes'.

    >>> about(70), about(5000)
    ('about a minute', 'about 1.4 hours')
    """
    if seconds < 8:
        return "a few seconds"
    if seconds < 50:
        return f"about {10 * math.ceil(seconds / 10)} seconds"
    if seconds < 90:
        return "about a minute"
    return f"about {seconds / 60:.0f} minutes" if seconds < 3570 else f"about {seconds / 3600:.2g} hours"


def time_left(clock: str) -> str:
    """Write what a progress bar says is left, '02:50' or '1:02:50', in words; nothing where it does not know ('?').

    >>> time_left("02:50"), time_left("?")
    ('about 3 minutes left', '')
    """
    parts = clock.split(":")
    if not all(part.isdecimal() for part in parts):
        return ""
    return f"{about(sum(int(part) * 60**place for place, part in enumerate(reversed(parts))))} left"
