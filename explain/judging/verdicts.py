"""Tell what a map may be read as, and when it means nothing. NumPy only."""

from dataclasses import dataclass

import numpy as np

from sightline.explain.judging.similarity import pearson

FLAT_CONTRAST = 0.05  # of the largest magnitude: a smaller range fills less than 13 of the 256 steps of a colour scale
SAME_CORRELATION = 0.95  # above it one class's map explains 90 % (0.95²) of the variation of the other's
COARSE_CELLS = 4  # a side; a map of fewer cells marks a quarter of the image's width or more at once
_EARLIER = "Choose an earlier layer."


@dataclass(frozen=True)
class Verdict:
    """The answer to whether a map means anything."""

    name: str  # "ok", or the first problem in the order of `judge`
    reason: str = ""  # a sentence, as is the advice; empty where all is well
    advice: str = ""


OK = Verdict("ok")


def judge(
    values: np.ndarray,
    *,
    is_signed: bool,
    predicted: np.ndarray | None = None,
    runner_up: np.ndarray | None = None,
    origin: str = "",
    unfaithful: str = "",
) -> Verdict:
    """Judge a signed map, float h×w: not finite, blank, flat, same for all, unfaithful, coarse, or ok.

    is_signed: whether negative values are shown; a positive map is blank when none is above zero.
    predicted and runner_up: the signed maps of the two likeliest classes at the same layer, float h×w, which tell
    whether the layer's maps depend on the class at all. origin: of a value that is not finite, where it arose.
    unfaithful: why such maps are, see `belief.unfaithful`.

    >>> judge(np.array([[1.0, 2], [3, 4]]), is_signed=True).reason
    'The map has only 2×2 cells.'
    >>> judge(-np.ones((7, 7)), is_signed=False).advice
    'Look at the signed map.'
    """
    alone = _judge_alone(values, is_signed, origin)
    if alone != OK:
        return alone
    if predicted is not None and runner_up is not None:
        similarity = pearson(predicted, runner_up)
        if similarity > SAME_CORRELATION:  # which NaN is not
            reason = (
                f"The maps of the two likeliest classes correlate by {similarity:.2f}: they say little about the class."
            )
            return Verdict("same for all", reason, "Look at the difference row.")
    if unfaithful:
        return Verdict("unfaithful", unfaithful, "Choose a layer that Trust shows to be better.")
    if min(values.shape) < COARSE_CELLS:
        cells = f"{values.shape[0]}×{values.shape[1]}"
        return Verdict("coarse", f"The map has only {cells} cells.", "Read it as a region, not an outline.")
    return OK


def _judge_alone(values: np.ndarray, is_signed: bool, origin: str) -> Verdict:
    """Judge what needs no other map: not finite, blank, flat, or ok."""
    if not np.isfinite(values).all():
        arose = f"It arose in {origin}." if origin else "It arose in the gradient: every layer's output is finite."
        return Verdict("not finite", f"The map holds NaN or infinity. {arose}", "Check the weights and the image.")
    if is_signed and not values.any():
        return Verdict("blank", "The map is zero everywhere: the class does not depend on this layer.", _EARLIER)
    if not is_signed and values.max() <= 0:
        reason = "Nothing positive is left: all evidence is against the class."
        return Verdict("blank", reason, "Look at the signed map.")
    if values.size == 1:
        return Verdict("flat", "The map has one cell, so no place can stand out.", _EARLIER)
    if np.ptp(values) < FLAT_CONTRAST * np.abs(values).max():
        reason = f"All cells agree within {FLAT_CONTRAST:.0%} of the largest, so none stands out."
        return Verdict("flat", reason, _EARLIER)
    return OK
