"""Learning curves as a picture that stands alone, in Vega-Lite. No Streamlit here."""

from collections.abc import Mapping, Sequence
from typing import Any

from sightline.app.elements.vega_lite import SCHEMA
from sightline.report.drawing.learning_curves import QUANTITIES, Metrics, chart

EPOCH: dict[str, Any] = {
    "field": "epoch", "type": "quantitative", "title": "epoch", "scale": {"nice": False, "zero": False},
    "axis": {"tickMinStep": 1, "grid": False, "format": "d"},
}  # fmt: skip
# A log may lack figures of some epochs, or of all but every fifth: a line joins those that there are.
_JOINED: dict[str, Any] = {"type": "line", "invalid": "filter"}

Rows = list[dict[str, Any]]


def picture(metrics: Metrics, quantities: Sequence[str], colours: Mapping[str, str], **options: Any) -> dict[str, Any]:
    """Stack the charts of keys of QUANTITIES, with their data. options: of `chart`."""
    drawn = [_drawing(chart(metrics, name, **options), colours) for name in quantities]
    return {
        "$schema": SCHEMA,
        "background": "white",
        "vconcat": drawn,
        "resolve": {"scale": {"strokeDash": "independent"}},  # of other charts' lines, this one has none
    }


def _drawing(held: Mapping[str, Any], colours: Mapping[str, str]) -> dict[str, Any]:
    """Draw what a chart holds. Dashed: train; solid: test, or the only line."""
    encoding = _encoding(held, colours)
    rows = _rows(held)
    is_smoothed = any(row["value"] != row["raw"] for row in rows)
    return {
        "data": {"values": rows},
        "width": 640,
        "height": 260,
        "layer": [
            *([_measured_behind(encoding)] if is_smoothed else []),
            *([_first_full_size(encoding)] if any(row["is_first_full"] for row in rows) else []),
            {"mark": _JOINED | {"strokeWidth": 2}, "encoding": encoding},
            _beside_gaps(encoding),
        ],
    }


def _encoding(held: Mapping[str, Any], colours: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    names, lines = list(dict.fromkeys(line["run"] for line in held["lines"])), list(QUANTITIES[held["quantity"]].lines)
    runs = {"domain": names, "range": [colours[name] for name in names]}
    dash = {"domain": lines, "range": [[5, 4] if line == "train" else [1, 0] for line in lines]}
    return {
        "x": EPOCH,
        "y": {
            "field": "value", "type": "quantitative", "title": held["title"],
            "scale": {"type": "log"} if held["is_log"] else {"zero": False}, "axis": {"tickCount": 6},
        },
        "color": {"field": "run", "type": "nominal", "scale": runs, "legend": _legend(True)},
        "strokeDash": {"field": "line", "type": "nominal", "scale": dash, "legend": _legend(len(lines) > 1)},
    }  # fmt: skip


def _legend(shown: bool) -> dict[str, Any] | None:
    return {"title": None, "symbolOpacity": 1} if shown else None


def _measured_behind(encoding: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the values themselves, faintly, behind their average."""
    return {
        "mark": _JOINED | {"strokeWidth": 1, "opacity": 0.35},
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
    """Draw a point where a line crosses epochs that are not known, or has no length."""
    return {
        "transform": [{"filter": "datum.is_beside_gap"}],
        "mark": {"type": "point", "filled": True, "size": 28, "opacity": 1, "aria": False},
        "encoding": {channel: encoding[channel] for channel in ("x", "y", "color")},
    }


def _rows(held: Mapping[str, Any]) -> Rows:
    """Return a row for each point: run, epoch, line, value, raw, is_beside_gap, is_first_full."""
    return [
        {
            "run": line["run"], "epoch": epoch, "line": line["name"], "value": value, "raw": raw,
            "is_beside_gap": epoch in line["beside_gaps"], "is_first_full": epoch == line["full_size_from"],
        }
        for line in held["lines"]
        for epoch, value, raw in zip(line["epochs"], line["values"], line["raw"], strict=True)
    ]  # fmt: skip
