"""The charts of Curves, whose content is kept: to write it takes longer than a click may last."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from sightline.app.elements.curve_charts import draw_curve_charts
from sightline.app.elements.run_pickers import choose_run
from sightline.app.runs import loaders
from sightline.app.views.curves.clicks import note_click, opened_epochs
from sightline.app.views.curves.run_table import RunRow
from sightline.app.views.curves.settings import CurveOptions
from sightline.report.address.selection import Selection
from sightline.report.drawing.curve_charts import LegendEntry, Mark, chart_label, curve_charts
from sightline.report.drawing.learning_curves import chart
from sightline.run_store.files import Stamp
from sightline.run_store.run import Run

_KEY = "curves_charts"


class _Shown(NamedTuple):
    """A run as the charts depend on it."""

    entry: LegendEntry
    path: str
    stamp: Stamp


def draw_charts(rows: Sequence[RunRow], quantities: Sequence[str], options: CurveOptions, selection: Selection) -> None:
    """Draw quantities of runs. A click at a line opens the mistakes, or chooses the run, as does one in the legend.

    Raises RunError.
    """
    marks: dict[str | None, Mark] = {selection.run: "A", selection.beside: "B"}
    runs = tuple(
        _Shown(
            LegendEntry(row.title, row.name, row.colour, marks.get(row.name, ""), opened_epochs(row)),
            str(row.run.path),
            row.run.stamp("metrics"),
        )
        for row in rows
    )

    def take() -> None:
        picked = st.session_state[_KEY].pick or {}
        row = next((row for row in rows if row.name == picked.get("run")), None)
        if row and isinstance(picked.get("epoch"), int) and opened_epochs(row):
            note_click(row.run, picked["epoch"])
        elif row:
            choose_run(row.name)

    draw_curve_charts(_content(runs, tuple(quantities), options), key=_KEY, on_pick=take)


@lru_cache(64)
def _content(shown: tuple[_Shown, ...], quantities: tuple[str, ...], options: CurveOptions) -> bytes:
    metrics = {run.entry.title: loaders.metrics(Run(Path(run.path))) for run in shown}
    charts = [chart(metrics, name, **options.as_arguments()) | {"label": chart_label(name)} for name in quantities]
    return curve_charts([run.entry for run in shown], charts)
