"""Decide which kinds of maps are supported on a run, from the figures of its quality.csv: one rule. Torch-free.

A kind of map is *supported* where losing what its maps call relevant costs the class more probability than losing what
any control map calls relevant: where, image by image, its ROAD gap less that of every control is more than MINIMUM,
with its whole interval. It is *not supported* where it is less with the whole interval, for some control. Else it is
*undecided*: the images are too few. With 95 % probability no kind and no look on the way is decided wrongly
(Bonferroni's correction), as far as means of so many images follow the normal distribution: those of 25 differences
that are skewed miss more often than their intervals say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sightline.explain.judging.intervals import widening
from sightline.explain.judging.measures import MEASURES, MOSAICS
from sightline.run_store.quality import INPUT, Kind, QualityRow

DECISIVE, SECOND = "road_gap", "blur_gap"  # what the model minds, by two ways of taking pixels out
MINIMUM = 0.01  # of probability: less than a point is nothing that anybody would call a difference
SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"
PASSES, FAILS = "passes", "fails"
CONTROL_WORDS = {
    "random": "random numbers",
    "sobel": "an edge detector",
    "gaussian": "a blob in the middle",
    "mean_map": "the mean map of all images",
}
RULE = (
    "A kind of map is supported where losing what its maps call relevant costs the model more than losing what any "
    f"control map does: image by image, its ROAD lies more than {MINIMUM:g} above that of every control, with the "
    "whole 95 % interval, which is corrected for the number of comparisons and of looks. It is not supported where "
    "it lies below that for some control, and undecided where the images are too few to tell."
)

Index = Mapping[tuple[str, str, str], QualityRow]  # method, layer and measure → the figure


@dataclass(frozen=True)
class Lead:
    """How far a kind's figure lies above that of a control, on the same images, with an interval that is corrected."""

    measure: str
    control: str
    value: float
    low: float
    high: float
    n: int

    @property
    def words(self) -> str:
        """Say it in words, without a full stop."""
        over = CONTROL_WORDS.get(self.control, self.control)
        return (
            f"{MEASURES[self.measure].title}'s lead over {over} is {signed_interval(self.value, self.low, self.high)}"
        )


@dataclass(frozen=True)
class Verdict:
    """Whether a kind of map is supported, and why. Texts are plain."""

    method: str
    layer: str
    name: str  # SUPPORTED, NOT_SUPPORTED or UNDECIDED
    lead: Lead  # over the control that decides
    second: str  # the name by the second measure; "" where it was not taken
    final: bool  # False: more images are to be measured

    @property
    def kind(self) -> Kind:
        """What it is about."""
        return self.method, self.layer

    @property
    def disagrees(self) -> bool:
        """Whether one measure supports the kind and the other does not."""
        return {self.name, self.second} == {SUPPORTED, NOT_SUPPORTED}

    @property
    def reason(self) -> str:
        """Say in a sentence or two why."""
        ends = {
            SUPPORTED: "; no control is nearer.",
            NOT_SUPPORTED: f"; it must be above {MINIMUM:g}.",
            UNDECIDED: f": too few images to tell ({self.lead.n}).",
        }
        words = self.lead.words + ends[self.name]
        if not self.disagrees:
            return words
        return f"{words} By {MEASURES[SECOND].title.lower()} it is {self.second}: the two measures disagree."


def verdicts(rows: Sequence[QualityRow]) -> list[Verdict]:
    """Judge every kind of map of which the decisive measure and some control were taken; the best lead first."""
    index = indexed(rows)
    seconds = {kind: name for kind, name, _ in _judged(index, SECOND)}
    found = [
        Verdict(*kind, name, lead, seconds.get(kind, ""), index[*kind, DECISIVE].final)
        for kind, name, lead in _judged(index, DECISIVE)
    ]
    order = (SUPPORTED, UNDECIDED, NOT_SUPPORTED)
    return sorted(found, key=lambda verdict: (order.index(verdict.name), -verdict.lead.value))


def missing_controls(rows: Sequence[QualityRow]) -> str:
    """Name the controls that were not measured beside the kinds, as in files of before they were; "" where all were."""
    there = {row.method for row in rows if row.control and row.measure == DECISIVE and row.n}
    return " and ".join(words for control, words in CONTROL_WORDS.items() if control not in there)


def has_no_mosaics(rows: Sequence[QualityRow]) -> bool:
    """Tell whether GridPG was left out, since there can be no mosaics: its figures have no image and are final."""
    mosaics = [row for row in rows if row.measure == MOSAICS]
    return bool(mosaics) and all(row.final and not row.n for row in mosaics)


def indexed(rows: Sequence[QualityRow]) -> Index:
    """Return the figures for which images count, by method, layer and measure."""
    return {(row.method, row.layer, row.measure): row for row in rows if row.n}


def over(measure: str, control: str) -> str:
    """Name the figure that says how far `measure` lies above that of a control, image by image.

    >>> over("road_gap", "sobel")
    'road_gap_over_sobel'
    """
    return f"{measure}_over_{control}"


def measure_of(name: str) -> str:
    """Name the measure of a figure, also where it says how far it lies above that of a control.

    >>> measure_of("road_gap_over_sobel"), measure_of("road_gap")
    ('road_gap', 'road_gap')
    """
    return name.split("_over_")[0]


def is_known(name: str) -> bool:
    """Tell whether a figure of this name is one of ours: of a measure, or of its lead over a control."""
    return measure_of(name) in MEASURES


def known_rows(rows: Sequence[QualityRow]) -> list[QualityRow]:
    """Leave out figures of other measures than ours; all of them where none of ours has an image."""
    known = [row for row in rows if is_known(row.measure)]
    return known if any(row.n and row.measure in MEASURES for row in known) else []


def undecided(rows: Sequence[QualityRow], measure: str) -> set[Kind]:
    """Return the kinds that are undecided by a measure, and the controls that some of them hang on."""
    found = set()
    for kind, over_controls in leads(indexed(rows), measure):
        if judge(over_controls)[0] == UNDECIDED:
            close = [lead for lead in over_controls if lead.low <= MINIMUM]
            found |= {kind, *((lead.control, INPUT) for lead in close)}
    return found


def leads(index: Index, measure: str) -> list[tuple[Kind, list[Lead]]]:
    """Return the lead of every kind over every control that was measured; none where no control was."""
    of_measure = [row for row in index.values() if row.measure == measure]
    controls = [row for row in of_measure if row.control and row.method in CONTROL_WORDS]
    kinds = [row.kind for row in of_measure if not row.control]
    numbers = len(kinds), len(controls)
    return [(kind, [_lead(index, kind, one, *numbers) for one in controls]) for kind in kinds if controls]


def _judged(index: Index, measure: str) -> list[tuple[Kind, str, Lead]]:
    return [(kind, *judge(found)) for kind, found in leads(index, measure)]


def judge(found: Sequence[Lead]) -> tuple[str, Lead]:
    """Apply the rule to the leads of a kind over all controls; beside the name, return the lead that decides."""
    lowest, least_high = min(found, key=lambda lead: lead.low), min(found, key=lambda lead: lead.high)
    if lowest.low > MINIMUM:
        return SUPPORTED, lowest
    return (NOT_SUPPORTED, least_high) if least_high.high < MINIMUM else (UNDECIDED, lowest)


def _lead(index: Index, kind: Kind, control: QualityRow, kinds: int, controls: int) -> Lead:
    """Return the lead over one control: the mean of the differences, image by image.

    Where the file has none, of before they were written, the interval is that of two figures that know nothing of each
    other: from the low end of one, less the high end of the other, to the contrary. It is a wider one.

    The low end is corrected for the number of kinds: who must beat every control needs no correction for their number
    (intersection–union test, Berger 1982). One control is enough for the contrary, so the high end is for both.
    """
    measure, name = control.measure, control.method
    paired = index.get((*kind, over(measure, name)))
    if paired is not None:
        low, high = _low(paired, kinds), _high(paired, kinds * controls)
        return Lead(measure, name, paired.value, low, high, paired.n)
    row = index[*kind, measure]
    low, high = (
        _low(row, kinds) - _high(control, kinds),
        _high(row, kinds * controls) - _low(control, kinds * controls),
    )
    return Lead(measure, name, row.value - control.value, low, high, min(row.n, control.n))


def _low(row: QualityRow, comparisons: int) -> float:
    """Return the low end of a figure's interval, corrected for so many comparisons; −∞ where it has none."""
    if row.n < 2:
        return float("-inf")
    return row.value - widening(row.n, row.level, comparisons) * (row.value - row.low)


def _high(row: QualityRow, comparisons: int) -> float:
    """Return the high end, as `_low`."""
    if row.n < 2:
        return float("inf")
    return row.value + widening(row.n, row.level, comparisons) * (row.high - row.value)


def check(row: QualityRow) -> str:
    """Tell whether a figure of a sanity check PASSES or FAILS its bound, with the whole interval; else UNDECIDED.

    Of two images, say, the interval is so wide that nothing is told; a figure of one has none.
    """
    bound = MEASURES[row.measure].bound
    if bound is not None and row.n > 1:
        if row.high <= bound:
            return PASSES
        if row.low > bound:
            return FAILS
    return UNDECIDED


def interval(row: QualityRow) -> str:
    """Write a figure with its interval; of a measure between 0 and 1 in per cent.

    >>> interval(QualityRow("gradcam", "layer4", "road_gap", 0.21, 0.18, 0.24, 500, False, 500))
    '0.21 (0.18 to 0.24)'
    >>> interval(QualityRow("gradcam", "layer4", "gridpg", 0.87, 0.85, 0.89, 125, False, 500))
    '87 % (85–89)'
    """
    known = MEASURES[row.measure]
    # An interval by a formula may reach beyond what is possible.
    low, high = max(row.low, known.least), min(row.high, known.most)
    if known.least == 0:
        return "{:.0f} % ({:.0f}–{:.0f})".format(*(100 * number for number in (row.value, low, high)))
    return signed_interval(row.value, low, high)


def signed_interval(value: float, low: float, high: float) -> str:
    """Write a number and its interval with two digits and true minus signs; an end at infinity as ∞."""
    return f"{value:z.2f} ({low:z.2f} to {high:z.2f})".replace("-", "−").replace("inf", "∞")
