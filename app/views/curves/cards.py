"""What stands out, above the curves: cards of a picture, a sentence made of figures, and a link."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape

import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.address.views import pages
from sightline.app.elements.pattern_words import strongest_sentence
from sightline.app.elements.text import escape_markdown
from sightline.app.maps.patterns import means
from sightline.app.runs import loaders
from sightline.app.views.curves.run_table import RunRow
from sightline.run_store.record import RunError

MOST_CARDS = 3


@dataclass(frozen=True)
class Card:
    """sentence: Markdown, with a figure in it. view: where that is seen, with a link of this label and selection.

    picture, map: data URLs; the map lies over the picture; "": there is none. alt: what both show.
    """

    sentence: str
    picture: str
    map: str
    alt: str
    view: str
    label: str
    selection: Selection


def strongest_pattern(row: RunRow, selection: Selection) -> Card | None:
    """Return what is said of a run's strongest pattern; None where it has none, or it cannot be read."""
    with suppress(RunError):
        found = loaders.patterns(row.run)
        if found and found.patterns and found.patterns[0].kind == "pattern":
            pictures = means(row.run, found, 1)
            names = loaders.record(row.run).class_names
            return Card(
                f":gray[{escape_markdown(row.title)} · pattern 1:] {strongest_sentence(found.patterns[0], names)}",
                pictures.image,
                pictures.map,
                f"Mean of {pictures.images} images of pattern 1 of {row.title}, under the mean of their maps",
                "Patterns",
                "What do its mistakes share? Open Patterns →",
                selection.change(run=row.name),
            )
    return None


# What may stand out of a run; of which there is nothing to say, None.
KINDS: tuple[Callable[[RunRow, Selection], Card | None], ...] = (strongest_pattern,)


def draw_cards(rows: Sequence[RunRow], selection: Selection) -> None:
    """Draw what stands out of the runs that are drawn, the chosen one first."""
    ordered = sorted(rows, key=lambda row: (row.name != selection.run, row.name != selection.beside))
    cards = [card for kind in KINDS for row in ordered if (card := kind(row, selection))][:MOST_CARDS]
    if not cards:
        return
    for number, (column, card) in enumerate(zip(st.columns(len(cards), gap="small"), cards, strict=True)):
        with (
            column,
            st.container(key=f"panel_card_{number}", border=True, horizontal=True, gap="small", wrap=False),
        ):
            over = f'<img class="over" src="{card.map}" alt="">' if card.map else ""
            st.html(
                f'<div class="thumb"><img src="{card.picture}" alt="{escape(card.alt)}">{over}</div>', width="content"
            )
            with st.container(gap="xsmall"):
                st.markdown(card.sentence)
                st.page_link(pages()[card.view], label=card.label, query_params=card.selection.to_query())
