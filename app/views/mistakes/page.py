"""Where does it fail? Confusion on the left, the current set in the middle, the primary image on the right."""

from functools import partial

import streamlit as st

from sightline.app.address.views import pages
from sightline.app.elements.current_set import CurrentSet, current_set
from sightline.app.elements.filters import draw_filters, draw_headline, explain_nothing
from sightline.app.elements.gallery import gallery_items
from sightline.app.elements.image_set import draw_image_set, page_size
from sightline.app.elements.inspector import draw_inspector
from sightline.app.elements.sheet import draw_sheet
from sightline.app.elements.shell import draw_run
from sightline.app.maps.pinned import draw_pinned_guess
from sightline.app.maps.predicted import draw_picture
from sightline.app.runs import loaders
from sightline.app.views.mistakes.alike import draw_alike
from sightline.app.views.mistakes.overview import draw_confusion, draw_tables
from sightline.app.views.mistakes.ringleaders import draw_ringleaders, draw_switch, known_culprits
from sightline.app.views.mistakes.shared import draw_shared
from sightline.report.address.selection import Selection
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run

_GALLERY = "mistakes_gallery"


def draw(run: Run, selection: Selection) -> None:
    """Draw the confusion, the current set and the primary image."""
    predictions = loaders.predictions(run)
    loaders.images(run)
    current = current_set(predictions, selection, page_size(_GALLERY))
    left, middle, right = st.columns([300, 650, 260], gap="small")
    with left:
        with st.container(key="panel_confusion", border=True, gap="xsmall"):
            draw_confusion(run, predictions, selection)
        with st.container(key="panel_tables", border=True, gap="xsmall"):
            draw_tables(run, predictions, selection)
    with middle, st.container(key="panel_set", border=True, gap="small"):
        draw_headline(predictions, current, selection)
        known = known_culprits(run)
        draw_filters(predictions, selection, more=partial(draw_switch, selection) if known else None)
        draw_shared(run, predictions, current.rows, selection)
        if known and selection.behind and len(current.rows):
            draw_ringleaders(run, known, predictions, current, selection, page_size(_GALLERY))
        else:
            _draw_set(run, predictions, current, selection)
    with right, st.container(key="panel_inspector", border=True, gap="small"):
        draw_sheet()
        draw_inspector(run, predictions, current, picture=lambda subject: draw_picture(run, subject, selection))
        if current.image is not None:
            draw_pinned_guess(run, current.image, selection)
            chosen = selection.change(image=current.image).to_query()
            st.page_link(pages()["Layers"], label="Where did it look? Open Layers →", query_params=chosen)
            if run.epoch is None:
                draw_alike(run, predictions, current.image, selection)
            else:
                st.caption("What is alike to the model is known of its last epoch only.")


def _draw_set(run: Run, predictions: Predictions, current: CurrentSet, selection: Selection) -> None:
    if not len(current.rows):
        st.info(explain_nothing(selection), icon=":material/filter_alt_off:")
        return
    draw_image_set(gallery_items(run, predictions, current.page_rows), current, selection, key=_GALLERY, run=run)


draw_run(draw, after_epochs=True)
