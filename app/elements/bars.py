"""Short labelled bars: class probabilities, most confused pairs, figures by class. One element a list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

_HTML = '<div class="bars"></div>\n'

_CSS = """
:host { display: block; }
.bars { font: 400 12px/1.2 var(--st-font); color: var(--st-text-color); }
.row {
  display: grid; align-items: center; gap: 8px; width: 100%; min-height: 20px; padding: 1px 4px; box-sizing: border-box;
  margin: 0; border: 0; border-radius: 5px; background: none; color: inherit; font: inherit; text-align: left;
}
.head { opacity: .62; font-size: 11px; }
button.row { cursor: pointer; }
button.row:hover { background: var(--st-secondary-background-color); }
button.row:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -1px; }
button.row[aria-pressed="true"] {
  background: var(--st-secondary-background-color); box-shadow: inset 2px 0 var(--st-primary-color);
}
.label, .pair > * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-align: left; }
.pair { display: grid; grid-template-columns: minmax(0, auto) auto minmax(0, auto); gap: 4px; justify-content: start; }
.track { height: 8px; border-radius: 4px; background: var(--st-secondary-background-color); overflow: hidden; }
button.row:hover .track, button.row[aria-pressed="true"] .track { background: var(--st-border-color); }
.fill { height: 100%; border-radius: 4px; background: var(--st-primary-color); }
.cell { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.muted .fill { background: color-mix(in srgb, var(--st-text-color) 38%, transparent); }
.wrong .fill { background: light-dark(#c2551f, #ee8a58); }
.right .fill { background: light-dark(#1f8a57, #52b788); }
.wrong .label, .right .label { font-weight: 600; }
.lines { display: grid; gap: 1px; min-width: 0; }
.line { display: grid; grid-template-columns: minmax(0, 1fr) 46px; gap: 6px; align-items: center; }
.line .track { position: relative; height: 6px; overflow: visible; }
.line .range { position: absolute; top: 2px; height: 2px; border-radius: 1px; background: var(--st-text-color); }
"""

_JS = """
export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".bars")
  const widths = data.widths.map((width) => width + "px").join(" ")
  const columns = "minmax(0, " + data.label_share + "fr) minmax(0, 1fr) " + widths
  const percent = (share) => 100 * Math.min(1, Math.max(0, share)) + "%"
  const make = (tag, cells, className) => {
    const row = document.createElement(tag)
    row.className = "row " + className
    row.style.gridTemplateColumns = columns
    row.append(...cells)
    return row
  }
  const span = (text, className) => {
    const made = document.createElement("span")
    made.textContent = text
    made.className = className
    made.dir = "auto"
    return made
  }
  const pair = (from, to) => {
    const made = document.createElement("span")
    made.className = "label pair"
    made.append(span(from, ""), " ", span("→", ""), " ", span(to, ""))
    return made
  }
  const track = (value) => {
    const [track, fill] = [span("", "track"), span("", "fill")]
    fill.style.display = track.style.display = "block"
    fill.style.width = percent(value)
    track.append(fill)
    return track
  }
  const lines = (runs) => {
    const made = span("", "lines")
    for (const run of runs) {
      const line = span("", "line"), bar = track(run.value)
      bar.firstChild.style.background = run.colour
      if (run.interval) {
        const [low, high] = run.interval, range = span("", "range")
        range.style.left = percent(low)
        range.style.width = percent(high - low)
        bar.append(range)
      }
      line.append(bar, span(run.text, "cell"))
      made.append(line)
    }
    return made
  }
  const rows = []
  if (data.header) {
    const [first, second, ...rest] = data.header
    const titles = [span(first, "label"), span(second, "label"), ...rest.map((text) => span(text, "cell"))]
    rows.push(make("div", titles, "head"))
  }
  const focused = root.getRootNode().activeElement?.dataset?.id
  for (const bar of data.bars) {
    const label = bar.taken_for ? pair(bar.label, bar.taken_for) : span(bar.label, "label")
    const drawn = bar.runs.length ? lines(bar.runs) : track(bar.value)
    const cells = [label, drawn, ...bar.cells.map((text) => span(text, "cell"))]
    const row = make(data.clickable ? "button" : "div", cells, bar.kind)
    row.title = bar.title || bar.label
    if (data.clickable) {
      row.type = "button"
      row.dataset.id = bar.id
      row.setAttribute("aria-pressed", String(bar.selected))
      row.onclick = () => setTriggerValue("pick", bar.id)
    }
    rows.push(row)
  }
  root.replaceChildren(...rows)
  if (focused !== undefined) rows.find((row) => row.dataset.id === focused)?.focus()
}
"""

_COMPONENT = st.components.v2.component("sightline_bars", html=_HTML, css=_CSS, js=_JS)


Kind = Literal["", "muted", "wrong", "right"]


@dataclass(frozen=True)
class RunBar:
    """A run's own bar, 0–1, in its colour, with a text behind it; the ends of an interval, 0–1, are a line over it."""

    value: float
    text: str
    colour: str
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Bar:
    """One bar. Label and cells are plain text; value is the share of the track that is filled, 0–1.

    taken_for: what stands behind an arrow after the label; neither of the two takes the other's place away.
    runs: in place of the one value, a bar of each run, one below the other.
    """

    label: str
    value: float
    cells: tuple[str, ...]
    taken_for: str = ""
    id: str = ""
    kind: Kind = ""
    title: str = ""
    selected: bool = False
    runs: tuple[RunBar, ...] = ()


def draw_bars(
    bars: Sequence[Bar],
    *,
    key: str,
    widths: Sequence[int] = (44,),
    header: Sequence[str] | None = None,
    label_share: float = 1.0,
    on_pick: Callable[[], None] | None = None,
) -> Any:
    """Draw bars below each other. With `on_pick` they are buttons, and `st.session_state[key].pick` is an id."""
    return _COMPONENT(
        key=key,
        data={
            # Tuples: Streamlit looks at every list for a table, which takes longer than all the rest.
            "bars": tuple(vars(bar) | {"runs": tuple(map(vars, bar.runs))} for bar in bars),
            "widths": tuple(widths),
            "header": tuple(header) if header else None,
            "label_share": label_share,
            "clickable": on_pick is not None,
        },
        on_pick_change=on_pick or (lambda: None),
    )
