"""Whether the confidences of the images that pass the filters can be taken at their word; a threshold makes the set."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from sightline.app.address.url import read_selection, write_selection
from sightline.app.elements.calibration_chart import draw_chart
from sightline.app.runs import loaders
from sightline.app.runs.kept import kept
from sightline.report.address.selection import Selection
from sightline.report.drawing.calibration_chart import calibration_chart, others_of
from sightline.report.words.calibration import error_words, says_words, scope_words
from sightline.run_store.calibration import Bin, Calibration, Kept
from sightline.run_store.predictions import Filter, Predictions, Range
from sightline.run_store.run import Run

_KEY = "mistakes_calibration"


def draw_calibration(run: Run, predictions: Predictions, selection: Selection) -> None:
    """Draw the diagrams and the figures in words, or why there are none."""
    wanted = others_of(predictions, selection)
    found = _calibration(run, wanted)
    if found is None:
        st.caption("How sure the model was is known of none of these images.")
        return
    is_enlarged = _draw_diagrams(found, selection).enlarge
    st.caption(f"{error_words(found)} {scope_words(found, int(predictions.passing(wanted).sum()), wanted)}")
    if is_enlarged:
        _draw_enlarged(found, selection)


@st.dialog("Calibration", width="large")
def _draw_enlarged(found: Calibration, selection: Selection) -> None:
    result = _draw_diagrams(found, selection, is_large=True)
    st.caption(error_words(found))
    if result.bin is not None or result.threshold is not None:
        st.rerun()  # the page, without the dialog


def _draw_diagrams(found: Calibration, selection: Selection, is_large: bool = False) -> Any:
    key, asked = f"{_KEY}{'_large' if is_large else ''}", dict(selection.columns).get("confidence")
    asked = asked if isinstance(asked, Range) else None
    data = calibration_chart(
        found,
        says_words(found),
        chosen=chosen_of(found, asked),
        chosen_bin=next((one for one in found.bins if asked == range_of(found, one)), None),
        is_large=is_large,
    )
    return draw_chart(
        data,
        key=key,
        on_bin=lambda: _ask(range_of(found, found.bins[st.session_state[key].bin])),
        on_threshold=lambda: _ask(_below(st.session_state[key].threshold)),
    )


@kept("columns", lru_cache(4))  # of a million images, one holds about 30 MB
def _calibration(run: Run, wanted: Filter) -> Calibration | None:
    predictions = loaders.predictions(run)
    rows = np.flatnonzero(predictions.passing(wanted))
    return Calibration.of(predictions.column("confidence")[rows], ~predictions.wrong[rows])


def _ask(asked: Range | None) -> None:
    """Make the images of these confidences the set, right or wrong; None: of all confidences."""
    selection, _ = read_selection()
    write_selection(selection.change(outcome="all", columns=selection.ask("confidence", asked)))


def _below(threshold: float) -> Range | None:
    return Range(high=threshold) if threshold >= 0 else None


def range_of(found: Calibration, one: Bin) -> Range:
    """Return the filter that passes the images of a bin: one that is exactly as sure as its lower end is of another."""
    confidence = found.confidence
    inside = confidence[np.searchsorted(confidence, confidence.dtype.type(one.low), side="right") :]
    low = inside[0] if confidence.dtype.type(one.low) in confidence else one.low
    return Range(*(float(f"{float(str(end)):.12g}") for end in (low, one.high)))  # as they stand in the address


def chosen_of(found: Calibration, asked: Range | None) -> Kept | None:
    """Return what is kept where the images up to a confidence, and no others, are asked for."""
    is_threshold = asked is not None and math.isinf(asked.low) and math.isfinite(asked.high)
    return found.keep_above(asked.high) if asked and is_threshold else None
