"""Tell what is wrong with a single map, if anything: nothing found says only that. NumPy only."""

from dataclasses import dataclass

import numpy as np

from sightline.explain.judging.similarity import pearson

# Chosen on planted shapes; benchmarks/RESULTS.md ("Badges") has how often each is wrong.
FLAT_CONTRAST = 0.03  # of the largest magnitude: of a smaller range, hot and cold have colours that look the same
SAME_CORRELATION = 0.85  # above it, most maps are of kinds that are the same whatever the class
COARSE_CELLS = 4  # a side; with fewer, the best map there can be says less of an outline than a disc
_EARLIER = "Choose an earlier layer."


@dataclass(frozen=True)
class Finding:
    """What was found on a map: why it means less than it seems to, or nothing."""

    name: str
    reason: str  # a sentence, as is the advice
    advice: str


def find(
    values: np.ndarray,
    *,
    is_signed: bool,
    predicted: np.ndarray | None = None,
    runner_up: np.ndarray | None = None,
    origin: str | None = None,
) -> Finding | None:
    """Find the first of what may be wrong with a signed map, float h×w: not finite, blank, flat, same for all, coarse.

    None says that nothing was found, not that the map may be believed: whether maps of its kind are supported is
    measured on many images.

    is_signed: whether negative values are shown; a positive map is blank when none is above zero.
    predicted and runner_up: the signed maps of the two likeliest classes at the same layer, float h×w, which tell
    whether the layer's maps depend on the class at all. origin: the first
    module whose output is not finite; "" where all are, None where nobody looked.

    >>> find(np.array([[1.0, 2], [3, 4]]), is_signed=True).reason
    'The map has only 2×2 cells.'
    >>> find(-np.ones((7, 7)), is_signed=False).advice
    'Look at the signed map.'
    """
    if alone := _find_alone(values, is_signed, origin):
        return alone
    if predicted is not None and runner_up is not None:
        similarity = pearson(predicted, runner_up)
        if similarity > SAME_CORRELATION:  # which NaN is not
            reason = (
                f"The maps of the two likeliest classes correlate by {similarity:.2f}: they say little about the class."
            )
            return Finding("same for all", reason, "Look at the difference row.")
    if min(values.shape) < COARSE_CELLS:
        cells = f"{values.shape[0]}×{values.shape[1]}"
        return Finding("coarse", f"The map has only {cells} cells.", "Read it as a region, not an outline.")
    return None


def _find_alone(values: np.ndarray, is_signed: bool, origin: str | None) -> Finding | None:
    """Find what needs no other map: not finite, blank, or flat."""
    if not np.isfinite(values).all():
        arose = f" It arose in {origin}." if origin else " It arose in the gradient: every layer's output is finite."
        reason = f"The map holds NaN or infinity.{'' if origin is None else arose}"
        return Finding("not finite", reason, "Check the weights and the image.")
    if is_signed and not values.any():
        return Finding("blank", "The map is zero everywhere: the class does not depend on this layer.", _EARLIER)
    if not is_signed and values.max() <= 0:
        reason = "Nothing positive is left: all evidence is against the class."
        return Finding("blank", reason, "Look at the signed map.")
    if values.size == 1:
        return Finding("flat", "The map has one cell, so no place can stand out.", _EARLIER)
    if np.ptp(values) < FLAT_CONTRAST * np.abs(values).max():
        reason = f"All cells agree within {FLAT_CONTRAST:.0%} of the largest, so none stands out."
        return Finding("flat", reason, _EARLIER)
    return None
