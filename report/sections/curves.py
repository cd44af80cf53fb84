"""How training went."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sightline.report.asked import Asked
from sightline.report.drawing.curve_charts import CURVE_CHARTS, LegendEntry, Mark, chart_label, curve_charts
from sightline.report.drawing.learning_curves import chart, is_known
from sightline.report.sections.section import Facts

_SHOWN = ("loss", "accuracy")
_MARKS: tuple[Mark, ...] = ("A", "B")
MOST_EPOCHS = 100  # that the table lists


def curves(asked: Asked) -> Facts | None:
    """Return the charts of loss and accuracy, and their figures; None where no figure of an epoch is known."""
    metrics = {shown.title: shown.run.metrics() for shown in asked.runs}
    known = [name for name in _SHOWN if any(is_known(epochs, name) for epochs in metrics.values())]
    if not known:
        return None
    marks: tuple[Mark, ...] = _MARKS if asked.b else ("",)
    runs = [
        LegendEntry(shown.title, shown.run.name, shown.colour, mark, ())
        for shown, mark in zip(asked.runs, marks, strict=True)
    ]
    full_size_from = {
        shown.title: shown.run.record.full_size_from for shown in asked.runs if shown.run.record.full_size_from > 1
    }
    charts = [
        chart(metrics, name, full_size_from=full_size_from) | {"label": chart_label(name), "name": name}
        for name in known
    ]
    data = curve_charts(runs, charts, leads=False).decode()
    return {"element": CURVE_CHARTS, "data": data, "table": _table(charts, len(runs) > 1)}


def _table(charts: Sequence[dict[str, Any]], has_several_runs: bool) -> Facts:
    """Return head and rows of a table of what the charts show, an epoch a row."""
    lines = [(one["name"], line) for one in charts for line in one["lines"]]
    head = [
        " ".join(filter(None, [line["run"] if has_several_runs else "", line["name"], name])) for name, line in lines
    ]
    columns = [dict(zip(line["epochs"], line["texts"], strict=True)) for _, line in lines]
    epochs = sorted(set().union(*columns))
    shown = np.unique(np.linspace(0, len(epochs) - 1, min(len(epochs), MOST_EPOCHS)).round().astype(int))
    rows = [[str(epochs[place]), *(column.get(epochs[place], "–") for column in columns)] for place in shown]
    return {"head": ["epoch", *head], "rows": rows, "epochs": len(epochs)}
