"""Where did it look? The image on the left, a grid of layers × classes, the map's settings on the right."""

import streamlit as st

from sightline.app.culprits.panel import draw_culprits
from sightline.app.elements.compared_set import opened_set
from sightline.app.elements.current_set import CurrentSet
from sightline.app.elements.inspector import draw_inspector
from sightline.app.elements.no_network import draw_no_network
from sightline.app.elements.shell import draw_run
from sightline.app.maps.compute import map_layers
from sightline.app.maps.panel import draw_maps
from sightline.app.maps.pinned import draw_pinned_maps
from sightline.app.maps.sides import sides_of
from sightline.app.runs import loaders
from sightline.app.views.layers.epochs import after_epoch, draw_epochs, draw_other_answer
from sightline.app.views.layers.settings import draw_settings
from sightline.app.views.layers.strip import draw_strip
from sightline.app.views.layers.upload import draw_uploaded, draw_uploader, uploaded_subject
from sightline.app.views.layers.which_layer import draw_which_layer
from sightline.report.address.selection import Selection
from sightline.report.drawing.resolve import resolve, stored_methods
from sightline.report.drawing.subject import Subject, split_image
from sightline.report.words.text import escape_markdown
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunRecord
from sightline.run_store.run import Run


def draw(run: Run, selection: Selection) -> None:
    """Draw the image, its maps, their settings, and what to believe."""
    record, predictions = loaders.record(run), loaders.predictions(run)
    current = opened_set(predictions, selection)
    if not run.has_network and not stored_methods(run):
        _draw_without_maps(run, predictions, current, selection)
        return
    settings, ignored = resolve(run, selection, map_layers)
    for sentence in ignored:
        st.warning(escape_markdown(sentence), icon=":material/link_off:")
    top = st.container()
    wide, right = st.columns([985, 240], gap="small")
    left, middle = wide.columns([250, 720], gap="small")
    with left:
        inspector = st.container(key="panel_inspector", border=True, gap="small")
    with inspector:
        subject = _draw_subject(run, record, predictions, current)
        if run.has_network:
            draw_uploader()
    sides = [] if subject is None else sides_of(run, subject, settings, selection)
    settings = sides[0].settings if sides else settings
    finish_strip = None
    if subject is not None and run.has_network:
        with top:
            finish_strip = draw_strip(run, subject, settings, selection.hide)
    with right:
        with st.container(key="panel_map", border=True, gap="small"):
            draw_settings(run, record, settings)
        if run.has_network:
            with st.container(key="panel_support", border=True, gap="small"):
                draw_which_layer(run, settings.method, selection.to_query())
    grid = middle.container(key="panel_grid", border=True, gap="small")
    if subject is not None and subject.image is not None:
        with wide, st.container(key="panel_culprits", border=True, gap="small"):
            draw_culprits(run, subject, selection)
    # What may take long comes last: nothing of an earlier answer stands beside it meanwhile.
    with grid:
        draw_epochs(run, predictions, selection, current.image)
        if not run.has_network:
            draw_no_network(run)
        if subject is None:
            st.info("No image passes the filters: remove one in Mistakes, or choose “All” there.")
            return
        draw_maps(sides, selection.all_classes)
    if finish_strip is not None:
        finish_strip()


def _draw_subject(run: Run, record: RunRecord, predictions: Predictions, current: CurrentSet) -> Subject | None:
    """Draw the image that is explained, and return it: one of the visitor's own, or the primary one, if any."""
    subject = uploaded_subject(run, record) if run.has_network else None
    if subject is not None:
        draw_uploaded(subject, record)
        return subject
    if current.image is not None:
        subject = after_epoch(run, split_image(predictions, current.image, loaders.images(run)[current.image]))
    draw_inspector(run, predictions, current, subject=subject)
    if subject is not None:
        draw_other_answer(run, record, subject)
    return subject


def _draw_without_maps(run: Run, predictions: Predictions, current: CurrentSet, selection: Selection) -> None:
    """Draw the image, why there is no map of it, and where a pinned run looked."""
    left, middle = st.columns([250, 960], gap="small")
    with left, st.container(key="panel_inspector", border=True, gap="small"):
        draw_inspector(run, predictions, current)
    with middle, st.container(key="panel_grid", border=True, gap="small"):
        draw_no_network(run)
        if current.image is not None:
            draw_pinned_maps(run, current.image, selection)


draw_run(draw, after_epochs=True)
