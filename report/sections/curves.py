"""How training went."""

from typing import Any

from sightline.report.asked import Asked
from sightline.report.drawing.curve_charts import CURVE_CHARTS, LegendEntry, Mark, curve_charts
from sightline.report.drawing.learning_curves import QUANTITIES, chart, is_known
from sightline.report.sections.section import Facts

_SHOWN = ("loss", "accuracy")
_MARKS: tuple[Mark, ...] = ("A", "B")


def curves(asked: Asked) -> Facts | None:
    """Return the charts of loss and accuracy; None where no figure of an epoch is known."""
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
    charts: list[dict[str, Any]] = [
        chart(metrics, name, full_size_from=full_size_from) | {"label": f"{QUANTITIES[name].title} by epoch"}
        for name in known
    ]
    return {"element": CURVE_CHARTS, "data": curve_charts(runs, charts).decode()}
