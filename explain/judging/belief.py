"""Tell which maps of a run may be believed, from the figures of its quality.csv. Torch-free."""

from collections.abc import Sequence

from sightline.explain.judging.measures import MEASURES
from sightline.run_store.quality import INPUT, QualityRow

LEAST_GAP = 0.01  # of probability: less than a point is nothing that anybody would call faithful
CONTROL_WORDS = {"random": "random numbers", "sobel": "an edge detector", "gaussian": "a blob in the middle"}


def figure(rows: Sequence[QualityRow], method: str, layer: str, measure: str) -> QualityRow | None:
    """Find the one row; None where it was not measured or no image counts."""
    wanted = (method, layer, measure)
    return next((row for row in rows if (row.method, row.layer, row.measure) == wanted and row.n), None)


def headline(rows: Sequence[QualityRow]) -> str:
    """Name the measure by which layers are told apart: GridPG, or ROAD where the model takes no mosaics."""
    return "gridpg" if any(row.measure == "gridpg" and row.n for row in rows) else "road_gap"


def equals(rows: Sequence[QualityRow], row: QualityRow) -> list[QualityRow]:
    """Return the control maps that `row` is no better than: their intervals meet, or theirs is the better one."""
    controls = [other for other in rows if other.control and other.measure == row.measure and other.n]
    if MEASURES[row.measure].better == "higher":
        return [other for other in controls if row.low <= other.high]
    return [other for other in controls if row.high >= other.low]


def unfaithful(rows: Sequence[QualityRow], method: str, layer: str) -> str:
    """Say why the maps of a method at a layer are unfaithful; "" where they are not, or nothing was measured.

    They are unfaithful where taking out what they call relevant moves the class's probability no more than taking out
    random places, or by less than LEAST_GAP: where the interval of ROAD's gap begins below that, or below the end of
    that of random maps. (The gap of a network with random weights is tiny, and yet none that chance explains.)
    """
    row, chance = (figure(rows, *one, "road_gap") for one in ((method, layer), ("random", INPUT)))
    if row is None or chance is None or row.low > max(chance.high, LEAST_GAP):
        return ""
    return (
        "On this run, taking out what such maps call relevant hardly moves the probability more than taking out "
        f"random places (ROAD {interval(row)}; random {interval(chance)})."
    )


def ranking(rows: Sequence[QualityRow], method: str | None = None) -> list[QualityRow]:
    """Return the headline figures of maps that may be believed, best first: better than every control, and faithful.

    method: leaves the other methods out.
    """
    measure = headline(rows)
    figures = [row for row in rows if row.measure == measure and row.n]
    controls = [row for row in figures if row.control]
    gaps = [row for row in rows if row.measure == "road_gap"]
    found = [
        row
        for row in figures
        if not row.control
        and method in (None, row.method)
        and not equals(controls, row)
        and not unfaithful(gaps, row.method, row.layer)
    ]
    return sorted(found, key=lambda row: -row.value)


def interval(row: QualityRow) -> str:
    """Write a figure with its interval; of a measure between 0 and 1 in per cent.

    >>> interval(QualityRow("gradcam", "layer4", "road_gap", 0.21, 0.18, 0.24, 500, False, 500))
    '0.21 (0.18 to 0.24)'
    >>> interval(QualityRow("gradcam", "layer4", "gridpg", 0.87, 0.85, 0.89, 125, False, 500))
    '87 % (85–89)'
    """
    numbers = row.value, row.low, row.high
    if MEASURES[row.measure].least == 0:
        return "{:.0f} % ({:.0f}–{:.0f})".format(*(100 * number for number in numbers))
    return "{:z.2f} ({:z.2f} to {:z.2f})".format(*numbers).replace("-", "−")
