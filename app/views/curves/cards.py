"""What stands out, above the curves: cards of a picture, a sentence made of figures, and a link."""

from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from itertools import islice, zip_longest

import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.address.views import pages
from sightline.app.elements.pattern_words import strongest_sentence
from sightline.app.elements.text import escape_markdown
from sightline.app.elements.thumbnails import thumbnails_url
from sightline.app.maps.patterns import map_urls, mistakes
from sightline.app.runs import loaders
from sightline.app.views.curves.run_table import RunRow
from sightline.run_store.record import RunError

MOST_CARDS, TILES = 3, 4


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


def strongest_pattern(row: RunRow, selection: Selection) -> Card | None:
    """Return what is said of a run's strongest pattern; None where it has none, or it cannot be read."""
    with suppress(RunError):
        found = loaders.patterns(row.run)
        strongest = next((one for one in found.patterns if one.kind == "pattern"), None) if found else None
        if found and strongest:
            shown = mistakes(row.run, strongest.number)[:TILES].tolist()
            folder = thumbnails_url(row.run, st.get_option("server.baseUrlPath"))
            urls = (f"{folder}/{image}.png" for image in shown)
            names = loaders.record(row.run).class_names
            title = f"{row.title} · pattern {strongest.number}"
            return Card(
                f":gray[{escape_markdown(title)}:] {strongest_sentence(strongest, names)}",
                tuple(zip_longest(urls, map_urls(row.run, found, shown), fillvalue="")),
                f"{title}: its most confident mistakes under their maps",
                "Patterns",
                "Open Patterns →",
                selection.change(run=row.name),
            )
    return None


# What may stand out of a run; of which there is nothing to say, None.
KINDS: tuple[Callable[[RunRow, Selection], Card | None], ...] = (strongest_pattern,)


def draw_cards(rows: Sequence[RunRow], drawn: Container[str], selection: Selection) -> None:
    """Draw what stands out of the chosen run, the pinned one, those that are drawn, and all others, in this order."""
    ordered = sorted(
        rows, key=lambda row: (row.name != selection.run, row.name != selection.beside, row.name not in drawn)
    )
    found = (card for kind in KINDS for row in ordered if (card := kind(row, selection)))
    cards = list(islice(found, MOST_CARDS))
    if not cards:
        return
    for number, (column, card) in enumerate(zip(st.columns(len(cards), gap="small"), cards, strict=True)):
        with (
            column,
            st.container(key=f"panel_card_{number}", border=True, horizontal=True, gap="small", wrap=False),
        ):
            st.html(tiles_html(card), width="content")
            with st.container(gap="xsmall"):
                st.markdown(card.sentence)
                st.page_link(pages()[card.view], label=card.label, query_params=card.selection.to_query())


def tiles_html(card: Card) -> str:
    """Write the pictures of a card, two in a row."""
    tiles = "".join(
        f'<span><img src="{image}" alt="">{over and f"""<img class="over" src="{over}" alt="">"""}</span>'
        for image, over in card.tiles
    )
    return f'<div class="tiles" role="img" aria-label="{escape(card.alt)}">{tiles}</div>'
