"""The card of a pattern: how often wrong beside others, what was attended, its mistakes and confusions."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from sightline.explain.why.differing import Differing, find_differing
from sightline.report.drawing.attended import attended_html
from sightline.report.drawing.means import Means
from sightline.report.drawing.share_bar import share_bar
from sightline.report.words.pattern import covered_words, differing_words, place_words, rate_words
from sightline.report.words.text import count, counted, p_words, percent
from sightline.run_store.patterns import Pattern, Patterns
from sightline.run_store.predictions import Predictions

SHOWN_MISTAKES, SHOWN_CONFUSIONS, SHOWN_COLUMNS = 10, 4, 4


@dataclass(frozen=True)
class Facts:
    """What is read off the predictions of a pattern's images.

    mistakes: images, the most confident first. confusions: codes true and predicted, and how many images.
    """

    mistakes: tuple[int, ...]
    confusions: tuple[tuple[int, int, int], ...]
    differing: tuple[Differing, ...]


def pattern_mistakes(found: Patterns | None, predictions: Predictions, number: int) -> np.ndarray:
    """Return the mistakes of a pattern (int64), the most confident first."""
    is_in = np.zeros(len(predictions), bool)
    is_in[found.rows(number) if found else []] = True
    return predictions.in_order(is_in & predictions.wrong, "most confident first")


def pattern_facts(found: Patterns | None, predictions: Predictions, number: int) -> Facts:
    """Return what the predictions say of a pattern. predictions: the run's own, in whose columns images may differ."""
    wrong = pattern_mistakes(found, predictions, number)
    pairs = np.stack([predictions.column(name)[wrong] for name in ("label", "predicted")], axis=1)
    confused, images = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-images, kind="stable")[:SHOWN_CONFUSIONS]
    confusions = tuple((int(a), int(b), int(n)) for (a, b), n in zip(confused[order], images[order], strict=True))
    differing = find_differing(predictions, found.rows(number)) if found else []
    return Facts(tuple(wrong[:SHOWN_MISTAKES].tolist()), confusions, tuple(differing[:SHOWN_COLUMNS]))


def card_html(pattern: Pattern, known: Facts, pictures: Means, class_names: Sequence[str]) -> str:
    """Write pictures and figures of a pattern."""
    name = "Pattern" if pattern.kind == "pattern" else "Group"
    taken_for = f"<b dir='auto'>{escape(class_names[pattern.taken_for])}</b>"
    title = f"<b>{name} {pattern.number}</b> most often taken for {taken_for}"
    lines = [*_figures(pattern), attended_html(pattern.attended)]
    if pattern.covered:
        lines.append(f"<p>{escape(covered_words(pattern.covered))}</p>")
    lines.append(f'<p class="confusions">{_confusions(known, class_names)}</p>')
    lines += [f"<p>{escape(differing_words(one))}</p>" for one in known.differing]
    return f'<div class="pattern">{_pictures(pattern, pictures)}<div><h3>{title}</h3>{"".join(lines)}</div></div>'


def _pictures(pattern: Pattern, pictures: Means) -> str:
    what = f"{count(pictures.images)} images"
    image = f'<img src="{pictures.image}" alt="Mean of {what} of pattern {pattern.number}">'
    found = f"<figure>{image}<figcaption>mean image</figcaption></figure>"
    if pictures.map:
        words = f"Mean map of {what}, hottest: {place_words(pattern.attended)}"
        over = f'<img class="over" src="{pictures.map}" alt="{words}">'
        below = f'<img src="{pictures.image}" alt="">'
        found += f"<figure><span>{below}{over}</span><figcaption>mean map</figcaption></figure>"
    return f'<div class="means">{found}</div>'


def _figures(pattern: Pattern) -> list[str]:
    """Write how many, and how often wrong beside others: bars with the interval."""
    here = share_bar(pattern.error_rate, (pattern.low, pattern.high), "wrong")
    bars = (
        _rate("wrong here", here, rate_words(pattern))
        + _others("others taken for the same", pattern.same_classes_rate)
        + _others("all others", pattern.rest_rate)
    )
    tests = (
        f"{counted(pattern.images, 'image')}; tested on {count(pattern.tested)} of them, {count(pattern.mistakes)} "
        f"wrong: {p_words(pattern.p_value)} against all others, {p_words(pattern.p_same_classes)} against those taken "
        f"for the same. Found again from other starts: {percent(pattern.stability, 0)} alike."
    )
    return [f'<div class="rates">{bars}</div>', f'<p class="soft">{escape(tests)}</p>']


def _others(name: str, rate: float) -> str:
    """Write the rate of others, which nobody may know."""
    return _rate(name, share_bar(rate), percent(rate, 0))


def _rate(name: str, bar: str, words: str) -> str:
    return f"<span>{name}</span>{bar}<span>{words}</span>"


def _confusions(known: Facts, class_names: Sequence[str]) -> str:
    return " · ".join(
        f"<bdi>{escape(class_names[label])}</bdi> → <bdi>{escape(class_names[predicted])}</bdi> <b>{count(images)}</b>"
        for label, predicted, images in known.confusions
    )
