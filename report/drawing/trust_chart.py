"""The figures of one measure as a drawing that needs no script: places are shares of its width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.verdicts import interval
from sightline.report.drawing.trust_figures import (
    CONTROL,
    MEANS,
    NO_VERDICT,
    Figures,
    all_in_order,
    in_order,
    rule_places,
    word_of,
)
from sightline.report.words.support import MARKS, map_words
from sightline.run_store.quality import Kind, QualityRow

_TICKS = 6  # about so many


@dataclass(frozen=True)
class Mark:
    """A figure with its interval, in per cent of the width. name: of its shape. colour: of the run, of two; else ""."""

    value: float
    low: float
    high: float
    name: str
    colour: str
    word: str
    figure: str


@dataclass(frozen=True)
class Row:
    """A kind of map, and its mark on each run that has one."""

    title: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Chart:
    """A row a kind, the controls last. ticks: place and text. rules: places of what figures are held against."""

    title: str
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    rules: tuple[float, ...]


def trust_chart(runs: Sequence[Figures], measure: str) -> Chart:
    """Return the chart of one run or two: in the order of the first, as in the dashboard."""
    known, rows = MEASURES[measure], all_in_order(runs, measure)
    rules = rule_places(runs, measure)
    ends = [end for row in rows for end in (row.low, row.high, row.value) if math.isfinite(end)]
    ticks = nice_ticks(min([0.0, *ends, *rules]), max([0.0, *ends, *rules]))

    def place(value: float) -> float:
        return round(100 * (value - ticks[0]) / (ticks[-1] - ticks[0]), 2)

    def mark(figures: Figures, row: QualityRow) -> Mark:
        word = word_of(row, figures.by_kind.get(row.kind))
        name = CONTROL if row.control else MEANS.get(word, word) or "plain"
        said = "" if row.control or word == NO_VERDICT else f"{MARKS[MEANS.get(word, word)]} {word}"
        low, high = (place(end if math.isfinite(end) else row.value) for end in (row.low, row.high))
        colour = figures.colour if len(runs) > 1 and not row.control else ""
        return Mark(place(row.value), low, high, name, colour, said, interval(row))

    by_kind: dict[Kind, list[Mark]] = {row.kind: [] for row in rows}
    for figures in runs:
        for row in in_order(figures, measure):
            by_kind[row.kind].append(mark(figures, row))
    number = "{:.0%}" if known.least == 0 else "{:z.2f}"
    return Chart(
        ", ".join(filter(None, (known.title, known.direction))),
        tuple(Row(map_words(*kind), tuple(marks)) for kind, marks in by_kind.items()),
        tuple((place(tick), number.format(tick).replace("-", "−")) for tick in ticks),
        tuple(map(place, rules)),
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """Return round numbers, evenly spaced, from at most `low` to at least `high`: at least two.

    >>> nice_ticks(-0.03, 0.52)
    [-0.1, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    """
    rough = max(high - low, 1e-6) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step + 1e-9), max(math.ceil(high / step - 1e-9), math.floor(low / step + 1e-9) + 1)
    return [round(number * step, 10) for number in range(first, last + 1)]
