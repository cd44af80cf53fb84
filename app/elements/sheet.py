"""On a phone the inspector of a tapped image is a sheet over the page: how it opens, and the button that closes it."""

import streamlit as st

from sightline.app.elements.gallery import TAPPED

_HTML = '<button type="button">Close ✕</button>\n'

_CSS = """
:host { display: block; }
button {
  display: block; width: 100%; padding: 10px; border: 1px solid var(--st-border-color); cursor: pointer;
  border-radius: var(--st-base-radius); background: var(--st-secondary-background-color); color: var(--st-text-color);
  font: 600 14px/1.2 var(--st-font);
}
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
"""

# The style sheet shows a panel with data-sheet over the page. What has the focus in it keeps the focus in it.
_JS = f"""
export default function (component) {{
  const button = component.parentElement.querySelector("button")
  const panel = button.getRootNode().host?.closest(".st-key-panel_inspector")
  if (!panel || button.panel === panel) return
  button.panel = panel
  const narrow = window.matchMedia("(max-width: 640px)")
  const dialog = {{ role: "dialog", "aria-modal": "true", "aria-label": "The chosen image", "data-sheet": "open" }}
  let tapped = null
  const open = (event) => {{
    if (!narrow.matches) return
    tapped = event.detail
    Object.entries(dialog).forEach(([name, value]) => panel.setAttribute(name, value))
    panel.scrollTop = 0
    button.focus()
  }}
  const close = () => {{
    if (!tapped) return
    Object.keys(dialog).forEach((name) => panel.removeAttribute(name))
    if (tapped.isConnected) tapped.focus()
    tapped = null
  }}
  const stay = (event) => {{
    if (tapped && event.relatedTarget && !panel.contains(event.relatedTarget)) button.focus()
  }}
  const escape = (event) => event.key === "Escape" && close()
  const leave = new AbortController()
  const options = {{ signal: leave.signal }}
  document.addEventListener("{TAPPED}", open, options)
  document.addEventListener("keydown", escape, options)
  window.addEventListener("popstate", close, options)
  narrow.addEventListener("change", close, options)
  panel.addEventListener("focusout", stay, options)
  button.addEventListener("click", close, options)
  return () => {{
    close()
    leave.abort()
    button.panel = null
  }}
}}
"""

_COMPONENT = st.components.v2.component("sightline_sheet", html=_HTML, css=_CSS, js=_JS)


def draw_sheet() -> None:
    """Draw the button into `panel_inspector`: seen only while the panel lies over the page, after a tap on a tile."""
    _COMPONENT(key="inspector_sheet")
