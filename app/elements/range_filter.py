"""The filter by a column of numbers: a slider, and below it how the images lie on it."""

import math
from collections.abc import Callable
from html import escape
from urllib.parse import quote

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sightline.report.words.text import count, counted, escape_markdown
from sightline.run_store.predictions import REQUIRED_COLUMNS, Filter, Predictions, Range

MOST_BARS = 40  # of a histogram
CHOSEN, OTHER = "#2b8fba", "#80889066"  # seen on the light theme and on the dark one


def draw_range(
    place: DeltaGenerator, name: str, predictions: Predictions, wanted: Filter, take: Callable[[Range | None], None]
) -> None:
    """Draw a slider over all values of the column; at its ends it asks for nothing, so that no NaN is left out.

    Below it stands how the images lie on it that pass all other filters. take: called with what is asked for.
    """
    known = predictions.ends(name)
    scale = (0.0, 100.0, 1.0) if name == "confidence" else slider_scale(known)
    if scale is None or not len(known):
        return
    key, unit = f"mistakes_column_{name}", 100 if name == "confidence" else 1
    low, high, step = scale
    asked = dict(wanted.columns).get(name)
    ends = (asked.low * unit, asked.high * unit) if isinstance(asked, Range) else (low, high)
    chosen = tuple(min(max(end, low), high) for end in ends)
    st.session_state[key] = chosen

    def take_ends() -> None:
        first, last = st.session_state[key]
        start = first / unit if first > low else -math.inf
        end = last / unit if last < high else math.inf
        take(None if math.isinf(start) and math.isinf(end) else Range(start, end))

    title = name.capitalize() if name in REQUIRED_COLUMNS else name
    place.slider(
        escape_markdown(title),
        low,
        high,
        step=step,
        key=key,
        format="%d %%" if name == "confidence" else "%.4g",
        on_change=take_ends,
    )
    edges = bar_edges(low, high, step, predictions.is_whole(name)) / unit
    images = predictions.histogram(name, wanted, edges)
    passing = int(predictions.passing(wanted).sum())
    ends_of_bars, unit_words = edges * unit, "\u202f%" * (unit == 100)
    place.html(histogram_html(title, images, ends_of_bars, (chosen[0], chosen[1]), passing, unit_words))


def bar_edges(low: float, high: float, step: float, is_whole: bool) -> np.ndarray:
    """Return the rising ends of the bars between the ends of a slider; of few whole numbers, a bar around each."""
    if is_whole and step == 1 and high - low < MOST_BARS:
        return np.arange(low - 0.5, high + 1)
    return np.linspace(low, high, MOST_BARS + 1)


def histogram_html(
    title: str, images: np.ndarray, edges: np.ndarray, chosen: tuple[float, float], passing: int, unit: str = ""
) -> str:
    """Write a bar for the images, int B, between each two edges, float B+1: strong where its middle is chosen.

    passing: how many of the images are in the range.
    """
    middles = (edges[1:] + edges[:-1]) / 2
    is_chosen = (middles >= chosen[0]) & (middles <= chosen[1])
    heights = 4 + 96 * images / max(images.max(), 1)  # of few images something is seen too
    paths = []
    for colour, which in ((CHOSEN, is_chosen), (OTHER, ~is_chosen)):
        places = np.flatnonzero(which & (images > 0))
        bars = "".join(f"M{place}.08 100V{100 - heights[place]:.1f}h.84V100Z" for place in places)
        paths.append(f'<path fill="{colour}" d="{bars}"/>')
    words = f"{title} of {counted(int(images.sum()), 'image')} that pass the other filters"
    if images.any():
        most = int(images.argmax())
        where = " to ".join(f"{end:.3g}{unit}" for end in edges[most : most + 2])
        words += f": {count(passing)} in the range; the highest bar, {count(int(images[most]))}, is from {where}"
    size = f'width="100%" height="100%" viewBox="0 0 {len(images)} 100" preserveAspectRatio="none"'
    drawn = quote(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(paths)}</svg>')  # st.html takes out an svg
    return f'<img class="histogram" src="data:image/svg+xml,{drawn}" alt="{escape(words)}">'


def slider_scale(values: np.ndarray) -> tuple[float, float, float] | None:
    """Return the ends, moved out to whole steps, and the step: a power of ten, 10 to 100 of them; of whole numbers, 1.

    None where there is nothing to choose, or no number for the span.
    """
    finite = values[np.isfinite(values)].astype(np.float64)
    span = float(finite.max() / 2 - finite.min() / 2) * 2 if len(finite) else 0.0
    if not 1e-300 < span < math.inf:
        return None
    exponent = math.floor(math.log10(span)) - 1
    if exponent < 0 and (finite == np.round(finite)).all():
        exponent = 0
    step = 10.0**exponent
    low, high = (
        round(side(end / step) * step, -exponent)
        for side, end in ((math.floor, finite.min()), (math.ceil, finite.max()))
    )
    return low, high, step
