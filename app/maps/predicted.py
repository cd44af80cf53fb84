"""Where a run looked for the class that it predicts: one map, which Mistakes and Compare show."""

from dataclasses import replace

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.elements.inspector import draw_image
from sightline.app.maps import compute
from sightline.app.maps.grid import grid_html
from sightline.app.maps.large import draw_large
from sightline.app.maps.support import supports
from sightline.app.maps.waiting import draw_restart, waiting
from sightline.report.address.selection import Selection
from sightline.report.drawing.cells import Cells, Row, make_cells, scores_to_judge
from sightline.report.drawing.map_settings import MapSettings
from sightline.report.drawing.resolve import resolve, stored_methods
from sightline.report.drawing.subject import Subject
from sightline.report.words.text import escape_markdown
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_TOGGLE = "mistakes_map"


def predicted_map(run: Run, subject: Subject, selection: Selection, title: str) -> tuple[Cells, MapSettings]:
    """Return the map of the predicted class at the one chosen layer, as a grid of one cell, and its settings.

    Where the run has no such layer, it is its deepest one. Loads torch. Raises RunError.
    """
    asked = replace(selection, layers=(selection.map_layer,)) if selection.map_layer else selection
    settings, _ = resolve(run, asked, compute.map_layers)
    settings = replace(settings, layers=settings.layers[-1:], scale="own")
    row = Row("predicted", title, subject.with_share(subject.predicted), (subject.predicted, None), settings.sign)
    scores = list(dict.fromkeys([row.score, *scores_to_judge(subject)]))
    with waiting(run, subject, settings.method, "Computing the map …") as look:
        computed = compute.maps(run, subject, settings.method, settings.layers, scores, look)
    known = supports(run, settings.method, settings.layers)
    return make_cells(computed.maps, [row], subject, settings, known, is_stored=not run.has_network), settings


def draw_picture(run: Run, subject: Subject, selection: Selection) -> None:
    """Draw the image, or with its map over it, and the switch between them, where there may be a map."""
    if not run.has_network and not stored_methods(run):
        draw_image(subject.pixels, subject.describe())
        return
    if not (selection.with_map and _draw_map(run, subject, selection)):
        draw_image(subject.pixels, subject.describe())
    st.session_state[_TOGGLE] = selection.with_map
    st.toggle("Where it looked", key=_TOGGLE, on_change=lambda: change_selection(with_map=st.session_state[_TOGGLE]))


def _draw_map(run: Run, subject: Subject, selection: Selection) -> bool:
    """Draw the map, and tell whether there is one."""
    try:
        cells, settings = predicted_map(run, subject, selection, "Predicted")
    except RunError as error:
        st.caption(f"No map: {escape_markdown(str(error))}")
        draw_restart(error)
        return False
    st.html(grid_html(cells, subject.pixels, settings))
    draw_large()
    return True
