"""Where a run looked for the class that it predicts: one map, which Mistakes and Compare show."""

import streamlit as st

from sightline.app.address.selection import Selection, change_selection
from sightline.app.elements.inspector import draw_image
from sightline.app.elements.subject import Subject
from sightline.app.elements.text import escape_markdown, percent
from sightline.app.maps import compute
from sightline.app.maps.belief import unfaithful_layers
from sightline.app.maps.cells import Cells, Row, make_cells, scores_to_judge
from sightline.app.maps.grid import grid_html
from sightline.app.maps.settings import resolve
from sightline.app.runs import loaders
from sightline.explain.attribution.methods import METHODS
from sightline.run_store.run import Run, RunError

_TOGGLE = "mistakes_map"


def predicted_cells(run: Run, subject: Subject, selection: Selection, title: str) -> tuple[Cells, str]:
    """The map of the predicted class at the deepest chosen layer, and the layer. Loads torch. Raises RunError."""
    shown, _ = resolve(run, loaders.record(run), selection)
    guess = f"{subject.name(subject.predicted)} {percent(subject.probabilities[subject.predicted])}"
    row = Row("predicted", title, guess, (subject.predicted, None), shown.sign)
    scores = list(dict.fromkeys([row.score, *scores_to_judge(subject)]))
    layers = shown.layers[-1:]
    computed = compute.maps(run, subject, shown.method, layers, scores)
    unfaithful = unfaithful_layers(run, shown.method, layers)
    return make_cells(computed.maps, layers, [row], subject, "own", unfaithful), layers[0]


def draw_picture(run: Run, subject: Subject, selection: Selection) -> None:
    """The image, or with its map over it, and the switch between them."""
    if not (selection.with_map and _draw_map(run, subject, selection)):
        draw_image(subject.pixels, subject.describe())
    st.session_state[_TOGGLE] = selection.with_map
    st.toggle("Where it looked", key=_TOGGLE, on_change=lambda: change_selection(with_map=st.session_state[_TOGGLE]))


def _draw_map(run: Run, subject: Subject, selection: Selection) -> bool:
    """Whether there is one."""
    try:
        with st.spinner("Computing the map …"):
            cells, layer = predicted_cells(run, subject, selection, "Predicted")
    except RunError as error:
        st.caption(f"No map: {escape_markdown(str(error))}")
        return False
    st.html(grid_html(cells, subject.pixels, selection.change(layers=(layer,)), METHODS[selection.method].title))
    return True
