"""What is like the primary image to the model: training images behind it, or test images nearest in its features."""

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.culprits.panel import draw_few_culprits
from sightline.app.culprits.search import is_looked_for
from sightline.app.elements.gallery import draw_gallery, gallery_items
from sightline.app.runs import loaders
from sightline.app.runs.similar import searched, similar
from sightline.report.address.selection import Selection
from sightline.report.drawing.subject import split_image
from sightline.report.words.text import count, escape_markdown
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

SHOWN = 4
_KEY = "mistakes_similar"
_TRAINING, _TEST = "Training images", "Test images"


def draw_alike(run: Run, predictions: Predictions, image: int, selection: Selection) -> None:
    """Draw the training images behind an image, or test images like it: where both can be, after a switch."""
    ways = [_TRAINING] if run.has_network else []
    ways += [_TEST] if len(predictions) > 1 else []
    is_known = run.has_network and is_looked_for(run)
    chosen = next(iter(ways), None)
    if len(ways) > 1:
        chosen = st.segmented_control(
            "Alike",
            ways,
            default=_TRAINING if is_known else _TEST,
            required=True,
            key=f"mistakes_alike_{is_known}",  # what is found comes to the front once
            persist_state="session",
            label_visibility="collapsed",
            width="stretch",
        )
    if chosen == _TRAINING:
        draw_few_culprits(run, split_image(predictions, image, loaders.images(run)[image]), selection)
    elif chosen == _TEST:
        _draw_similar(run, predictions, image)


def _draw_similar(run: Run, predictions: Predictions, image: int) -> None:
    """Draw similar images. A click makes one of them the primary image."""
    st.caption("Looks alike to the model")
    try:
        rows = similar(run, image, SHOWN)
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
    images = searched(run)
    if len(predictions) > images:
        st.caption(f"Among the first {count(images)} images.")
