"""What looks alike to the model: the images nearest to the primary one in its penultimate features."""

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.elements.gallery import draw_gallery, gallery_items
from sightline.app.elements.text import count, escape_markdown
from sightline.app.runs import loaders
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

SHOWN = 4
_KEY = "mistakes_similar"


def draw_similar(run: Run, predictions: Predictions, image: int) -> None:
    """Draw similar images. A click makes one of them the primary image."""
    if len(predictions) < 2:
        return
    st.caption("Looks alike to the model")
    try:
        rows = loaders.similar(run, image, SHOWN)
    except RunError as error:
        without = "Not known: the run has no network."
        st.caption(escape_markdown(str(error)) if run.has_network else without)
        return
    draw_gallery(
        gallery_items(run, predictions, rows),
        key=_KEY,
        label="Similar images",
        on={
            "pick": lambda: change_selection(image=st.session_state[_KEY].pick),
            "open": lambda: change_selection(image=st.session_state[_KEY].open),
        },
    )
    searched = loaders.searched(run)
    if len(predictions) > searched:
        st.caption(f"Among the first {count(searched)} images.")
