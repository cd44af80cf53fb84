"""Whether confidences can be taken at their word, in words. Plain texts."""

from sightline.report.words.text import count, counted, percent
from sightline.run_store.calibration import BINS, RESAMPLES, Calibration
from sightline.run_store.predictions import Filter


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
