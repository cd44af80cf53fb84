"""One image as both runs see it: where each of them looked, and how likely each class is to it."""

from collections.abc import Sequence

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.elements.bars import draw_bars
from sightline.app.elements.inspector import draw_image
from sightline.app.elements.matrix import take_pair
from sightline.app.maps.grid import grid_html
from sightline.app.maps.large import draw_large
from sightline.app.maps.pinned import guess_words
from sightline.app.maps.predicted import predicted_map
from sightline.app.maps.waiting import draw_restart
from sightline.app.runs import loaders, run_list
from sightline.app.views.compare.tiles import legend_of
from sightline.explain.attribution.methods import LAYER_METHODS
from sightline.report.address.selection import Selection
from sightline.report.drawing.cells import Cell
from sightline.report.drawing.compared_bars import probability_bars
from sightline.report.drawing.resolve import stored_methods
from sightline.report.drawing.subject import Subject, split_image
from sightline.report.words.text import escape_markdown
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_LAYER = "compare_layer"


def draw_both(a: Run, b: Run, image: int, selection: Selection) -> None:
    """Draw the image, then for each run what it was taken for and where that run looked. Raises RunError."""
    pixels = loaders.images(a)[image]
    subjects = [split_image(loaders.predictions(run), image, pixels) for run in (a, b)]  # each by its codes
    label = subjects[0].name(subjects[0].label or 0)
    left, right = st.columns(2, gap="small", vertical_alignment="center")
    with left:
        draw_image(pixels, f"Test image {image}: true class {label}", "compare_image")
    with right, st.container(gap=None):
        st.caption("true")
        st.button(
            escape_markdown(label),
            key="compare_true",
            type="tertiary",
            help="Show the images of this class, or again those of all",
            on_click=take_pair,
            args=(label, None),
        )
    _draw_maps((a, b), subjects, selection)
    bars = probability_bars(subjects, legend_of(a, b))
    if bars:
        draw_bars(bars, key="compare_probabilities", label_share=0.6, widths=())


def _draw_maps(runs: Sequence[Run], subjects: Sequence[Subject], selection: Selection) -> None:
    cells: list[Sequence[Cell]] = []
    layers: list[str] = []
    for run, subject in zip(runs, subjects, strict=True):
        try:
            (row,), settings = predicted_map(run, subject, selection, run_list.title(run))
        except RunError as error:
            st.markdown(guess_words(run, subject))
            why = escape_markdown(str(error)) if run.has_network else "it has no network."
            st.caption(f"No map of {escape_markdown(run_list.title(run))}: {why}")
            draw_restart(error)
            continue
        cells.append(row)
        layers += settings.layers
    if cells:
        st.html(grid_html(cells, subjects[0].pixels, settings, heads=[" and ".join(dict.fromkeys(layers))]))
        draw_large()
        if settings.method in LAYER_METHODS:
            _draw_layer_choice(runs, layers, settings.method)


def _draw_layer_choice(runs: Sequence[Run], shown: Sequence[str], method: str) -> None:
    """Draw the choice of the layer of both maps, of all that either run has."""
    known = [loaders.record(run).layers if run.has_network else stored_methods(run).get(method, ()) for run in runs]
    layers = list(dict.fromkeys([*(layer for own in known for layer in own), *shown]))
    if len(layers) < 2:
        return
    st.session_state[_LAYER] = shown[0]
    st.selectbox(
        "Layer of the maps", layers, key=_LAYER, on_change=lambda: change_selection(map_layer=st.session_state[_LAYER])
    )
