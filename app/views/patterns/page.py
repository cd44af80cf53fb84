"""What do the mistakes share, and what taught it? A card a pattern, and the proof: training again without them."""

from collections.abc import Sequence

import streamlit as st

from sightline.app.elements.finding import draw_finding, finding
from sightline.app.elements.proof_result import draw_proofs
from sightline.app.elements.shell import draw_run
from sightline.app.runs import loaders
from sightline.app.views.patterns.cards import draw_card
from sightline.app.views.patterns.found import draw_found
from sightline.report.address.selection import Selection
from sightline.report.words.patterns import HARD_CLASSES, WHAT_IT_DOES
from sightline.report.words.text import count, escape_markdown
from sightline.run_store.patterns import Pattern, Patterns
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MOST_CARDS = 25  # of either kind


def draw(run: Run, selection: Selection) -> None:
    """Draw the patterns, or how to find them."""
    predictions = loaders.predictions(run)
    loaders.images(run)
    try:
        found = loaders.patterns(run)
    except RunError as error:
        st.warning(escape_markdown(str(error)), icon=":material/history:")
        with st.container(key="panel_empty", border=True):
            draw_finding(run, again=True)
        return
    if found is None:
        with st.container(key="panel_empty", border=True):
            st.subheader("What do the mistakes share?", anchor=False)
            st.markdown(WHAT_IT_DOES)
            draw_finding(run)
        return
    with st.container(key="panel_found", border=True, gap="small"):
        draw_found(run, found, predictions)
    draw_proofs(run, selection, "patterns")
    _draw_cards(run, found, [one for one in found.patterns if one.kind == "pattern"], predictions, selection)
    if hard := [one for one in found.patterns if one.kind == "hard class"]:
        with st.container(key="patterns_hard"):
            st.markdown("**Hard classes**")
            st.caption(HARD_CLASSES)
        _draw_cards(run, found, hard, predictions, selection)
    if not finding(run).is_started:
        draw_finding(run, again=True)


def _draw_cards(
    run: Run, found: Patterns, shown: Sequence[Pattern], predictions: Predictions, selection: Selection
) -> None:
    for pattern in shown[:MOST_CARDS]:
        draw_card(run, found, pattern, predictions, selection)
    if len(shown) > MOST_CARDS:
        st.caption(f"{count(len(shown) - MOST_CARDS)} more: the filter “pattern” in Mistakes has them all.")


draw_run(draw)
