"""What stands out, above the curves: cards of a picture, a sentence made of figures, and a link."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import islice, zip_longest
from urllib.parse import quote

import streamlit as st

from sightline.app.address.views import pages
from sightline.app.elements.run_pickers import with_run
from sightline.app.elements.thumbnails import thumbnails_url
from sightline.app.maps.patterns import map_urls, mistakes
from sightline.app.runs import loaders, run_list
from sightline.app.runs.kept import kept
from sightline.app.views.curves.run_table import RunRow
from sightline.report.address.selection import Selection
from sightline.report.words.pattern import strongest_sentence
from sightline.report.words.standing_out import (
    TakenFor,
    gap_words,
    largest_taken_for,
    last_with_gap,
    taken_for_words,
)
from sightline.report.words.text import count, counted, escape_markdown, p_words
from sightline.run_store.comparison import Change
from sightline.run_store.metrics import Epoch
from sightline.run_store.predictions import Filter
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MOST_CARDS, TILES = 3, 4
MOST_PAIRS = 4  # of the chosen run and another that are compared, where none is pinned
BY_CHANCE = 0.05  # a p-value from which a difference of two runs may be chance


@dataclass(frozen=True)
class Card:
    """sentence: Markdown, with a figure in it. view: where that is seen, with a link of this label and selection.

    tiles: pictures, each the address of an image and that of the map that lies over it; "": there is none. alt: what
    they show.
    """

    sentence: str
    tiles: tuple[tuple[str, str], ...]
    alt: str
    view: str
    label: str
    selection: Selection


def strongest_patterns(rows: Sequence[RunRow], selection: Selection) -> Iterator[Card]:
    """Yield what is said of each run's strongest pattern; nothing of one that has none, or that cannot be read."""
    for row in rows:
        with suppress(RunError):
            found = loaders.patterns(row.run)
            strongest = next((one for one in found.patterns if one.kind == "pattern"), None) if found else None
            if found and strongest:
                shown = mistakes(row.run, strongest.number)[:TILES].tolist()
                title = f"{row.title} · pattern {strongest.number}"
                yield Card(
                    f"{_named(title)} {strongest_sentence(strongest, loaders.record(row.run).class_names)}",
                    tuple(zip_longest(_images(row.run, shown), map_urls(row.run, found, shown), fillvalue="")),
                    f"{title}: its most confident mistakes under their maps",
                    "Patterns",
                    "Open Patterns →",
                    with_run(selection, row.name),
                )


def one_sided_sets(rows: Sequence[RunRow], selection: Selection) -> Iterator[Card]:
    """Yield the images that only one of two runs has right, the most first, of differences that are hardly chance.

    The runs are the chosen one and the pinned one; where none is, the first few that can be compared with it.
    """
    a = next((row for row in rows if row.name == selection.run and row.status.state == "complete"), None)
    others = [row for row in rows if row.status.state == "complete" and row is not a]
    pinned = [row for row in others if row.name == selection.beside]
    found = []
    for b in pinned or others[:MOST_PAIRS]:
        with suppress(RunError):
            if a and run_list.are_comparable(a.run, b.run):
                found.append((_one_sided(a.run, b.run), a, b))
    for one, a, b in sorted(found, key=lambda pair: -pair[0].images):
        if one.p_value < BY_CHANCE:
            right, wrong = (a, b) if one.change == "only A right" else (b, a)
            yield Card(
                f"Only **{escape_markdown(right.title)}** is right on **{count(one.images)}** of "
                f"{counted(one.of, 'test image')}, only {escape_markdown(wrong.title)} on {count(one.others)} "
                f"({p_words(one.p_value)}).",
                tuple((url, "") for url in _images(a.run, one.shown)),
                f"Images that {right.title} has right, and {wrong.title} most confidently wrong",
                "Compare",
                "Open Compare →",
                selection.change(
                    beside=b.name, compared=one.change, label=None, predicted=None, columns=(), image=None
                ),
            )


@dataclass(frozen=True)
class _OneSided:
    """The larger set that only one of two runs has right. others: images of the smaller one, of so many images."""

    change: Change
    images: int
    others: int
    of: int
    p_value: float
    shown: tuple[int, ...]


@kept("columns", lru_cache(64))
def _one_sided(a: Run, b: Run) -> _OneSided:
    found = loaders.comparison(a, b)
    only_a, only_b = found.images["only A right"], found.images["only B right"]
    change: Change = "only A right" if only_a >= only_b else "only B right"
    wrong = found.b if change == "only A right" else found.a
    shown = wrong.in_order(found.masks[change], "most confident first")[:TILES].tolist()
    return _OneSided(change, max(only_a, only_b), min(only_a, only_b), len(found.a), found.p_value, tuple(shown))


def largest_gaps(rows: Sequence[RunRow], selection: Selection) -> Iterator[Card]:
    """Yield the accuracy on training images beside that on test images, largest gap first.

    Only of runs whose training accuracy lies above the 95 % interval of the test accuracy.
    """
    found = [(epoch, row) for row in rows if (epoch := _last_with_gap(row))]
    for epoch, row in sorted(found, key=lambda pair: pair[0].test_accuracy - pair[0].train_accuracy):
        yield Card(
            f"{_named(row.title)} {gap_words(epoch)}",
            ((gap_picture(row.metrics, row.colour), ""),),
            f"{row.title}: accuracy on training images, dashed, and on test images",
            "Curves",
            "Show the gap by epoch →",
            with_run(selection, row.name).change(quantities=("accuracy", "gap")),
        )


def _last_with_gap(row: RunRow) -> Epoch | None:
    return last_with_gap(row.metrics, row.record.image_counts.get("test", 0) if row.record else 0)


def gap_picture(metrics: Sequence[Epoch], colour: str) -> str:
    """Draw both accuracies by epoch, and what lies between them, as the address of an SVG."""
    known = [epoch for epoch in metrics if not math.isnan(epoch.train_accuracy + epoch.test_accuracy)]
    first, last = known[0].epoch, known[-1].epoch
    across = [100 * (epoch.epoch - first) / max(1, last - first) for epoch in known]
    train, test = (
        [f"{x:.1f},{100 - 100 * share:.1f}" for x, share in zip(across, shares, strict=True)]
        for shares in ([one.train_accuracy for one in known], [one.test_accuracy for one in known])
    )
    svg = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='-4 -4 108 108' fill='none' stroke='{colour}' "
        f"stroke-width='3'><polygon points='{' '.join(train + test[::-1])}' fill='{colour}' fill-opacity='.2' "
        f"stroke='none'/><polyline points='{' '.join(train)}' stroke-dasharray='7 5'/>"
        f"<polyline points='{' '.join(test)}'/></svg>"
    )
    return f"data:image/svg+xml,{quote(svg)}"


def most_taken_for(rows: Sequence[RunRow], selection: Selection) -> Iterator[Card]:
    """Yield the class that most images of a run are wrongly taken for."""
    for row in rows:
        with suppress(RunError):
            if row.status.state == "complete" and (taken := _taken_for(row.run)):
                found, shown = taken
                names = loaders.record(row.run).class_names
                name = names[found.predicted]
                yield Card(
                    f"{_named(row.title)} {taken_for_words(found, names)}",
                    tuple((url, "") for url in _images(row.run, shown)),
                    f"{row.title}: the most confident mistakes that are taken for {name}",
                    "Mistakes",
                    "See them in Mistakes →",
                    with_run(selection, row.name).change(
                        label=None, predicted=name, outcome="wrong", columns=(), epoch=None, image=None
                    ),
                )


@kept("columns", lru_cache(64))
def _taken_for(run: Run) -> tuple[TakenFor, tuple[int, ...]] | None:
    """Return the class that most mistakes are taken for, and the most confident of them."""
    predictions = loaders.predictions(run)
    found = largest_taken_for(predictions.confusion)
    if found is None:
        return None
    return found, tuple(predictions.select(Filter("wrong", None, found.predicted))[:TILES].tolist())


# What may stand out. Of each kind one card is drawn before a second one of any.
KINDS: tuple[Callable[[Sequence[RunRow], Selection], Iterator[Card]], ...] = (
    strongest_patterns, one_sided_sets, largest_gaps, most_taken_for,
)  # fmt: skip


def draw_cards(rows: Sequence[RunRow], drawn: Sequence[str], selection: Selection) -> None:
    """Draw what stands out of the chosen run, the pinned one, those that are drawn, and all others, in this order."""
    ordered = sorted(
        rows, key=lambda row: (row.name != selection.run, row.name != selection.beside, row.name not in drawn)
    )
    cards = list(islice(_in_turn([kind(ordered, selection) for kind in KINDS]), MOST_CARDS))
    if not cards:
        return
    for number, (column, card) in enumerate(zip(st.columns(len(cards), gap="small"), cards, strict=True)):
        with (
            column,
            st.container(
                key=f"panel_card_{number}", border=True, horizontal=True, gap="small", wrap=False, height="stretch"
            ),
        ):
            st.html(tiles_html(card), width="content")
            with st.container(gap="xsmall"):
                st.markdown(card.sentence.replace(" %", "\u00a0%"))
                st.page_link(pages()[card.view], label=card.label, query_params=card.selection.to_query())


def _in_turn(kinds: list[Iterator[Card]]) -> Iterator[Card]:
    """Yield one card of each kind, then another of each; what is not asked for is not read either."""
    while kinds:
        for kind in tuple(kinds):
            if card := next(kind, None):
                yield card
            else:
                kinds.remove(kind)


def tiles_html(card: Card) -> str:
    """Write the pictures of a card, two in a row, or its only one."""
    tiles = "".join(
        f'<span><img src="{image}" alt="">{over and f"""<img class="over" src="{over}" alt="">"""}</span>'
        for image, over in card.tiles
    )
    kind = "tiles one" if len(card.tiles) == 1 else "tiles"
    return f'<div class="{kind}" role="img" aria-label="{escape(card.alt)}">{tiles}</div>'


def _named(title: str) -> str:
    return f":gray[{escape_markdown(title)}:]"


def _images(run: Run, images: Sequence[int]) -> list[str]:
    folder = thumbnails_url(run, st.get_option("server.baseUrlPath"))
    return [f"{folder}/{image}.png" for image in images]
