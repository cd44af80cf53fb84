"""The card of a pattern: how often wrong beside others, what was attended, its mistakes and confusions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import streamlit as st

from sightline.app.address.views import pages
from sightline.app.elements.attended import attended_html
from sightline.app.elements.gallery import draw_gallery, gallery_items
from sightline.app.maps.patterns import map_urls, means, mistakes
from sightline.app.maps.shared import Means
from sightline.app.runs import loaders
from sightline.app.runs.kept import kept, read_once
from sightline.explain.why.differing import Differing, find_differing
from sightline.report.address.selection import Selection
from sightline.report.words.pattern import covered_words, place_words, rate_words
from sightline.report.words.text import count, counted, p_words, percent
from sightline.run_store.patterns import Pattern, Patterns
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run

SHOWN_MISTAKES, SHOWN_CONFUSIONS, SHOWN_COLUMNS = 10, 4, 4


@dataclass(frozen=True)
class Facts:
    """What is read off the predictions of a pattern's images.

    mistakes: images, the most confident first. confusions: codes true and predicted, and how many images.
    """

    mistakes: tuple[int, ...]
    confusions: tuple[tuple[int, int, int], ...]
    differing: tuple[Differing, ...]


@kept("columns", read_once(64))
def facts(run: Run, number: int) -> Facts:
    """Return what the predictions say of a pattern. Raises RunError."""
    found, predictions, wrong = loaders.patterns(run), run.predictions(), mistakes(run, number)
    pairs = np.stack([predictions.column(name)[wrong] for name in ("label", "predicted")], axis=1)
    confused, images = np.unique(pairs, axis=0, return_counts=True)
    order = np.argsort(-images, kind="stable")[:SHOWN_CONFUSIONS]
    confusions = tuple((int(a), int(b), int(n)) for (a, b), n in zip(confused[order], images[order], strict=True))
    differing = find_differing(predictions, found.rows(number)) if found else []  # in the run's own columns only
    return Facts(tuple(wrong[:SHOWN_MISTAKES].tolist()), confusions, tuple(differing[:SHOWN_COLUMNS]))


def draw_card(run: Run, found: Patterns, pattern: Pattern, predictions: Predictions, selection: Selection) -> None:
    """Draw a pattern, with a link that makes it the current set in Mistakes. Raises RunError."""
    known, key = facts(run, pattern.number), f"patterns_mistakes_{pattern.number}"
    of_pattern = (("pattern", str(pattern.number)),)
    shown = selection.change(
        label=None, predicted=None, outcome="wrong", columns=of_pattern, image=None, epoch=None, behind=False
    )
    with st.container(key=f"panel_pattern_{pattern.number}", border=True):
        left, right = st.columns([620, 560], gap="medium")
        with left:
            st.html(card_html(pattern, known, means(run, found, pattern.number), predictions.class_names))
        with right.container(key=f"pattern_images_{pattern.number}", gap="xsmall"):
            with st.container(key=f"pattern_head_{pattern.number}", horizontal=True, vertical_alignment="center"):
                st.caption("Its most confident mistakes; point at one to see it without its map", width="stretch")
                link = pages()["Mistakes"]
                st.page_link(link, label="Show in Mistakes →", query_params=shown.to_query(), width="content")
            items = gallery_items(run, predictions, np.array(known.mistakes, int))
            for item, over in zip(items, map_urls(run, found, known.mistakes), strict=False):
                item["over"] = over
            picked = draw_gallery(items, key=key, label=f"Mistakes of pattern {pattern.number}", on={}, columns=5)
    image = picked.pick if picked.pick is not None else picked.open
    if image is not None:
        st.switch_page(pages()["Mistakes"], query_params=shown.change(image=int(image)).to_query())


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
    ends = f'<em style="left:{100 * pattern.low:.1f}%;right:{100 - 100 * pattern.high:.1f}%"></em>'
    bars = (
        _rate("wrong here", pattern.error_rate, rate_words(pattern), ends)
        + _rate("others taken for the same", pattern.same_classes_rate, percent(pattern.same_classes_rate, 0))
        + _rate("all others", pattern.rest_rate, percent(pattern.rest_rate, 0))
    )
    tests = (
        f"{counted(pattern.images, 'image')}; tested on {count(pattern.tested)} of them, {count(pattern.mistakes)} "
        f"wrong: {p_words(pattern.p_value)} against all others, {p_words(pattern.p_same_classes)} against those taken "
        f"for the same. Found again from other starts: {percent(pattern.stability, 0)} alike."
    )
    return [f'<div class="rates">{bars}</div>', f'<p class="soft">{escape(tests)}</p>']


def _rate(name: str, rate: float, words: str, ends: str = "") -> str:
    """Write a bar; ends: the interval, of the pattern's own. A rate that nobody knows has none."""
    share, kind = 0 if math.isnan(rate) else 100 * rate, "here" if ends else ""
    return f'<span>{name}</span><i class="{kind}"><b style="width:{share:.1f}%"></b>{ends}</i><span>{words}</span>'


def _confusions(known: Facts, class_names: Sequence[str]) -> str:
    return " · ".join(
        f"<bdi>{escape(class_names[label])}</bdi> → <bdi>{escape(class_names[predicted])}</bdi> <b>{count(images)}</b>"
        for label, predicted, images in known.confusions
    )


def differing_words(one: Differing) -> str:
    """Say how a column of the predictions differs: 'camera: left in 80 % of them, in 20 % of the others (p = 0.01)'."""
    if one.word is None:
        middles = f"{one.here:.4g}, of the others {one.elsewhere:.4g}"
        return f"{one.column}: median {middles} ({p_words(one.p_value)})"
    shares = f"{percent(one.here, 0)} of them, in {percent(one.elsewhere, 0)} of the others"
    return f"{one.column}: {one.word} in {shares} ({p_words(one.p_value)})"
