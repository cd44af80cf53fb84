"""What mistakes share: a card a pattern, with its most confident mistakes under their maps."""

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from markupsafe import Markup

from sightline.report.asked import Asked
from sightline.report.drawing.means import averaged, cells_of_map, colours_of_split, map_urls, means, why_no_maps
from sightline.report.drawing.pattern_card import card_html, pattern_facts
from sightline.report.drawing.pictures import data_url
from sightline.report.drawing.subject import Subject, split_image
from sightline.report.sections.section import Facts
from sightline.report.words.patterns import HARD_CLASSES, found_words, how_words, nothing_words
from sightline.run_store.patterns import Kind, Pattern, Patterns, read_patterns
from sightline.run_store.thumbnails import thumbnail

MOST_CARDS, MOST_HARD = 12, 4  # of patterns, and of hard classes


@dataclass(frozen=True)
class Mistake:
    """A mistake of a pattern: addresses of its picture and of the map over it; "": there is none."""

    subject: Subject
    picture: str
    map: str


@dataclass(frozen=True)
class Card:
    """What is said of a pattern, and its most confident mistakes."""

    content: Markup
    number: int
    mistakes: tuple[Mistake, ...]


def patterns(asked: Asked) -> Facts | None:
    """Return sentences and cards; None where nobody looked for patterns. Raises RunError."""
    found = read_patterns(asked.run)
    if found is None:
        return None
    predictions = asked.predictions
    shown = _of_kind(found, "pattern"), _of_kind(found, "hard class")
    usual = colours_of_split(asked.run.images()) if found.patterns else np.empty(0)
    cards, hard = (
        [_card(asked, found, one, usual) for one in some[:most]]
        for some, most in zip(shown, (MOST_CARDS, MOST_HARD), strict=True)
    )
    return {
        "sentence": (found_words if found.patterns else nothing_words)(found, predictions),
        "how": how_words(found),
        "no_maps": why_no_maps(asked.run, found.method, found.layer) if found.patterns else "",
        "cards": cards,
        "hard": hard,
        "hard_words": HARD_CLASSES,
        "more": sum(map(len, shown)) - len(cards) - len(hard),
    }


def _of_kind(found: Patterns, kind: Kind) -> list[Pattern]:
    return [one for one in found.patterns if one.kind == kind]


def _card(asked: Asked, found: Patterns, pattern: Pattern, usual: np.ndarray) -> Card:
    run, predictions, kind = asked.run, asked.predictions, (found.method, found.layer)
    images = run.images()
    known = pattern_facts(found, run.predictions(), pattern.number)
    rows = averaged(images, found.rows(pattern.number), cells_of_map(run, *kind))
    content = card_html(pattern, known, means(run, images, rows, *kind, usual), predictions.class_names)
    maps = map_urls(run, known.mistakes, *kind)
    mistakes = [
        Mistake(split_image(predictions, image, images[image]), data_url(thumbnail(images[image])), over)
        for image, over in zip_longest(known.mistakes, maps, fillvalue="")
        if isinstance(image, int)
    ]
    return Card(Markup(content), pattern.number, tuple(mistakes))
