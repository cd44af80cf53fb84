"""The element of the calibration: a reliability diagram, and accuracy against coverage with a threshold to drag."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from sightline.app.elements.text import counted, percent
from sightline.run_store.calibration import Bin, Calibration, Kept
from sightline.run_store.comparison import wilson

_HTML = '<div class="calibration"></div>\n'

_CSS = """
:host { display: block; }
.calibration { display: grid; gap: 12px; font: 400 12px/1.35 var(--st-font); color: var(--st-text-color); }
.large { grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 24px; font-size: 14px; }
figure { margin: 0; min-width: 0; --plot: 130px; }
.large figure { --plot: min(46vh, 360px); }
figcaption { font-weight: 600; margin-bottom: 6px; }
.plot {
  position: relative; height: var(--plot); margin: 0 8px 0 38px;
  border: 1px solid var(--st-border-color); border-width: 0 0 1px 1px;
}
svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; pointer-events: none; }
svg * { fill: none; vector-effect: non-scaling-stroke; stroke: var(--st-text-color); }
.diagonal { stroke-dasharray: 4 4; opacity: .5; }
.curve { stroke: var(--st-primary-color); stroke-width: 2px; }
.tick { position: absolute; opacity: .72; font-size: .92em; white-space: nowrap; font-variant-numeric: tabular-nums; }
.tick.y { right: calc(100% + 5px); transform: translateY(50%); }
.tick.x { top: calc(100% + 3px); transform: translateX(-50%); }
.axis { text-align: center; margin: 18px 0 0 38px; opacity: .72; }
.mass { position: absolute; bottom: 0; background: color-mix(in srgb, var(--st-text-color) 16%, transparent); }
.range { position: absolute; width: 2px; margin-left: -1px; background: var(--st-primary-color); opacity: .55; }
.dot {
  position: absolute; width: 24px; height: 24px; margin: -12px; padding: 0; border: 0; border-radius: 50%;
  background: none; cursor: pointer;
}
.dot::after { content: ""; position: absolute; inset: 7.5px; border-radius: 50%; background: var(--st-primary-color); }
.dot:hover::after, .dot[aria-pressed="true"]::after { inset: 5px; }
:is(.dot, .plot):focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.sliding { cursor: ew-resize; touch-action: none; }
.rest { position: absolute; inset: 0 0 0 auto; background: light-dark(#c2551f, #ee8a58); opacity: .12; }
.handle {
  position: absolute; top: -4px; bottom: -4px; width: 3px; margin-left: -1.5px; border-radius: 2px;
  background: light-dark(#c2551f, #ee8a58); pointer-events: none;
}
.handle::after {
  content: ""; position: absolute; top: 50%; left: 50%; width: 13px; height: 13px; margin: -6.5px; border-radius: 50%;
  background: inherit;
}
.now { margin: 4px 0 0; min-height: 2.7em; }
"""

_JS = """
const percent = (share, digits = 1) => (100 * share).toFixed(digits) + " %"
const images = (number) => number.toLocaleString("fr") + (number === 1 ? " image" : " images") // as count() in Python

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".calibration")
  root.classList.toggle("large", data.large)
  const make = (tag, className, text = "") => {
    const made = document.createElement(tag)
    made.className = className
    made.textContent = text
    return made
  }
  const at = (element, place) => {
    for (const side in place) element.style[side] = 100 * place[side] + "%"
    return element
  }
  const lines = (className, points) => {
    const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg")
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline")
    drawn.setAttribute("viewBox", "0 0 1 1")
    drawn.setAttribute("preserveAspectRatio", "none")
    drawn.setAttribute("aria-hidden", "true")
    line.setAttribute("class", className)
    line.setAttribute("points", points.map(([x, y]) => x + "," + (1 - y)).join(" "))
    drawn.append(line)
    return drawn
  }
  const ticks = (low) => [
    ...[low, (1 + low) / 2, 1].map((y, place) => at(make("span", "tick y", percent(y, 0)), { bottom: place / 2 })),
    ...[0, .5, 1].map((x) => at(make("span", "tick x", percent(x, 0)), { left: x })),
  ]
  const figure = (title, axis, plot) => {
    const made = document.createElement("figure")
    made.append(make("figcaption", "", title), plot, make("div", "axis", axis))
    return made
  }

  const reliability = make("div", "plot")
  const most = Math.max(...data.bins.map((bin) => bin.share))
  const masses = data.bins.map((bin) => {
    const mass = at(make("span", "mass"), { left: bin.low, width: bin.high - bin.low })
    mass.style.height = 22 * bin.share / most + "%"
    return mass
  })
  const ranges = data.bins.map((bin) =>
    at(make("span", "range"), { left: bin.says, bottom: bin.interval[0], height: bin.interval[1] - bin.interval[0] }))
  const dots = data.bins.map((bin, place) => {
    const dot = at(make("button", "dot"), { left: bin.says, top: 1 - bin.accuracy })
    dot.type = "button"
    dot.title = bin.text
    dot.setAttribute("aria-label", bin.text)
    dot.setAttribute("aria-pressed", String(place === data.bin))
    dot.tabIndex = place === Math.max(data.bin, 0) ? 0 : -1
    dot.onclick = () => setTriggerValue("bin", place)
    return dot
  })
  reliability.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key]
    const goal = dots[dots.indexOf(event.target) + step]
    if (!goal) return
    event.target.tabIndex = -1
    goal.tabIndex = 0
    goal.focus()
    event.preventDefault()
  }
  reliability.append(...masses, lines("diagonal", [[0, 0], [1, 1]]), ...ranges, ...dots, ...ticks(0))

  const coverage = make("div", "plot sliding")
  const points = data.points
  const low = Math.min(.9, Math.floor(10 * Math.min(...points.map((point) => point[1]))) / 10)
  const rest = make("span", "rest"), handle = make("span", "handle"), now = make("p", "now")
  const shown = points.map(([share, accuracy]) => [share, (accuracy - low) / (1 - low)])
  coverage.append(rest, lines("curve", shown), handle, ...ticks(low))
  coverage.tabIndex = 0
  coverage.setAttribute("role", "slider")
  const show = (place) => {
    const [share, accuracy, threshold, below] = points[place]
    coverage.place = place
    at(handle, { left: share })
    at(rest, { left: share })
    now.textContent = below
      ? "The surest " + percent(share) + " are right on " + percent(accuracy) + "; "
        + images(below) + " at most " + +(100 * threshold).toPrecision(6) + " % sure."
      : "All are kept: right on " + percent(accuracy) + ". Drag to the left to put the least sure aside."
    const words = {
      label: "Share of the images that is kept, the surest first", valuemin: 0, valuemax: 100,
      valuenow: Math.round(100 * share), valuetext: now.textContent,
    }
    Object.entries(words).forEach(([name, value]) => coverage.setAttribute("aria-" + name, String(value)))
  }
  const focused = root.getRootNode().activeElement
  const had = focused?.classList.contains("sliding") ? coverage : focused?.classList.contains("dot")
    ? dots[[...root.querySelectorAll(".dot")].indexOf(focused)] : null
  show(data.chosen)

  // While it is dragged, or a key held down, only the place where it comes to rest is worth an answer of the server.
  const choose = (place, wait) => {
    show(place)
    clearTimeout(root.pending)
    root.pending = setTimeout(() => setTriggerValue("threshold", points[place][3] ? points[place][2] : -1), wait)
  }
  const under = (event) => {
    const box = coverage.getBoundingClientRect()
    const share = (event.clientX - box.left) / box.width
    const far = points.map((point) => Math.abs(point[0] - share))
    return far.indexOf(Math.min(...far))
  }
  coverage.onpointerdown = (event) => {
    coverage.setPointerCapture(event.pointerId)
    show(under(event))
  }
  coverage.onpointermove = (event) => {
    if (coverage.hasPointerCapture(event.pointerId)) show(under(event))
  }
  coverage.onpointerup = (event) => choose(under(event), 0)
  coverage.onpointercancel = () => show(data.chosen)
  coverage.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }
    const goals = { Home: 0, End: points.length - 1 }
    if (!(event.key in steps) && !(event.key in goals)) return
    const goal = event.key in goals ? goals[event.key] : coverage.place + steps[event.key]
    choose(Math.min(Math.max(goal, 0), points.length - 1), 250)
    event.preventDefault()
  }
  const kept = figure("How often right, if the least sure are put aside", "share of the images that is kept", coverage)
  kept.append(now)
  root.replaceChildren(figure("How often right, by how sure", "confidence", reliability), kept)
  had?.focus()
}
"""

_COMPONENT = st.components.v2.component("sightline_calibration", html=_HTML, css=_CSS, js=_JS)


def draw_chart(
    found: Calibration,
    *,
    key: str,
    on_bin: Callable[[], None],
    on_threshold: Callable[[], None],
    chosen: Kept | None = None,
    chosen_bin: Bin | None = None,
    is_large: bool = False,
) -> Any:
    """Draw both diagrams; what is chosen in them is in `st.session_state[key]`, which is also returned.

    `bin` is the place of a bin; `threshold` is the confidence up to which images are put aside, −1 where none are.
    """
    by_kept = {kept.kept: kept for kept in (*found.coverages, *filter(None, [chosen]))}
    points = [by_kept[images] for images in sorted(by_kept)]
    data = {
        # Tuples: Streamlit looks at every list for a table, which takes longer than all the rest.
        "bins": tuple(_bin(one, len(found)) for one in found.bins),
        "bin": found.bins.index(chosen_bin) if chosen_bin in found.bins else -1,
        "points": tuple((kept.coverage, kept.accuracy, kept.threshold, kept.below) for kept in points),
        "chosen": [kept.kept for kept in points].index(chosen.kept if chosen else len(found)),
        "large": is_large,
    }
    return _COMPONENT(key=key, data=data, on_bin_change=on_bin, on_threshold_change=on_threshold)


def _bin(one: Bin, images: int) -> dict[str, Any]:
    return {
        "low": one.low,
        "high": one.high,
        "says": one.confidence,
        "accuracy": one.accuracy,
        "interval": wilson(one.right, one.images),
        "share": one.images / images,
        "text": bin_words(one),
    }


def bin_words(one: Bin) -> str:
    """Write “362 images 80–90 % sure: right on 99.7 % (98.4–99.9 %), says 86.3 %”."""
    low, high = (100 * end for end in wilson(one.right, one.images))
    return (
        f"{counted(one.images, 'image')} {100 * one.low:.0f}–{100 * one.high:.0f} % sure: right on "
        f"{percent(one.accuracy)} ({low:.1f}–{high:.1f} %), says {percent(one.confidence)}"
    )
