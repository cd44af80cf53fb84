"""The diagrams of the calibration: a reliability diagram, and accuracy against coverage."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sightline.report.address.selection import Selection
from sightline.report.drawing.element import element
from sightline.report.words.text import counted, percent
from sightline.run_store.calibration import Bin, Calibration, Kept
from sightline.run_store.comparison import wilson
from sightline.run_store.predictions import Filter, Predictions

CALIBRATION_CHART = element(__file__, '<div class="calibration"></div>\n')


def others_of(predictions: Predictions, selection: Selection) -> Filter:
    """Return the filters by which the images are chosen: not by what the diagrams are about, confidence and right."""
    columns = tuple((name, asked) for name, asked in selection.columns if name != "confidence")
    return replace(selection.filter(predictions.class_names), outcome="all", columns=columns)


def calibration_chart(
    found: Calibration,
    words: Sequence[str],
    *,
    chosen: Kept | None = None,
    chosen_bin: Bin | None = None,
    is_large: bool = False,
) -> dict[str, Any]:
    """Return what both diagrams hold. words: stand above them, every second one bold."""
    by_kept = {kept.kept: kept for kept in (*found.coverages, *filter(None, [chosen]))}
    points = [by_kept[images] for images in sorted(by_kept)]
    return {
        # Tuples: Streamlit looks at every list for a table, which takes longer than all the rest.
        "bins": tuple(_bin(one, len(found)) for one in found.bins),
        "bin": found.bins.index(chosen_bin) if chosen_bin in found.bins else -1,
        "points": tuple((kept.coverage, kept.accuracy, kept.threshold, kept.below) for kept in points),
        "chosen": [kept.kept for kept in points].index(chosen.kept if chosen else len(found)),
        "words": tuple(words),
        "large": is_large,
    }


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
