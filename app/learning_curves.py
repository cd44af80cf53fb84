"""Learning curves as Vega-Lite. No Streamlit here, and neither Altair nor pandas: the first page is drawn before they
are imported, which takes longer than all the rest of it (benchmarks/RESULTS.md, "Dashboard").
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from run_store.metrics import Epoch

# Told apart by the colour-blind, and visible on white and on near-black.
RUN_COLOURS = ("#0b7fab", "#d1495b", "#2a9d6f", "#c77b0a", "#8e6cc0", "#6b7f8c", "#b85c9e", "#4f9ad6")
BARE: dict[str, Any] = {
    "background": "transparent",
    "padding": {"left": 0, "top": 4, "right": 4, "bottom": 0},
}  # the panel around a chart has a colour and margins
SPLITS = ("train", "test")
_QUANTITIES = {"loss": ("loss (nats)", 1.0, ".3f"), "accuracy": ("accuracy (%)", 100.0, ".1f")}

Metrics = Mapping[str, Sequence[Epoch]]  # by run name
Rows = list[dict[str, Any]]


def learning_curves(metrics: Metrics, quantity: str, colours: Mapping[str, str]) -> dict[str, Any]:
    """quantity: "loss" or "accuracy". Dashed: train; solid: test. The data stand in its "datasets" as rows.

    One legend stands beside the two charts, so neither repeats it.
    """
    title, factor, number_format = _QUANTITIES[quantity]
    points, readings = _points(metrics, quantity, factor), _readings(metrics, quantity, factor, number_format)
    epoch = {"field": "epoch", "type": "quantitative", "title": "epoch", "scale": {"nice": False}}
    encoding = {
        "x": epoch | {"axis": {"tickMinStep": 1, "grid": False, "format": "d"}},
        "y": {
            "field": "value", "type": "quantitative", "title": title,
            "scale": {"zero": False}, "axis": {"tickCount": 6},
        },
        "color": {
            "field": "run", "type": "nominal", "legend": None,
            "scale": {"domain": list(metrics), "range": [colours[name] for name in metrics]},
        },
    }  # fmt: skip
    dash = {
        "field": "split", "type": "nominal", "legend": None,
        "scale": {"domain": ["test", "train"], "range": [[1, 0], [5, 4]]},
    }  # fmt: skip
    line = {"mark": {"type": "line", "strokeWidth": 2}, "encoding": encoding | {"strokeDash": dash}}
    first_epoch = {
        "transform": [{"filter": "datum.alone"}],
        "mark": {"type": "point", "filled": True, "size": 28, "opacity": 1},
        "encoding": encoding,
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "height": 260,
        **BARE,
        "datasets": {"points": points, "readings": readings},
        "data": {"name": "points"},
        "layer": [line, first_epoch, _hover_rule(list(metrics), quantity, epoch)],
    }


def _hover_rule(names: Sequence[str], quantity: str, epoch: Mapping[str, Any]) -> dict[str, Any]:
    """A rule at the epoch under the pointer, whose tooltip reads the values of all runs there."""
    titles = (f"{name} {split}" if len(names) > 1 else f"{split} {quantity}" for name in names for split in SPLITS)
    tooltip = [{"field": "epoch", "type": "quantitative", "format": "d"}] + [
        {"field": f"v{number}", "type": "nominal", "title": title} for number, title in enumerate(titles)
    ]
    nearest = {"type": "point", "fields": ["epoch"], "nearest": True, "on": "pointermove", "clear": "pointerout"}
    return {
        "data": {"name": "readings"},
        "params": [{"name": "epoch", "select": nearest}],
        "mark": {"type": "rule", "color": "gray"},
        "encoding": {
            "x": epoch,
            "opacity": {"condition": {"param": "epoch", "empty": False, "value": 0.7}, "value": 0},
            "tooltip": tooltip,
        },
    }


def _points(metrics: Metrics, quantity: str, factor: float) -> Rows:
    """Rows: run, epoch, split, value; `alone` marks a run's only epoch, which would be a line without length."""
    return [
        {
            "run": name, "epoch": row.epoch, "split": split, "alone": len(rows) == 1,
            "value": _number(getattr(row, f"{split}_{quantity}") * factor),
        }
        for name, rows in metrics.items()
        for split in SPLITS
        for row in rows
    ]  # fmt: skip


def _readings(metrics: Metrics, quantity: str, factor: float, number_format: str) -> Rows:
    """A row an epoch that any run has; v0, v1, … are the values there as text, in the order of runs and splits.

    Numbered, because Vega reads dots and brackets in a field's name as a path, and run names are other people's text.
    """
    by_epoch = [{row.epoch: row for row in rows} for rows in metrics.values()]
    rows: Rows = []
    for epoch in sorted(set().union(*by_epoch)):
        values = [
            getattr(run[epoch], f"{split}_{quantity}") * factor if epoch in run else math.nan
            for run in by_epoch
            for split in SPLITS
        ]
        texts = ("–" if math.isnan(value) else f"{value:{number_format}}" for value in values)
        rows.append({"epoch": epoch} | {f"v{number}": text for number, text in enumerate(texts)})
    return rows


def _number(value: float) -> float | None:
    """JSON has no NaN or infinity, and a line has a gap there."""
    return value if math.isfinite(value) else None
