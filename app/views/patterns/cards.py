"""The card of a pattern, with its most confident mistakes beside it."""

import numpy as np
import streamlit as st

from sightline.app.address.views import pages
from sightline.app.elements.gallery import draw_gallery, gallery_items
from sightline.app.maps.patterns import map_urls, means
from sightline.app.runs import loaders
from sightline.app.runs.kept import kept, read_once
from sightline.report.address.selection import Selection
from sightline.report.drawing.pattern_card import Facts, card_html, pattern_facts
from sightline.run_store.patterns import Pattern, Patterns
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run


@kept("columns", read_once(64))
def facts(run: Run, number: int) -> Facts:
    """Return what the predictions say of a pattern. Raises RunError."""
    return pattern_facts(loaders.patterns(run), run.predictions(), number)


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
