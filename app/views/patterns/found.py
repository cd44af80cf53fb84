"""What was found altogether, and training again without it."""

from collections.abc import Sequence

import streamlit as st

from sightline.app.elements.finding import draw_finding, finding
from sightline.app.elements.proof import LeftOut, draw_proof
from sightline.app.maps import patterns as pictures
from sightline.report.words.patterns import found_words, how_words, nothing_words
from sightline.report.words.text import escape_markdown
from sightline.run_store.patterns import Pattern, Patterns
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run


def draw_found(run: Run, found: Patterns, predictions: Predictions) -> None:
    """Say how many patterns there are, and how they were looked for; beside it, draw how to train without them."""
    patterns = [one for one in found.patterns if one.kind == "pattern"]
    if not patterns:
        _draw_sentence(run, found, predictions)
        return
    left, right = st.columns([560, 620], gap="large")
    with left:
        _draw_sentence(run, found, predictions)
    with right:
        _draw_proving(run, patterns, predictions.class_names)


def _draw_sentence(run: Run, found: Patterns, predictions: Predictions) -> None:
    """Say what was found, and how."""
    with st.container(key="patterns_sentence"):
        st.markdown(found_words(found, predictions) if found.patterns else nothing_words(found, predictions))
    st.caption(how_words(found))
    if problem := pictures.problem(run, found):
        st.caption(f"Without maps: {escape_markdown(problem)}")
    if finding(run).is_started:
        draw_finding(run, again=True)


def _draw_proving(run: Run, patterns: Sequence[Pattern], class_names: Sequence[str]) -> None:
    """Draw the choice of patterns, and the button that trains again without their training images."""
    taken_for = {one.number: class_names[one.taken_for] for one in patterns}
    st.markdown("**Did training images teach this?** Train again without those that belong to the patterns, and see.")
    chosen = st.pills(
        "Patterns",
        list(taken_for),
        selection_mode="multi",
        default=list(taken_for),
        format_func=lambda number: f"{number} {escape_markdown(taken_for[number])}",
        key=f"patterns_left_out_{'_'.join(map(str, taken_for))}",
        label_visibility="collapsed",
    )
    draw_proof(run, LeftOut(patterns=tuple(sorted(chosen))), "patterns")
