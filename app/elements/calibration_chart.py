"""The element of the calibration: a reliability diagram, and accuracy against coverage with a threshold to drag."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from sightline.app.elements.beside import beside
from sightline.app.elements.text import counted, percent
from sightline.run_store.calibration import Bin, Calibration, Kept
from sightline.run_store.comparison import wilson

_COMPONENT = st.components.v2.component(
    "sightline_calibration",
    html='<div class="calibration"></div>\n',
    css=beside(__file__, "css"),
    js=beside(__file__, "js"),
)


def draw_chart(
    found: Calibration,
    words: Sequence[str],
    *,
    key: str,
    on_bin: Callable[[], None],
    on_threshold: Callable[[], None],
    chosen: Kept | None = None,
    chosen_bin: Bin | None = None,
    is_large: bool = False,
) -> Any:
    """Draw both diagrams; what is chosen in them is in `st.session_state[key]`, which is also returned.

    words: stand above them, every second one bold. on_bin: called where a bin was clicked, whose place is `bin`.
    on_threshold: where images were put aside, up to the confidence `threshold`, −1 for none. A click on the button
    beside the words is `enlarge`.
    """
    by_kept = {kept.kept: kept for kept in (*found.coverages, *filter(None, [chosen]))}
    points = [by_kept[images] for images in sorted(by_kept)]
    data = {
        # Tuples: Streamlit looks at every list for a table, which takes longer than all the rest.
        "bins": tuple(_bin(one, len(found)) for one in found.bins),
        "bin": found.bins.index(chosen_bin) if chosen_bin in found.bins else -1,
        "points": tuple((kept.coverage, kept.accuracy, kept.threshold, kept.below) for kept in points),
        "chosen": [kept.kept for kept in points].index(chosen.kept if chosen else len(found)),
        "words": tuple(words),
        "large": is_large,
    }
    return _COMPONENT(
        key=key, data=data, on_bin_change=on_bin, on_threshold_change=on_threshold, on_enlarge_change=_nothing
    )


def _nothing() -> None:
    """Do nothing: the component sends an event only where it has a callback."""


def _bin(one: Bin, images: int) -> dict[str, Any]:
    return {
        "low": one.low,
        "high": one.high,
        "says": one.confidence,
        "accuracy": one.accuracy,
        "interval": wilson(one.right, one.images),
        "share": one.images / images,
        "text": bin_words(one),
    }


def bin_words(one: Bin) -> str:
    """Write “362 images 80–90 % sure: right on 99.7 % (98.4–99.9 %), says 86.3 %”."""
    low, high = (100 * end for end in wilson(one.right, one.images))
    return (
        f"{counted(one.images, 'image')} {100 * one.low:.0f}–{100 * one.high:.0f} % sure: right on "
        f"{percent(one.accuracy)} ({low:.1f}–{high:.1f} %), says {percent(one.confidence)}"
    )
