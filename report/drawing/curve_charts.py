"""The charts of learning curves: one element for all of them, with its legend, mouse, keyboard, text alternatives."""

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sightline.report.drawing.element import element
from sightline.report.drawing.learning_curves import QUANTITIES

CURVE_CHARTS = element(__file__, '<div class="curves"><div class="legend"></div><div class="charts"></div></div>\n')

Mark = Literal["A", "B", ""]  # the chosen run, the pinned one, another


class LegendEntry(NamedTuple):
    """A run as the charts show it.

    opens: the epochs, rising, after which its mistakes are known, to which a click at its line leads.
    """

    title: str
    name: str
    colour: str
    mark: Mark
    opens: Sequence[int]


def curve_charts(runs: Sequence[LegendEntry], charts: Sequence[dict[str, Any]], *, leads: bool = True) -> bytes:
    """Write what the browser needs. charts: of `learning_curves.chart`, each with its `label`, a text alternative.

    leads: whether a click leads to a run or its mistakes; otherwise it emphasises the run.
    """
    shown = {"runs": [run._asdict() for run in runs], "charts": charts, "leads": leads}
    return json.dumps(shown, separators=(",", ":")).encode()


def chart_label(quantity: str) -> str:
    """Write the text alternative of a key of QUANTITIES: 'Train and test loss by epoch'."""
    lines = " and ".join(filter(None, QUANTITIES[quantity].lines))
    return f"{lines} {quantity} by epoch".strip().capitalize()
