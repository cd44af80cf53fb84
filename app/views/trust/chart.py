"""The figures of one measure as Vega-Lite: a row a kind of map, of one or two runs, the controls last and grey.

No Streamlit here.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sightline.app.elements.vega_lite import BARE, SCHEMA
from sightline.explain.judging.measures import MEASURES, Measure
from sightline.explain.judging.verdicts import NOT_SUPPORTED, SUPPORTED, UNDECIDED, interval
from sightline.report.drawing.trust_figures import (
    COLOURS,
    CONTROL,
    CONTROL_COLOUR,
    MEANS,
    NO_VERDICT,
    Figures,
    all_in_order,
    in_order,
    rule_places,
    word_of,
)
from sightline.report.words.support import MARKS, map_words
from sightline.run_store.quality import Kind

MAP_SELECTION = "map"
_SHAPES = {SUPPORTED: "circle", NOT_SUPPORTED: "cross", UNDECIDED: "diamond", CONTROL: "square", NO_VERDICT: "circle"}
ROW_HEIGHT, AXIS_HEIGHT = 20, 50  # pixels


def trust_rows(runs: Sequence[Figures], measure: str, chosen: Kind | None) -> pa.Table:
    """Return the data of the chart: of all runs. chosen: the kind with a ring."""
    found = []
    for figures in runs:
        verdicts = figures.by_kind
        for row in in_order(figures, measure):
            verdict = verdicts.get(row.kind)
            word = word_of(row, verdict)
            mark = MEANS.get(word, word)
            found.append(
                {
                    "run": figures.title,
                    "method": row.method,
                    "layer": row.layer,
                    "map": map_words(*row.kind),
                    "value": row.value,
                    "low": row.low,
                    "high": row.high,
                    "figure": interval(row),
                    "images": row.n,
                    "mark": CONTROL if row.control else mark,
                    "word": f"{MARKS[mark]} {word}" if word else "",
                    "reason": verdict.reason if verdict else "",
                    "chosen": row.kind == chosen,
                }
            )
    return pa.Table.from_pylist(found)


def trust_chart(runs: Sequence[Figures], measure: str, theme: str) -> dict[str, Any]:
    """Write the chart without its data, which are `trust_rows`. theme: "light" or "dark".

    A click on a row selects it under the name MAP_SELECTION with the fields `method` and `layer`.
    """
    names = list(dict.fromkeys(map_words(*row.kind) for row in all_in_order(runs, measure)))
    encoding = {"y": _maps_axis(names), "color": _colour(runs, theme), "tooltip": _tooltip(runs)}
    if len(runs) > 1:
        encoding["yOffset"] = {"field": "run", "type": "nominal", "sort": [figures.title for figures in runs]}
    height = (ROW_HEIGHT if len(runs) == 1 else 1.6 * ROW_HEIGHT) * len(names) + AXIS_HEIGHT
    return {
        "$schema": SCHEMA,
        **BARE,
        "height": height,
        "encoding": encoding,
        "layer": [*_rules(runs, measure), *_marks(MEASURES[measure], theme)],
    }


def _colour(runs: Sequence[Figures], theme: str) -> dict[str, Any]:
    """Colour the verdict of one run; of two, the run. Controls are grey."""
    if len(runs) == 1:
        return _verdict_colour(theme)
    scale = {"domain": [figures.title for figures in runs], "range": [figures.colour for figures in runs]}
    grey = {"test": f"datum.mark === '{CONTROL}'", "value": CONTROL_COLOUR}
    return {"condition": grey, "field": "run", "type": "nominal", "legend": None, "scale": scale}


def _verdict_colour(theme: str) -> dict[str, Any]:
    tests = [{"test": f"datum.mark === '{name}'", "value": colour} for name, colour in COLOURS[theme].items()]
    return {"condition": tests, "value": CONTROL_COLOUR}


def _tooltip(runs: Sequence[Figures]) -> list[dict[str, Any]]:
    fields = [
        {"field": "map", "type": "nominal"},
        {"field": "figure", "type": "nominal", "title": "with interval"},
        {"field": "images", "type": "quantitative"},
        {"field": "word", "type": "nominal", "title": "verdict"},
        {"field": "reason", "type": "nominal", "title": "because"},
    ]
    return [*([{"field": "run", "type": "nominal"}] if len(runs) > 1 else []), *fields]


def _maps_axis(names: Sequence[str]) -> dict[str, Any]:
    axis = {
        "labelLimit": 230, "labelFontSize": 12, "labelOverlap": False, "labelFlush": False, "ticks": False,
        "domain": False,
    }  # fmt: skip
    return {"field": "map", "type": "nominal", "sort": list(names), "title": None, "axis": axis}


def _x(measure: Measure) -> dict[str, Any]:
    return {
        "type": "quantitative",
        "scale": {"nice": True, "zero": True},
        "title": ", ".join(filter(None, (measure.title, measure.direction))),
        "axis": {"tickCount": 7, "format": ".0%" if measure.least == 0 else ".2f"},
    }


def _marks(measure: Measure, theme: str) -> list[dict[str, Any]]:
    """Draw an interval and a point for each map, its verdict in words, and a ring around the chosen one."""
    x, picked = _x(measure), {"type": "point", "fields": ["method", "layer"], "toggle": False}
    shape = {
        "field": "mark", "type": "nominal", "legend": None,
        "scale": {"domain": list(_SHAPES), "range": list(_SHAPES.values())},
    }  # fmt: skip
    spans = {
        "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.45},
        "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}},
    }
    point = {
        "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1, "cursor": "pointer"},
        "encoding": {"x": x | {"field": "value"}, "shape": shape},
        "params": [{"name": MAP_SELECTION, "select": picked}],
    }
    words = {
        "mark": {"type": "text", "align": "left", "dx": 10, "fontSize": 12, "aria": False},
        "encoding": {
            "x": {"value": "width"},
            "text": {"field": "word", "type": "nominal"},
            "color": _verdict_colour(theme),
        },
    }
    ring = {
        "transform": [{"filter": "datum.chosen"}],
        "mark": {"type": "point", "filled": False, "size": 240, "strokeWidth": 1.5, "aria": False},
        "encoding": {"x": x | {"field": "value"}},
    }
    return [spans, point, words, ring]


def _rules(runs: Sequence[Figures], measure: str) -> list[dict[str, Any]]:
    """Draw what a figure is held against."""
    return [
        {
            "mark": {"type": "rule", "strokeDash": [3, 3], "color": CONTROL_COLOUR, "aria": False},
            "encoding": {"x": _x(MEASURES[measure]) | {"datum": place}, "y": None, "color": None, "yOffset": None},
        }
        for place in rule_places(runs, measure)
    ]
