"""The charts of Curves: one element for all of them, with its legend, mouse, keyboard and text alternatives."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import streamlit as st

from sightline.app.elements.beside import beside

_HTML = '<div class="curves"><div class="legend"></div><div class="charts"></div></div>\n'

_CSS = """
:host { display: block; }
.curves { font: 400 12px/1.35 var(--st-font); color: var(--st-text-color); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: center; font-size: 13px; margin: 0 0 6px -7px; }
.legend > * { display: inline-flex; align-items: center; gap: 6px; padding: 2px 7px; }
.run {
  margin: 0; border: 1px solid transparent; border-radius: 13px; background: none; color: inherit; font: inherit;
  text-align: left; overflow-wrap: anywhere; cursor: pointer;
}
.run:hover { background: var(--st-secondary-background-color); }
.run:focus-visible, svg:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.run[aria-pressed="true"] { border-color: var(--st-border-color); font-weight: 600; cursor: default; }
.run b { font-size: 11px; }
.dot { flex: none; display: inline-block; width: 9px; height: 9px; border-radius: 50%; }
.kind i { width: 22px; border-top: 2px solid currentColor; }
.kind.train i { border-top-style: dashed; }
.charts { display: grid; gap: 10px 20px; }
.chart { position: relative; margin: 0; min-width: 0; }
.title { margin-bottom: 2px; opacity: .75; }
svg { display: block; width: 100%; cursor: pointer; touch-action: pan-y; border-radius: 4px; }
text { font: inherit; fill: currentColor; }
.axis, text.axis { fill-opacity: .75; }
.grid { stroke: var(--st-border-color); }
path { fill: none; }
path.line { stroke-width: 1.8; stroke-linejoin: round; }
path.line.chosen { stroke-width: 2.6; }
path.line.near { stroke-width: 3.4; }
path.line.train { stroke-dasharray: 5 4; }
.raw { stroke-width: 1; opacity: .35; }
.full { stroke-dasharray: 1 3; }
.leader { stroke-dasharray: 1 4; opacity: .6; }
/* A run's colour, as dark or light as letters have to be. */
text.name { font-weight: 600; fill: color-mix(in srgb, var(--colour) 62%, var(--st-text-color)); }
:is(path, line, circle, text).other { opacity: .15; }
.rule { stroke: currentColor; opacity: .5; }
.pointer { pointer-events: none; }
.reading {
  position: absolute; top: 30px; z-index: 2; width: max-content; max-width: min(320px, 62%); padding: 6px 8px;
  pointer-events: none; border: 1px solid var(--st-border-color); border-radius: 6px;
  background: var(--st-background-color); box-shadow: 0 2px 8px rgb(0 0 0 / .18);
}
.reading[hidden] { display: none; }
.reading table { border-collapse: collapse; }
.reading :is(th, td) { padding: 1px 0 1px 10px; font-weight: 400; text-align: right; vertical-align: top; }
.reading :is(th, td):first-child { padding-left: 0; text-align: left; overflow-wrap: anywhere; }
.reading td { font-variant-numeric: tabular-nums; }
.reading .dot { margin-right: 6px; }
.reading .near td { font-weight: 650; }
.hint { margin-top: 4px; opacity: .8; overflow-wrap: anywhere; }
"""

_COMPONENT = st.components.v2.component(
    "sightline_curve_charts",
    html=_HTML,
    css=_CSS,
    js=beside(__file__, "js"),
)


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


def draw_curve_charts(content: bytes, *, key: str, on_pick: Callable[[], None]) -> Any:
    """Draw what `curve_charts` has written; `st.session_state[key].pick` says what a visitor chooses.

    That is `run`, its name, and `epoch`: one of those that it opens, of a click at its line; None of a click at its
    entry in the legend, or at the line of a run that opens none.
    """
    return _COMPONENT(key=key, data=content, on_pick_change=on_pick)
