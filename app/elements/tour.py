"""A tour of a minute: five steps that point at what to click. It is offered in the introduction."""

from typing import NamedTuple

import streamlit as st

from sightline.app.elements.beside import beside
from sightline.app.elements.introduction import COOKIE, TOUR


class Step(NamedTuple):
    """view: where it is. targets: selectors, of which the first that is there is pointed at. title and text: plain."""

    view: str
    targets: tuple[str, ...]
    title: str
    text: str


STEPS = (
    Step(
        "Curves",
        (".st-key-curves_charts",),
        "A line is a run",
        "How did the training go? What is under the pointer is read in all charts. Click a line: it leads to the "
        "mistakes of its run, where it kept their history.",
    ),
    Step(
        "Mistakes",
        (".st-key-mistakes_matrix", ".st-key-panel_confusion"),
        "A cell is a kind of mistake",
        "Rows are true classes, columns what their images were taken for. Click the darkest cell.",
    ),
    Step(
        "Mistakes",
        (".st-key-mistakes_gallery",),
        "These are its images",
        "The surest mistakes come first, each with its true class → the predicted one, and its confidence. Click one.",
    ),
    Step(
        "Layers",
        (".st-key-panel_strip", ".st-key-panel_grid"),
        "Where did it look, and did that count?",
        "A map shows what counted for the network. The proof is to cover its hottest tenth, and to see what becomes of "
        "the answer, beside as much covered at random.",
    ),
    Step(
        "Patterns",
        (".st-key-panel_found", ".st-key-panel_empty", "[class*='st-key-panel_']"),
        "What do the mistakes share?",
        "Patterns groups mistakes that look at the same thing, and finds the training images that taught it. Trust, "
        "beside it at the top, measures which maps may be believed.",
    ),
)
_HTML = """
<div class="ring" popover="manual"></div>
<div class="card" popover="manual" role="dialog" aria-label="Tour">
  <div class="count"></div><h2 class="title"></h2><p class="text" aria-live="polite"></p>
  <div class="buttons"><button type="button" class="leave">Leave the tour</button>
  <button type="button" class="next"></button></div>
</div>
"""
_CSS = """
.ring, .card { position: fixed; inset: auto; margin: 0; box-sizing: border-box; zoom: calc(1 / var(--zoom, 1)); }
.ring {
  padding: 0; pointer-events: none; background: none; overflow: visible; border-radius: 10px;
  border: 3px solid var(--st-primary-color);
}
.card {
  width: min(320px, calc(100vw - 24px)); padding: 12px 14px; border-radius: 10px; font: 400 14px/1.45 var(--st-font);
  color: var(--st-text-color); background: var(--st-background-color); border: 1px solid var(--st-border-color);
  box-shadow: 0 6px 24px rgb(0 0 0 / .3);
}
.count { font-size: 12px; opacity: .75; }
h2 { margin: 2px 0 4px; font-size: 16px; font-weight: 650; }
p { margin: 0; }
.buttons { display: flex; justify-content: space-between; gap: 8px; margin-top: 10px; }
button {
  padding: 5px 12px; cursor: pointer; font: inherit; color: inherit; background: none;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
}
button:hover { border-color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.next { background: light-dark(#0b6a8f, #1b6f96); border-color: transparent; color: white; }
"""
_COMPONENT = st.components.v2.component("sightline_tour", html=_HTML, css=_CSS, js=beside(__file__, "js"))


def draw_tour() -> None:
    """Draw it, from when it is asked for until it is left; who has left it is introduced."""
    if st.session_state.get(TOUR):
        steps = tuple(step._asdict() for step in STEPS)
        _COMPONENT(key="tour", data={"steps": steps, "cookie": COOKIE}, on_left_change=_leave)


def _leave() -> None:
    st.session_state.update({TOUR: False, COOKIE: True})
