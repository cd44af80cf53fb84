"""The charts of learning curves: one element for all of them, with its legend, mouse, keyboard, text alternatives."""

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sightline.report.drawing.element import element

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


def curve_charts(runs: Sequence[LegendEntry], charts: Sequence[dict[str, Any]]) -> bytes:
    """Write what the browser needs. charts: of `learning_curves.chart`, each with its `label`, a text alternative."""
    return json.dumps({"runs": [run._asdict() for run in runs], "charts": charts}, separators=(",", ":")).encode()
