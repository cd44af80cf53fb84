"""The figures of one measure as Vega-Lite: a row a map with its interval, in order. No Streamlit here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sightline.app.elements.learning_curves import BARE, RUN_COLOURS, SCHEMA
from sightline.explain.judging.belief import interval
from sightline.explain.judging.measures import MEASURES, Measure
from sightline.run_store.quality import QualityRow

MAP_SELECTION = "map"
CONTROL_COLOUR = "#8b949c"
ROW_HEIGHT, AXIS_HEIGHT = 17, 50  # pixels


def best_first(rows: Sequence[QualityRow], measure: str) -> list[QualityRow]:
    """Sort the rows of one measure on which images count."""
    sign = -1 if MEASURES[measure].is_highest_first else 1
    return sorted((row for row in rows if row.measure == measure and row.n), key=lambda row: sign * row.value)


def trust_rows(rows: Sequence[QualityRow], name: Callable[[str, str], str], chosen: tuple[str, str] | None) -> pa.Table:
    """Return the data of the chart; rows: of one measure, in order.

    name: of a method at a layer. chosen: method and layer.
    """
    return pa.Table.from_pylist(
        [
            {
                "method": row.method,
                "layer": row.layer,
                "map": name(row.method, row.layer),
                "value": row.value,
                "low": row.low,
                "high": row.high,
                "figure": interval(row),
                "images": row.n,
                "chosen": (row.method, row.layer) == chosen,
            }
            for row in rows
        ]
    )


def trust_chart(rows: Sequence[QualityRow], names: Sequence[str], colours: Mapping[str, str]) -> dict[str, Any]:
    """Write the chart without its data, which are `trust_rows`; names: of the same rows. colours: by method.

    A click on a row selects it under the name MAP_SELECTION with the fields `method` and `layer`.
    """
    measure = MEASURES[rows[0].measure]
    colour = {
        "field": "method", "type": "nominal", "legend": None,
        "scale": {"domain": list(colours), "range": list(colours.values())},
    }  # fmt: skip
    tooltip = [
        {"field": "map", "type": "nominal"},
        {"field": "figure", "type": "nominal", "title": "with 95 % interval"},
        {"field": "images", "type": "quantitative"},
    ]
    return {
        "$schema": SCHEMA,
        **BARE,
        "height": ROW_HEIGHT * len(rows) + AXIS_HEIGHT,
        "encoding": {"y": _maps_axis(names), "color": colour, "tooltip": tooltip},
        "layer": _marks(measure),
    }


def _maps_axis(names: Sequence[str]) -> dict[str, Any]:
    axis = {
        "labelLimit": 230, "labelFontSize": 12, "labelOverlap": False, "labelFlush": False, "ticks": False,
        "domain": False,
    }  # fmt: skip
    return {"field": "map", "type": "nominal", "sort": list(names), "title": None, "axis": axis}


def _marks(measure: Measure) -> list[dict[str, Any]]:
    """Draw an interval and a point for each map, a ring around the chosen one, a dashed rule at chance."""
    x = {
        "type": "quantitative",
        "scale": {"nice": True, "zero": True},
        "title": ", ".join(filter(None, (measure.title, measure.direction))),
        "axis": {"tickCount": 7, "format": ".0%" if measure.least == 0 else ".2f"},
    }
    picked = {"type": "point", "fields": ["method", "layer"], "toggle": False}
    interval = {
        "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45},
        "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}},
    }
    point = {
        "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "cursor": "pointer"},
        "encoding": {"x": x | {"field": "value"}},
        "params": [{"name": MAP_SELECTION, "select": picked}],
    }
    ring = {
        "transform": [{"filter": "datum.chosen"}],
        "mark": {"type": "point", "filled": False, "size": 220, "strokeWidth": 1.5, "aria": False},
        "encoding": {"x": x | {"field": "value"}},
    }
    chance = {
        "mark": {"type": "rule", "strokeDash": [3, 3], "color": CONTROL_COLOUR, "aria": False},
        "encoding": {"x": {"datum": measure.chance}, "y": None, "color": None},
    }
    return [*([] if measure.chance is None else [chance]), interval, point, ring]


def method_colours(rows: Sequence[QualityRow]) -> dict[str, str]:
    """Choose colours, the same in every measure: control maps are grey."""
    methods = sorted({row.method for row in rows if not row.control})
    colours = {method: RUN_COLOURS[place % len(RUN_COLOURS)] for place, method in enumerate(methods)}
    return colours | {row.method: CONTROL_COLOUR for row in rows if row.control}
