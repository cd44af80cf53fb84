"""What one image was taken for after each epoch: a strip in the inspector, any epoch of which can be looked at."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.runs import loaders
from sightline.report.words.text import counted, escape_markdown, percent
from sightline.run_store.history import History, Learning
from sightline.run_store.predictions import Predictions
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MOST_STRETCHES = 40  # that are told to who cannot see the strip
_KEY = "inspector_epochs"

_HTML = '<div class="epochs"></div>\n'

_CSS = """
:host { display: block; }
.epochs { font: 400 12px/1.35 var(--st-font); color: var(--st-text-color); }
.head { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 8px; }
.head > :first-child { opacity: .72; }
.row { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 5px; margin: 3px 0; }
.signs { display: grid; align-items: center; font-size: 11px; }
.strip {
  position: relative; display: flex; height: 32px; cursor: pointer; border-radius: 4px;
  background: linear-gradient(var(--st-border-color), var(--st-border-color)) center / 100% 1px no-repeat,
    var(--st-secondary-background-color);
}
.strip:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.strip i { flex: 1 1 0; min-width: 0; position: relative; }
.strip i::before { content: ""; position: absolute; left: 0; right: var(--gap); height: calc(4% + 43% * var(--share)); }
.strip .right::before { bottom: 50%; background: light-dark(#1f8a57, #52b788); }
.strip .wrong::before { top: 50%; background: light-dark(#c2551f, #ee8a58); }
.mark {
  position: absolute; top: -2px; bottom: -2px; width: max(100% / var(--count), 3px); transform: translateX(-50%);
  box-sizing: border-box; border: 1.5px solid var(--st-text-color); border-radius: 3px; pointer-events: none;
}
.now { min-height: 1.35em; }
.now.wrong, .signs .wrong { color: light-dark(#b5451b, #f0936b); }
.now.right, .signs .right { color: light-dark(#1f7a4d, #6cc79a); }
.told { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""

_JS = """
export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".epochs")
  const make = (tag, className, text) => {
    const made = document.createElement(tag)
    made.className = className
    made.textContent = text
    return made
  }
  if (!root.firstChild) {
    const head = make("div", "head", "")
    head.append(make("span", "", "After each epoch"), make("span", "learned", ""))
    const strip = make("div", "strip", "")
    strip.tabIndex = 0
    strip.setAttribute("role", "slider")
    strip.setAttribute("aria-describedby", "told")
    const signs = make("span", "signs", "")
    signs.append(make("span", "right", "✓"), make("span", "wrong", "✕"))
    signs.setAttribute("aria-hidden", "true")
    const row = make("div", "row", "")
    row.append(signs, strip)
    const told = make("p", "told", "")
    told.id = "told"
    root.append(head, row, make("div", "now", ""), told)
  }
  const part = (name) => root.querySelector("." + name)
  const strip = part("strip"), now = part("now"), epochs = data.epochs
  part("learned").textContent = data.learned
  part("told").textContent = data.told
  strip.style.setProperty("--count", epochs.length)
  strip.style.setProperty("--gap", strip.clientWidth / epochs.length < 4 ? "0px" : "1px")
  const mark = make("span", "mark", "")
  strip.replaceChildren(...epochs.map((epoch) => {
    const cell = make("i", epoch.wrong ? "wrong" : "right", "")
    cell.style.setProperty("--share", epoch.share)
    return cell
  }), mark)

  const say = (place) => {
    now.textContent = epochs[place].text
    now.className = "now " + (epochs[place].wrong ? "wrong" : "right")
  }
  const show = (place) => {
    strip.place = place
    mark.style.left = 100 * (place + .5) / epochs.length + "%"
    const values = {
      label: "What it was taken for after each epoch", valuetext: epochs[place].text,
      valuemin: epochs[0].epoch, valuemax: epochs.at(-1).epoch, valuenow: epochs[place].epoch,
    }
    Object.entries(values).forEach(([name, value]) => strip.setAttribute("aria-" + name, String(value)))
    say(place)
  }
  show(data.chosen)

  // While a key is held down, or the pointer drawn along, only where it comes to rest is worth an answer of the server.
  const choose = (place, wait) => {
    show(place)
    clearTimeout(strip.pending)
    strip.pending = setTimeout(() => setTriggerValue("pick", epochs[place].epoch), wait)
  }
  const under = (event) => {
    const box = strip.getBoundingClientRect()
    const place = Math.floor((event.clientX - box.left) / box.width * epochs.length)
    return Math.min(Math.max(place, 0), epochs.length - 1)
  }
  strip.onclick = (event) => choose(under(event), 0)
  strip.onpointermove = (event) => {
    strip.title = epochs[under(event)].text
    say(under(event))
  }
  strip.onpointerleave = () => say(strip.place)
  strip.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }
    const goals = { Home: 0, End: epochs.length - 1 }
    if (!(event.key in steps) && !(event.key in goals)) return
    const goal = event.key in goals ? goals[event.key] : strip.place + steps[event.key]
    choose(Math.min(Math.max(goal, 0), epochs.length - 1), 120)
    event.preventDefault()
  }
}
"""

_COMPONENT = st.components.v2.component("sightline_epochs", html=_HTML, css=_CSS, js=_JS)


def draw_epoch_strip(run: Run, predictions: Predictions, image: int) -> None:
    """Draw what the image was taken for after each epoch. A click shows the run as it was then.

    Draw nothing where no history was kept, and why where it cannot be read.
    """
    try:
        history = loaders.history(run)
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        return
    if history is None or not len(history.epochs):
        return
    epochs = history.epochs.tolist()

    def take() -> None:
        epoch = st.session_state[_KEY].pick
        change_selection(epoch=None if epoch == epochs[-1] else epoch, image=image)

    _COMPONENT(key=_KEY, data=strip_data(history, predictions, image, run.epoch), on_pick_change=take)


def strip_data(history: History, predictions: Predictions, image: int, epoch: int | None) -> dict[str, Any]:
    """Return what the browser draws for an image: all of it plain text. epoch: the marked one; None: the last."""
    names, label = predictions.class_names, int(predictions.column("label")[image])
    epochs, codes = history.epochs.tolist(), history.predicted[:, image].tolist()
    shares = history.confidence[:, image].astype(float).tolist()
    return {
        "learned": learned_words(Learning(history.epochs, np.equal(history.predicted[:, [image]], label))),
        "told": f"Taken for {'; '.join(_stretches(epochs, [names[code] for code in codes], names[label]))}.",
        "chosen": len(epochs) - 1 if epoch is None else epochs.index(epoch),
        # Tuples: Streamlit looks at every list for a table, which takes longer than all the rest.
        "epochs": tuple(
            {
                "epoch": number,
                "wrong": code != label,
                "share": 1.0 if share != share else share,
                "text": f"epoch {number}: {names[code]}, {percent(share, 0)}".removesuffix(", –"),
            }
            for number, code, share in zip(epochs, codes, shares, strict=True)
        ),
    }


def learned_words(learning: Learning) -> str:
    """Write of the only image “learned at epoch 5, forgotten 2 times”."""
    if learning.never_learned[0]:
        return "never learned"
    times = int(learning.forgotten[0])
    forgotten = f", forgotten {counted(times, 'time')}" if times else ""
    return f"learned at epoch {learning.learned_at[0]:.0f}{forgotten}"


def _stretches(epochs: Sequence[int], names: Sequence[str], label: str) -> Iterator[str]:
    """Write “dog after epochs 1–2”, “cat, which is right, after epoch 3”: MOST_STRETCHES of them, and how many more."""
    groups = groupby(zip(names, epochs, strict=True), lambda pair: pair[0])
    found = [(name, [epoch for _, epoch in group]) for name, group in groups]
    for name, together in found[:MOST_STRETCHES]:
        right = ", which is right," if name == label else ""
        when = f"epoch {together[0]}" if len(together) == 1 else f"epochs {together[0]}–{together[-1]}"
        yield f"{name}{right} after {when}"
    if len(found) > MOST_STRETCHES:
        yield f"then {counted(len(found) - MOST_STRETCHES, 'change')} more"
