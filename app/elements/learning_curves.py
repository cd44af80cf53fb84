"""Learning curves as Vega-Lite. No Streamlit here, and neither Altair nor pandas: the first page is drawn before they
are imported, which takes longer than all the rest of it (benchmarks/RESULTS.md, "Dashboard").
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from sightline.run_store.metrics import Epoch

# Told apart by the colour-blind, and visible on white and on near-black.
RUN_COLOURS = ("#0b7fab", "#d1495b", "#2a9d6f", "#c77b0a", "#8e6cc0", "#6b7f8c", "#b85c9e", "#4f9ad6")
BARE: dict[str, Any] = {
    "background": "transparent",
    "padding": {"left": 0, "top": 4, "right": 4, "bottom": 0},
}  # the panel around a chart has a colour and margins
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

CLICKED = "clicked"  # what a chart calls the epoch that was clicked at

EPOCH: dict[str, Any] = {
    "field": "epoch", "type": "quantitative", "title": "epoch", "scale": {"nice": False, "zero": False},
}  # fmt: skip

Metrics = Mapping[str, Sequence[Epoch]]  # by run name
Rows = list[dict[str, Any]]
# A log may lack figures of some epochs, or of all but every fifth: a line joins those that there are.
JOINED: dict[str, Any] = {"type": "line", "invalid": "filter"}


@dataclass(frozen=True)
class Quantity:
    """What one chart shows. lines: by name, an epoch's value; the name of the only line is ""."""

    title: str  # of the axis, with its unit
    number_format: str
    lines: Mapping[str, Callable[[Epoch], float]]
    is_positive: bool = True  # whether a logarithmic axis can show it


QUANTITIES = {
    "loss": Quantity(
        "loss (nats)", ".3f", {"train": lambda epoch: epoch.train_loss, "test": lambda epoch: epoch.test_loss}
    ),
    "accuracy": Quantity(
        "accuracy (%)",
        ".1f",
        {"train": lambda epoch: 100 * epoch.train_accuracy, "test": lambda epoch: 100 * epoch.test_accuracy},
        is_positive=False,
    ),
    "gap": Quantity(
        "accuracy, train − test (points)",
        "+.1f",
        {"": lambda epoch: 100 * (epoch.train_accuracy - epoch.test_accuracy)},
        is_positive=False,
    ),
    "learning rate": Quantity("learning rate at the end", ".3g", {"": lambda epoch: epoch.learning_rate}),
    "seconds": Quantity("time (s)", ".1f", {"": lambda epoch: epoch.seconds}),
}


class Line(NamedTuple):
    """A line of a chart, of which at least one value is known. epochs and values: of the same length, NaN: unknown."""

    run: str
    name: str  # of the quantity's lines
    epochs: list[int]
    values: list[float]


def lines_of(metrics: Metrics, quantity: str) -> list[Line]:
    """Return the lines of a key of QUANTITIES that can be drawn: runs without such a figure have none."""
    lines = [
        Line(run, name, [epoch.epoch for epoch in epochs], [value_of(epoch) for epoch in epochs])
        for run, epochs in metrics.items()
        for name, value_of in QUANTITIES[quantity].lines.items()
    ]
    return [line for line in lines if not all(map(math.isnan, line.values))]


def is_known(epochs: Sequence[Epoch], quantity: str) -> bool:
    """Tell whether any value is known of a key of QUANTITIES."""
    return any(not math.isnan(value_of(epoch)) for value_of in QUANTITIES[quantity].lines.values() for epoch in epochs)


def learning_curves(
    metrics: Metrics,
    quantity: str,
    colours: Mapping[str, str],
    *,
    full_size_from: Mapping[str, int] | None = None,
    smoothing: float = 0.0,
    logarithmic: bool = False,
    legend: bool = False,
) -> dict[str, Any]:
    """Write the chart of a key of QUANTITIES, with its data as rows in "datasets".

    Dashed: train; solid: test, or the only line. What is not known has a point at either side, and is passed over.

    full_size_from: by run name, the epoch to mark with a dotted rule, where it has begun (RunRecord.full_size_from).
    smoothing: weight of the past in an exponential moving average, 0 up to 1; then the values themselves are drawn
    faintly behind it. The hover rule always reads the values themselves. logarithmic: the value axis, where it can be.
    legend: for a picture that stands alone; on the page, one legend stands beside all charts.
    """
    shown, marked = QUANTITIES[quantity], full_size_from or {}
    is_log = logarithmic and shown.is_positive
    points, readings = f"points of {quantity}", f"readings of {quantity}"
    lines = lines_of(metrics, quantity)
    names = list(dict.fromkeys(line.run for line in lines))
    runs = {"domain": names, "range": [colours[name] for name in names]}
    encoding = _encoding(shown, runs, is_log, legend)
    return {
        "$schema": SCHEMA,
        "height": 260,
        **BARE,
        "datasets": {points: _points(lines, marked, smoothing, is_log), readings: _readings(lines, shown)},
        "data": {"name": points},
        "layer": [
            *([_measured_behind(encoding)] if smoothing else []),
            *([_first_full_size(encoding)] if marked else []),
            {"mark": JOINED | {"strokeWidth": 2}, "encoding": encoding},
            _beside_gaps(encoding),
            _hover_rule(lines, quantity, readings),
        ],
    }


def _encoding(shown: Quantity, runs: Mapping[str, Any], is_log: bool, legend: bool) -> dict[str, dict[str, Any]]:
    dash = {"domain": list(shown.lines), "range": [[5, 4] if line == "train" else [1, 0] for line in shown.lines]}
    return {
        "x": EPOCH | {"axis": {"tickMinStep": 1, "grid": False, "format": "d"}},
        "y": {
            "field": "value", "type": "quantitative", "title": shown.title,
            "scale": {"type": "log"} if is_log else {"zero": False}, "axis": {"tickCount": 6},
        },
        "color": {"field": "run", "type": "nominal", "scale": runs, "legend": _legend(legend)},
        "strokeDash": {
            "field": "line", "type": "nominal", "scale": dash, "legend": _legend(legend and len(shown.lines) > 1),
        },
    }  # fmt: skip


def _measured_behind(encoding: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the values themselves, faintly, behind their average."""
    return {
        "mark": JOINED | {"strokeWidth": 1, "opacity": 0.35},
        "encoding": {**encoding, "y": encoding["y"] | {"field": "raw"}},
    }


def _first_full_size(encoding: Mapping[str, Any]) -> dict[str, Any]:
    """Draw a dotted rule where a run's images begin to have their full size."""
    return {
        "transform": [{"filter": "datum.is_first_full"}],
        "mark": {"type": "rule", "strokeDash": [1, 3], "aria": False},
        "encoding": {channel: encoding[channel] for channel in ("x", "color")},
    }


def _beside_gaps(encoding: Mapping[str, Any]) -> dict[str, Any]:
    """Draw a point where the epoch before or after is not known, or there is none other: a line has no length then."""
    return {
        "transform": [{"filter": "datum.is_beside_gap"}],
        "mark": {"type": "point", "filled": True, "size": 28, "opacity": 1, "aria": False},
        "encoding": {channel: encoding[channel] for channel in ("x", "y", "color")},
    }


def picture(charts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Stack charts of `learning_curves`, without what follows the pointer, with their data."""
    return {
        "$schema": SCHEMA,
        "background": "white",
        "datasets": {chart["data"]["name"]: chart["datasets"][chart["data"]["name"]] for chart in charts},
        "vconcat": [
            {"data": chart["data"], "layer": chart["layer"][:-1], "width": 640, "height": chart["height"]}
            for chart in charts
        ],
        "resolve": {"scale": {"strokeDash": "independent"}},  # of other charts' lines, this one has none
    }


def _legend(shown: bool) -> dict[str, Any] | None:
    return {"title": None, "symbolOpacity": 1} if shown else None


def _hover_rule(lines: Sequence[Line], quantity: str, readings: str) -> dict[str, Any]:
    """Write a rule at the epoch under the pointer, whose tooltip reads the values of all lines there, to be clicked."""
    runs = {line.run for line in lines}
    titles = [
        f"{line.run} {line.name}".rstrip() if len(runs) > 1 else f"{line.name} {quantity}".lstrip() for line in lines
    ]
    tooltip = [{"field": "epoch", "type": "quantitative", "format": "d"}] + [
        {"field": f"v{number}", "type": "nominal", "title": title} for number, title in enumerate(titles)
    ]
    nearest = {"type": "point", "fields": ["epoch"], "nearest": True}
    return {
        "data": {"name": readings},
        "params": [
            {"name": "epoch", "select": nearest | {"on": "pointermove", "clear": "pointerout"}},
            {"name": CLICKED, "select": nearest | {"on": "click", "toggle": False}},
        ],
        "mark": {"type": "rule", "color": "gray"},
        "encoding": {
            "x": EPOCH,
            "opacity": {"condition": {"param": "epoch", "empty": False, "value": 0.7}, "value": 0},
            "tooltip": tooltip,
        },
    }


def _points(lines: Sequence[Line], marked: Mapping[str, int], smoothing: float, is_log: bool) -> Rows:
    """Return run, epoch, line, value, raw, and is_first_full: at the epochs of `marked`."""
    rows: Rows = []
    for run, name, epochs, raw in lines:
        beside_gaps = _epochs_beside_gaps(epochs, raw)
        for epoch, value, average in zip(epochs, raw, smoothed(raw, smoothing), strict=True):
            row = {"run": run, "epoch": epoch, "line": name, "is_beside_gap": epoch in beside_gaps}
            row["is_first_full"] = epoch == marked.get(run)
            rows.append(row | {"value": _drawable(average, is_log), "raw": _drawable(value, is_log)})
    return rows


def _epochs_beside_gaps(epochs: Sequence[int], values: Sequence[float]) -> set[int]:
    """Return the epochs with a value from which a line crosses epochs without one; the only epoch that has any."""
    known = sorted(epoch for epoch, value in zip(epochs, values, strict=True) if math.isfinite(value))
    return {epoch for pair in pairwise(known) if pair[1] - pair[0] > 1 for epoch in pair} or (
        set(known) if len(known) == 1 else set()
    )


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Average exponentially, without the bias towards 0 at the beginning (Kingma and Ba 2014, section 3).

    weight: of the past, 0 up to 1. What is not finite is left out of the average, and stays where it is.
    """
    average, count, result = 0.0, 0, []
    for value in values:
        if math.isfinite(value):
            average, count = weight * average + (1 - weight) * value, count + 1
            result.append(average / (1 - weight**count))
        else:
            result.append(value)
    return result


def _readings(lines: Sequence[Line], quantity: Quantity) -> Rows:
    """Return a row for each epoch of any run; v0, v1, … are the values as text, in the order of the lines.

    Numbered, because Vega reads dots and brackets in a field's name as a path, and run names are other people's text.
    """
    by_epoch = [dict(zip(line.epochs, line.values, strict=True)) for line in lines]
    rows: Rows = []
    for number in sorted(set().union(*by_epoch)):
        values = (line.get(number, math.nan) for line in by_epoch)
        texts = ("–" if math.isnan(value) else f"{value:{quantity.number_format}}" for value in values)
        rows.append({"epoch": number} | {f"v{place}": text for place, text in enumerate(texts)})
    return rows


def _drawable(value: float, is_log: bool) -> float | None:
    """Return None for what JSON (NaN, infinity) or a logarithmic axis (0) does not have."""
    return value if math.isfinite(value) and (value > 0 or not is_log) else None
