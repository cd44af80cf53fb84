"""The figures of one measure on one run or two: their order, what is said of each, and what tells verdicts apart."""

from collections.abc import Sequence
from dataclasses import dataclass

from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.verdicts import (
    DECISIVE,
    FAILS,
    NOT_SUPPORTED,
    PASSES,
    SECOND,
    SUPPORTED,
    UNDECIDED,
    Verdict,
    check,
)
from sightline.run_store.quality import Kind, QualityRow

CONTROL, NO_VERDICT = "control", ""
CONTROL_COLOUR = "#8b949c"
# Other hues than those of runs, in light and in dark; words and shapes say the same to whoever sees no colours.
COLOURS = {
    "light": {SUPPORTED: "#17633d", NOT_SUPPORTED: "#9c2f1a", UNDECIDED: "#7a5200"},
    "dark": {SUPPORTED: "#7fd0a5", NOT_SUPPORTED: "#f29c86", UNDECIDED: "#e5bd6b"},
}
MEANS = {PASSES: SUPPORTED, FAILS: NOT_SUPPORTED}  # a check has the colours and shapes of what it is like


@dataclass(frozen=True)
class Figures:
    """What was measured on a run. title: of the run; colour: its own, where there are two."""

    title: str
    colour: str
    rows: Sequence[QualityRow]
    verdicts: Sequence[Verdict]

    @property
    def by_kind(self) -> dict[Kind, Verdict]:
        """The verdict of each kind of map, the best first."""
        return {verdict.kind: verdict for verdict in self.verdicts}


def in_order(figures: Figures, measure: str) -> list[QualityRow]:
    """Sort the rows of one measure on which images count: by the verdict, or the figure; controls last."""
    place = {kind: number for number, kind in enumerate(figures.by_kind)}
    sign = -1 if MEASURES[measure].is_highest_first else 1
    goes_by_verdict = measure == DECISIVE

    def key(row: QualityRow) -> tuple[bool, int, float]:
        number = place.get(row.kind, len(place)) if goes_by_verdict else 0
        return row.control, number, sign * row.value

    return sorted((row for row in figures.rows if row.measure == measure and row.n), key=key)


def word_of(row: QualityRow, verdict: Verdict | None) -> str:
    """Say of a kind whether it passes a check, else whether it is supported; of a control nothing.

    Of the second measure, what the rule says by it; of all others the verdict, which goes by the decisive one.
    """
    if row.control:
        return ""
    if MEASURES[row.measure].bound is not None:
        return check(row)
    if verdict is None:
        return NO_VERDICT
    return verdict.second if row.measure == SECOND else verdict.name


def all_in_order(runs: Sequence[Figures], measure: str) -> list[QualityRow]:
    """Return the rows in the first run's order, with what only the other has before the controls."""
    rows = [row for figures in runs for row in in_order(figures, measure)]
    return sorted(rows, key=lambda row: row.control)


def rule_places(runs: Sequence[Figures], measure: str) -> list[float]:
    """Return what a figure is held against: the bound of a check, of decisive measures the highest control, or chance.

    Nothing where that is not known.
    """
    known = MEASURES[measure]
    controls = [row.value for row in in_order(runs[0], measure) if row.control]
    if measure in (DECISIVE, SECOND) and controls and len(runs) == 1:
        return [max(controls)]
    place = known.chance if known.bound is None else known.bound
    return [] if place is None else [place]
