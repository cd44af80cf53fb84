"""Short labelled bars: class probabilities, most confused pairs, figures by class. One element a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sightline.report.drawing.element import element

BARS = element(__file__, '<div class="bars"></div>\n')

Kind = Literal["", "muted", "wrong", "right"]


@dataclass(frozen=True)
class RunBar:
    """A run's own bar, 0–1, in its colour, with a text behind it; the ends of an interval, 0–1, are a line over it."""

    value: float
    text: str
    colour: str
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Bar:
    """One bar. Label and cells are plain text; value is the share of the track that is filled, 0–1.

    taken_for: what stands behind an arrow after the label; neither of the two takes the other's place away.
    title: says all of it in words. runs: in place of the one value, a bar of each run, one below the other.
    """

    label: str
    value: float
    cells: tuple[str, ...]
    taken_for: str = ""
    id: str = ""
    kind: Kind = ""
    title: str = ""
    selected: bool = False
    runs: tuple[RunBar, ...] = ()


def bars_data(
    bars: Sequence[Bar],
    *,
    widths: Sequence[int] = (44,),
    header: Sequence[str] | None = None,
    label_share: float = 1.0,
    clickable: bool = False,
) -> dict[str, Any]:
    """Return what the element holds. widths: of the cells behind the bars, pixels. label_share: of a label, in bars."""
    return {
        # Tuples: Streamlit looks at every list for a table, which takes longer than all the rest.
        "bars": tuple(vars(bar) | {"runs": tuple(map(vars, bar.runs))} for bar in bars),
        "widths": tuple(widths),
        "header": tuple(header) if header else None,
        "label_share": label_share,
        "clickable": clickable,
    }
