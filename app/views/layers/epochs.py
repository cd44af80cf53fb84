"""Which weights the maps of Layers are of: a slider over the epochs whose weights were kept."""

from dataclasses import replace

import numpy as np
import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.elements.filters import draw_chips
from sightline.app.maps import compute
from sightline.app.runs import loaders
from sightline.report.address.selection import Selection
from sightline.report.drawing.subject import Subject
from sightline.report.words.text import escape_markdown
from sightline.run_store.epochs import kept_epochs
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run

_KEY = "layers_epoch"


def after_epoch(run: Run, subject: Subject) -> Subject:
    """Return a test image with the probabilities that the kept weights of an epoch give; as it is where there are none.

    The history has the predicted class alone.
    """
    if run.epoch is None:
        return subject
    try:
        with st.spinner("Asking the network …"):
            return replace(subject, probabilities=compute.probabilities_of(run, subject))
    except RunError:  # which stands in the place of the maps
        return subject


def draw_other_answer(run: Run, record: RunRecord, subject: Subject) -> None:
    """Say what the weights of an epoch take the image for, where its history says something else."""
    p = subject.probabilities
    if run.epoch is None or np.isnan(p).any() or p.argmax() == subject.predicted:
        return
    how = "from smaller images" if run.epoch < record.full_size_from else "with other rounding"
    name = escape_markdown(subject.name(int(p.argmax())))
    st.caption(f"Computed now, these weights take it for **{name}**: the history of that epoch was computed {how}.")


def draw_epochs(run: Run, predictions: Predictions, selection: Selection, image: int | None) -> None:
    """Draw the slider, where weights of epochs were kept; else the chip of the chosen epoch, if any."""
    epochs = loaders.epochs(run)
    kept = [epoch for epoch in kept_epochs(run.path) if epoch in epochs]
    chosen = selection.epoch or (epochs[-1] if epochs else 0)
    if not set(kept) - {chosen}:
        draw_chips(predictions, Selection(epoch=selection.epoch))
        return
    st.session_state[_KEY] = chosen

    def take() -> None:
        epoch = st.session_state[_KEY]
        change_selection(epoch=None if epoch == epochs[-1] else epoch, image=image)

    st.select_slider(
        "Weights after epoch",
        sorted({*kept, chosen, epochs[-1]}),
        key=_KEY,
        format_func=lambda epoch: f"{epoch} (last)" if epoch == epochs[-1] else str(epoch),
        on_change=take,
        help="The maps, the prediction and the probabilities are of the network as it was after this epoch.",
    )
