"""The kinds of settings in the address: how each is read, checked and written."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from sightline.report.drawing.map_settings import CLASS_TARGET, TARGETS
from sightline.run_store.predictions import Columns, Condition, Range

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class RunFacts:
    """What the address's values are checked against, from a run's record."""

    class_names: tuple[str, ...]
    images: int  # in the test split
    epochs: Callable[[], Collection[int]] = tuple  # of its history, which is read only where it is asked for


@dataclass(frozen=True)
class Known:
    """The runs there are, by name, and the facts of the chosen one: None where it is not known what they are."""

    runs: Collection[str]
    chosen: RunFacts | None = None

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The class names of the chosen run, in the order of their codes."""
        return self.chosen.class_names if self.chosen else None

    @property
    def images(self) -> int | None:
        """How many images the test split of the chosen run has."""
        return self.chosen.images if self.chosen else None

    @property
    def epochs(self) -> Collection[int] | None:
        """The epochs after which the chosen run can be looked at."""
        return self.chosen.epochs() if self.chosen else None

    @property
    def targets(self) -> tuple[str, ...] | None:
        """What a map of the chosen run can explain."""
        return (*TARGETS, *(CLASS_TARGET + name for name in self.chosen.class_names)) if self.chosen else None


# What texts are allowed, or how to tell from what is known of the runs; None: any text is.
Allowed = Collection[str] | Callable[[Known], Collection[str] | None] | None


class Texts:
    """The texts of a query, and what of them was ignored, in words."""

    def __init__(self, query: Query, known: Known):
        self.query, self.known = query, known
        self.ignored: list[str] = []

    def of(self, key: str, allowed: Allowed = None) -> list[str]:
        """Return every text under `key` that is allowed, each once."""
        if key not in self.query:  # as most keys are not
            return []
        if callable(allowed):
            allowed = allowed(self.known)
        texts = dict.fromkeys(self.query[key])
        for text in texts:
            if allowed is not None and text not in allowed:
                self.ignore(key, text, "not found")
        return [text for text in texts if allowed is None or text in allowed]

    def ignore(self, key: str, text: str, why: str) -> None:
        """Note that this text was ignored."""
        shown = text if len(text) <= 40 else f"{text[:39]}…"
        self.ignored.append(f"{key} “{shown}” ({why})")


@dataclass(frozen=True)
class Parameter:
    """How a field stands in the address. keys: of the query. read: None where the query holds nothing that is allowed.

    narrows: whether another value makes another set of images.
    """

    keys: tuple[str, ...]
    read: Callable[[Texts], Any]
    write: Callable[[Any], Mapping[str, str | list[str]]]
    narrows: bool


def _row(
    key: str, read: Callable[[Texts], Any], write: Callable[[Any], str | list[str]], default: Any, narrows: bool
) -> Any:
    parameter = Parameter((key,), read, lambda value: {key: write(value)}, narrows)
    return field(default=default, metadata={"parameter": parameter})


def one(key: str, allowed: Allowed = None, default: str | None = None, *, narrows: bool = False) -> Any:
    """Describe a text; of several in the address the last counts."""

    def read(texts: Texts) -> str | None:
        return next(reversed(texts.of(key, allowed)), None)

    return _row(key, read, str, default, narrows)


def word(key: str, words: Collection[str], *, narrows: bool = False) -> Any:
    """Describe one of our own words, by default the first; in the address it is in small letters, its spaces dashes."""
    return _word(key, words, next(iter(words)), narrows)


def word_or_none(key: str, words: Collection[str], *, narrows: bool = False) -> Any:
    """Describe one of our own words, by default none of them."""
    return _word(key, words, None, narrows)


def _word(key: str, words: Collection[str], default: str | None, narrows: bool) -> Any:
    by_slug = {word.replace(" ", "-").lower(): word for word in words}
    slugs = {word: slug for slug, word in by_slug.items()}

    def read(texts: Texts) -> str | None:
        return next((by_slug[slug] for slug in reversed(texts.of(key, by_slug))), None)

    return _row(key, read, slugs.__getitem__, default, narrows)


def many(key: str, allowed: Allowed = None, default: tuple[str, ...] = ()) -> Any:
    """Describe several texts, in the order of the address."""
    return _row(key, lambda texts: tuple(texts.of(key, allowed)) or None, list, default, narrows=False)


def number(key: str, allowed: Collection[int] | Callable[[Known], Collection[int] | None], default: int | None) -> Any:
    """Describe a whole number, one of those allowed; None: any from 0 on."""

    def read(texts: Texts) -> int | None:
        found = texts.of(key)
        if not found:
            return None
        text, numbers = found[-1], allowed(texts.known) if callable(allowed) else allowed
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
        if number is None or (numbers is not None and number not in numbers):
            texts.ignore(key, text, _why_not(numbers))
            return None
        return number

    return _row(key, read, str, default, narrows=False)


def _why_not(numbers: Collection[int] | None) -> str:
    if numbers is None:
        return "not a number from 0"
    return f"not a number from 0 to {numbers[-1]}" if isinstance(numbers, range) and numbers else "not found"


def switch(key: str, word: str) -> Any:
    """Describe what is on where `word` stands under the key."""
    return _row(key, lambda texts: True if texts.of(key, (word,)) else None, lambda _: word, False, narrows=False)


def conditions() -> Any:
    """Describe what is asked of the columns of the predictions, which say themselves whether they have such columns."""
    parameter = Parameter(("range", "value"), _read_conditions, _write_conditions, narrows=True)
    return field(default=(), metadata={"parameter": parameter})


def _read_conditions(texts: Texts) -> Columns | None:
    found: dict[str, Condition] = {}
    for text in texts.of("range"):
        name, _, ends = text.partition(":")
        low, dots, high = ends.partition("..")
        try:
            asked = Range(float(low or -math.inf), float(high or math.inf))
        except ValueError:
            asked = Range(math.nan)
        if dots and asked.low <= asked.high:
            found[unquote(name)] = asked
        else:
            texts.ignore("range", text, "not a column and numbers, as in loss:0.5..2")
    for text in texts.of("value"):
        name, colon, word = text.partition(":")
        if colon:
            found[unquote(name)] = word
        else:
            texts.ignore("value", text, "not a column and a word, as in camera:left")
    return in_order(found) or None


def _write_conditions(columns: Columns) -> dict[str, str | list[str]]:
    ranges: list[str] = [f"{_quote(name)}:{_ends(asked)}" for name, asked in columns if isinstance(asked, Range)]
    values: list[str] = [f"{_quote(name)}:{asked}" for name, asked in columns if isinstance(asked, str)]
    return {key: texts for key, texts in (("range", ranges), ("value", values)) if texts}


def in_order(columns: Mapping[str, Condition]) -> Columns:
    """Sort what is asked of columns: ranges first, then by name."""
    return tuple(sorted(columns.items(), key=lambda pair: (isinstance(pair[1], str), pair[0])))


def _ends(asked: Range) -> str:
    return "..".join(f"{end:.12g}" if math.isfinite(end) else "" for end in (asked.low, asked.high))


def _quote(name: str) -> str:
    """Write the name of a column without a colon, which ends it in the address."""
    return name.replace("%", "%25").replace(":", "%3A")
