"""How did training go? Loss and accuracy of the shown runs, and the table of all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from sightline.app.address.url import handed_on_selection
from sightline.app.elements.introduction import is_introduced
from sightline.app.runs import run_list
from sightline.app.views.curves.cards import draw_cards
from sightline.app.views.curves.charts import draw_charts
from sightline.app.views.curves.clicks import follow_click, opened_epochs
from sightline.app.views.curves.run_panel import draw_runs
from sightline.app.views.curves.run_table import RunRow, read_progress
from sightline.app.views.curves.settings import curve_options, draw_curve_settings, shown_names
from sightline.report.address.selection import Selection
from sightline.report.drawing.learning_curves import is_known
from sightline.report.words.text import escape_markdown
from sightline.run_store.record import RunError

FOLLOW_EVERY, LOOK_EVERY = 2.0, 5.0  # seconds, while a run trains and while none does; pandas would read a text


def draw_curves(rows: Sequence[RunRow], selection: Selection) -> None:
    """Draw the chosen charts of what any run has; below them, what some have not. Raises RunError."""
    drawn = [row for row in rows if row.metrics]
    with_it = {name: [row for row in drawn if is_known(row.metrics, name)] for name in selection.quantities}
    options = curve_options(drawn, selection)
    draw_charts(drawn, [name for name, having in with_it.items() if having], options, selection)
    words = unknown_words(with_it, drawn)
    if any(map(opened_epochs, drawn)):
        words.insert(0, "A click at a line shows the mistakes of its run after that epoch.")
    if options.full_size_from:
        words.append(
            "Dotted: from there on a run sees images of full size. Until then it is trained and tested on smaller ones."
        )
    if words:
        st.caption(" ".join(words))


def unknown_words(with_it: Mapping[str, Sequence[RunRow]], drawn: Sequence[RunRow]) -> list[str]:
    """Say in Markdown what is not drawn. with_it: by quantity, the runs that have it."""
    sentences = []
    for name, having in with_it.items():
        lacking = [row.title for row in drawn if row not in having]
        if not having:
            sentences.append(f"{name.capitalize()}: no run shown here has any.")
        elif lacking:
            sentences.append(f"{name.capitalize()}: not known of {escape_markdown(', '.join(lacking))}.")
    return sentences


def explain_empty(rows: Sequence[RunRow]) -> str:
    """Say in Markdown why there is no curve."""
    problems = [f"{row.title}: {row.problem}" for row in rows if row.problem]
    waiting = ", ".join(row.title for row in rows if not row.problem)
    waits = [f"{waiting}: no epoch has ended yet. The curves begin with the first one."] if waiting else []
    return escape_markdown(" ".join(problems + waits))


def draw(before: Any) -> None:
    """Draw again and again: the charts follow a run that trains, and the whole page what changes around it."""
    run_list.look_again()
    selection = handed_on_selection()
    follow_click(selection)
    if page_state(selection) != before:
        st.rerun()
    chosen, titles = (selection.run, selection.beside, *selection.shown), run_list.titles()
    listed = [one.name for one in run_list.listed_runs(*chosen)]
    shown = shown_names(listed, selection)
    progress = read_progress({*shown, *chosen})
    rows = [row for row in progress if row.name in shown]
    if is_introduced():
        draw_cards([row for row in progress if row.name in listed], shown, selection)
    with st.container(key="panel_curves", border=True, gap="small"):
        draw_curve_settings({name: titles[name] for name in listed}, rows, selection)
        try:
            if any(row.metrics for row in rows):
                draw_curves(rows, selection)
            else:
                st.info(explain_empty(rows), icon=":material/hourglass_empty:")
        except RunError as error:  # damaged since it was read a moment ago
            st.warning(escape_markdown(str(error)))
    with st.container(key="panel_runs", border=True):
        draw_runs(progress, selection)


def page_state(selection: Selection) -> Any:
    """Return what the header shows as well, so that a change of it needs the whole page."""
    return selection, run_list.listing().told


state = page_state(handed_on_selection())
is_training = any(listed.state == "running" for listed in run_list.listing().runs)
st.fragment(draw, run_every=FOLLOW_EVERY if is_training else LOOK_EVERY)(state)
