"""Whether the confidences can be taken at their word."""

from dataclasses import dataclass, replace
from typing import Any

from sightline.report.asked import Asked, Shown
from sightline.report.drawing.calibration_chart import CALIBRATION_CHART, calibration_chart, others_of
from sightline.report.sections.section import Facts
from sightline.report.words.calibration import error_words, says_words, scope_words
from sightline.run_store.calibration import Bin, Calibration
from sightline.run_store.comparison import wilson
from sightline.run_store.predictions import Filter, Predictions


@dataclass(frozen=True)
class _OfRun:
    """The diagrams of one run, what they say, and the figures in them. words: plain text."""

    shown: Shown
    chart: dict[str, Any]
    words: str
    bins: list[tuple[Bin, tuple[float, float]]]


def calibration(asked: Asked) -> Facts | None:
    """Return the diagrams of each run, of the images that pass the filters; None where no confidence is known.

    They are of all classes and confidences, right or wrong, whichever of them the set is.
    """
    wanted = replace(others_of(asked.predictions, asked.selection), label=None, predicted=None)
    predictions = [asked.predictions, *([asked.comparison.b] if asked.comparison else [])]
    pairs = zip(asked.runs, predictions, strict=True)
    runs = [found for shown, one in pairs if (found := _of_run(shown, one, wanted))]
    return {"element": CALIBRATION_CHART, "runs": runs} if runs else None


def _of_run(shown: Shown, predictions: Predictions, wanted: Filter) -> _OfRun | None:
    passing = predictions.passing(wanted)
    found = Calibration.of(predictions.column("confidence")[passing], ~predictions.wrong[passing])
    if found is None:
        return None
    words = f"{error_words(found)} {scope_words(found, int(passing.sum()), wanted)}"
    bins = [(one, wilson(one.right, one.images)) for one in found.bins]
    return _OfRun(shown, calibration_chart(found, says_words(found), is_large=True), words, bins)
