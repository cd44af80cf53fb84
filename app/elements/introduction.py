"""Five sentences for somebody who is here for the first time; once dismissed, they stay away in that browser."""

import streamlit as st

from sightline.app.runs import run_list

COOKIE = "sightline_introduced"
TOUR = "sightline_tour"  # of the session: whether it takes place
_SENTENCES = (
    "Sightline shows where an image classifier fails, and where it was looking.",
    "<b>Curves</b> tells how the training went, run by run.",
    "<b>Mistakes</b> takes you from a cell of the confusion matrix to its images, <b>Patterns</b> to what they share.",
    "<b>Layers</b> maps what counted for the network in one of them, <b>Trust</b> which maps are supported at all.",
    "<b>Compare</b> says what changed between two runs; the address of every page can be sent to somebody.",
)
_BUTTONS = '<button type="button" class="tour" hidden>Take the tour</button><button type="button">Got it</button>'
_HTML = f'<p>{" ".join(_SENTENCES)}</p><div class="buttons">{_BUTTONS}</div>\n'
_CSS = """
:host { display: block; }
.introduction { display: flex; align-items: center; gap: 16px; }
.introduction { font: 400 13px/1.5 var(--st-font); color: var(--st-text-color); }
p { margin: 0; }
.buttons { flex: none; display: flex; flex-wrap: wrap; gap: 8px; }
@media (max-width: 640px) { .introduction { flex-wrap: wrap; } }
button {
  padding: 4px 12px; cursor: pointer; font: inherit; color: inherit; background: none;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius);
}
button:hover { border-color: var(--st-primary-color); color: var(--st-primary-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }
button[hidden] { display: none; }
"""
_JS = f"""
export default function ({{ data, parentElement, setTriggerValue }}) {{
  const tour = parentElement.querySelector(".tour")
  tour.hidden = !data.tour
  tour.onclick = () => setTriggerValue("toured", true)
  parentElement.querySelector("button:not(.tour)").onclick = () => {{
    document.cookie = "{COOKIE}=yes; path=/; max-age=31536000; samesite=strict"
    setTriggerValue("dismissed", true)
  }}
}}
"""
_COMPONENT = st.components.v2.component(
    "sightline_introduction", html=f'<div class="introduction">{_HTML}</div>', css=_CSS, js=_JS
)


def is_introduced() -> bool:
    """Tell whether it was dismissed: the cookie tells the next session, the session's state this one."""
    return st.context.cookies.get(COOKIE) == "yes" or bool(st.session_state.get(COOKIE))


def draw_introduction() -> None:
    """Draw it until it is dismissed, and not beside the tour, which it offers where there is a run to show."""
    if is_introduced() or st.session_state.get(TOUR):
        return
    has_images = any(listed.state == "complete" and listed.split for listed in run_list.listing().shown)
    with st.container(key="panel_introduction", border=True):
        _COMPONENT(
            key="introduction",
            data={"tour": has_images},
            on_dismissed_change=lambda: st.session_state.update({COOKIE: True}),
            on_toured_change=lambda: st.session_state.update({TOUR: True}),
        )
