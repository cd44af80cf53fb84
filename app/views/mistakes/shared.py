"""What do the images of the current set share? Their mean, the mean of their maps, what was attended in them."""

from html import escape

import numpy as np
import streamlit as st

from sightline.app.maps.shared import means_of, shown_kind, without_maps
from sightline.report.address.selection import Selection
from sightline.report.drawing.attended import attended_html
from sightline.report.drawing.means import Means
from sightline.report.words.support import map_words
from sightline.report.words.text import count
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run


def draw_shared(run: Run, predictions: Predictions, rows: np.ndarray, selection: Selection) -> None:
    """Draw it, where more than the outcome narrows the set. rows: of the set, int n. Raises RunError."""
    images = len(predictions)
    is_asked = any(predictions.has(name, asked) for name, asked in selection.columns)
    if not (selection.label or selection.predicted or is_asked) or not 1 < len(rows) < images:
        return
    method, layer = shown_kind(run)
    of_set, of_all = (means_of(run, some, method, layer) for some in (rows, np.arange(images)))
    without = without_maps(run, of_set.problem) if of_set.attended is None else ""
    st.html(shared_html(of_set, of_all, len(rows), map_words(method, layer), without))


def shared_html(of_set: Means, of_all: Means, images: int, kind: str, without: str) -> str:
    """Write the row. images: in the set. kind: of the maps, in words. without: why there is no mean map."""
    what = "all of them" if of_set.images == images else f"{count(of_set.images)} of {count(images)}"
    picture = f'<img src="{of_set.image}" alt="Mean of the images of this set">'
    pictures = f"<span>{picture}</span>"
    said = f"<p>{escape(without)}</p>"
    if of_set.attended is not None:
        over = f'<img class="over" src="{of_set.map}" alt="Mean of their maps, {escape(kind)}">'
        pictures += f'<span><img src="{of_set.image}" alt="">{over}</span>'
        said = attended_html(of_set.attended)
        if of_all.attended is not None:
            said += attended_html(of_all.attended, "In all test images")
    return (
        f'<div class="shared"><div class="means">{pictures}</div>'
        f"<div><h3>What do they share?</h3><p>Mean image{' and map' * (not without)} of {what}"
        f"{f', {escape(kind)}' * (not without)}.</p>{said}</div></div>"
    )
