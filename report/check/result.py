"""What a rule found."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["passed", "failed", "cannot be judged"]
PASSED, FAILED, UNKNOWN = 0, 1, 2  # exit codes
SIGNIFICANT = 0.05  # a p-value below it is called more than chance
MOST_NAMED = 3  # classes and patterns that a sentence names
_JOINERS = "\u200c\u200d"  # invisible, and parts of emoji and of words in Arabic and Indian scripts


@dataclass(frozen=True)
class Result:
    """What a rule found; plain texts that may hold names of a run.

    rule: its table in the rules file. asked: what the rule asks for. found: a sentence or two, with figures.
    """

    rule: str
    asked: str
    outcome: Outcome
    found: str


Found = tuple[Outcome, str]  # how a rule ended, and what was found


def exit_code(results: Sequence[Result]) -> int:
    """Return FAILED where a rule failed, else UNKNOWN where one cannot be judged, else PASSED."""
    outcomes = {result.outcome for result in results}
    return FAILED if "failed" in outcomes else UNKNOWN if "cannot be judged" in outcomes else PASSED


def counts_words(results: Sequence[Result]) -> str:
    """Say how many rules have each outcome, the worst first: '1 failed, 4 passed'."""
    outcomes = [result.outcome for result in results]
    order: tuple[Outcome, ...] = ("failed", "cannot be judged", "passed")
    return ", ".join(f"{outcomes.count(one)} {one}" for one in order if one in outcomes)


def outcome_of(is_broken: bool) -> Outcome:
    """Return how a rule ends that is broken, or not."""
    return "failed" if is_broken else "passed"


def listed(described: Sequence[str]) -> str:
    """Join the first MOST_NAMED descriptions, and count the others."""
    more = len(described) - MOST_NAMED
    return "; ".join([*described[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])])


def visible(text: str) -> str:
    r"""Return text on one line in which every character shows: others become their escapes, as \x1b.

    So it moves no terminal's cursor, turns no line around, and can stand in XML.

    >>> visible("a\x1b[31m\u202eb\nc")
    'a\\x1b[31m\\u202eb c'
    """
    one_line = " ".join(text.split("\n"))
    return "".join(sign if _shows(sign) else ascii(sign)[1:-1] for sign in one_line)


def _shows(sign: str) -> bool:
    is_space = unicodedata.category(sign) == "Zs"  # also of another width than the usual one
    return sign.isprintable() or sign in _JOINERS or is_space
