"""Whether the confidences of the images that pass the filters can be taken at their word; a threshold makes the set."""

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from sightline.app.address.url import read_selection, write_selection
from sightline.app.elements.calibration_chart import draw_chart
from sightline.app.runs import loaders
from sightline.app.runs.kept import kept
from sightline.report.address.selection import Selection
from sightline.report.drawing.calibration_chart import calibration_chart
from sightline.report.words.text import count, counted, percent
from sightline.run_store.calibration import BINS, RESAMPLES, Bin, Calibration, Kept
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


def others_of(predictions: Predictions, selection: Selection) -> Filter:
    """Return the filters by which the images are chosen: not by what the diagrams are about, confidence and right."""
    columns = tuple((name, asked) for name, asked in selection.columns if name != "confidence")
    return replace(selection.filter(predictions.class_names), outcome="all", columns=columns)


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
    return Range(float(inside[0]) if confidence.dtype.type(one.low) in confidence else one.low, one.high)


def chosen_of(found: Calibration, asked: Range | None) -> Kept | None:
    """Return what is kept where the images up to a confidence, and no others, are asked for."""
    is_threshold = asked is not None and math.isinf(asked.low) and math.isfinite(asked.high)
    return found.keep_above(asked.high) if asked and is_threshold else None


def says_words(found: Calibration) -> tuple[str, ...]:
    """Say how sure the model is and how often right, on the whole: every second part of it stands out."""
    gap = found.says - found.accuracy
    verdict = "as often as it says" if abs(gap) < 0.005 else "too sure" if gap > 0 else "not sure enough"
    return "On average ", percent(found.says), " sure, and right on ", percent(found.accuracy), f": {verdict}."


def error_words(found: Calibration) -> str:
    """Say the expected calibration error, its interval, and what chance makes of it."""
    low, high = found.interval
    chance = "no more than chance makes" if found.error <= found.by_chance else "chance makes up to"
    return (
        f"Expected calibration error {percent(found.error)} ({100 * low:.1f}–{percent(high)}; {chance} "
        f"{percent(found.by_chance)}): how far confidence and accuracy lie apart, in {BINS} bins of equal width. 95 % "
        f"interval: bootstrap, {count(RESAMPLES)} resamples."
    )


def scope_words(found: Calibration, passing: int, wanted: Filter) -> str:
    """Say of which images the figures are."""
    which = "" if wanted == Filter("all") else " that pass the other filters"
    unknown = passing - len(found)
    others = f"; of {counted(unknown, 'other')} the confidence is not known" if unknown else ""
    return f"Of {counted(len(found), 'image')}{which}, right or wrong{others}."
