"""What can be done with any page, by a button or a key: copy its link, keep its report, present it, see the keys."""

from typing import Any

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.elements.keys import KEYS
from sightline.app.elements.report_button import report_url
from sightline.report.address.selection import Selection

_KEY = "page_keys"

_HTML = """
<div class="actions">
  <span role="status"></span>
  <button type="button" class="copy" aria-label="Copy link" title="Copy link: whoever opens it sees the same">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1.300 1.300"/>
    <path d="M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700l1.300-1.300"/></svg></button>
  <button type="button" class="report" aria-label="Report" title="Report: what is shown, in a file that opens anywhere">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 3h8l5 5v13H6zM14 3v5h5"/>
    <path d="M12.500 11v6M9.500 14.500l3 3 3-3"/></svg></button>
  <button type="button" class="present" title="Present (P)">
    <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M3 5h18v11H3zM12 16v3M8 20l4-3 4 3"/></svg></button>
  <button type="button" class="help" aria-label="Keys" title="Keys (?)" aria-haspopup="dialog">?</button>
</div>
<dialog aria-labelledby="keys-title">
  <div class="title"><h2 id="keys-title">Keys</h2>
    <button type="button" class="close" aria-label="Close">✕</button></div>
  <table><thead><tr><th scope="col">Key</th><th scope="col">Where</th><th scope="col">What it does</th></tr></thead>
    <tbody></tbody></table>
</dialog>
"""

_CSS = """
:host { display: block; }
.actions { position: relative; display: flex; gap: 2px; }
button {
  display: grid; place-items: center; min-width: 30px; height: 30px; padding: 0 5px; cursor: pointer; border: 0;
  border-radius: var(--st-button-radius); background: none; color: var(--st-text-color);
  font: 600 15px/1 var(--st-font);
}
button[hidden] { display: none; }
button:hover, button[aria-pressed="true"] { background: var(--st-secondary-background-color); }
button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: -1px; }
button[aria-pressed="true"] { color: var(--st-primary-color); }
button.busy { color: var(--st-primary-color); }
button.busy svg { animation: waits 1.2s ease-in-out infinite; }
@keyframes waits { 50% { opacity: .3; } }
@media (prefers-reduced-motion: reduce) { button.busy svg { animation: none; } }
svg { width: 19px; height: 19px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; }
[role="status"]:empty { visibility: hidden; }
[role="status"] {
  position: absolute; top: 36px; right: 0; padding: 6px 10px; border-radius: 6px; width: max-content; z-index: 1;
  max-width: min(420px, calc(100vw - 72px)); overflow-wrap: anywhere;
  font: 400 13px/1.3 var(--st-font); color: var(--st-background-color); background: var(--st-text-color);
}
dialog {
  box-sizing: border-box; width: min(560px, calc(100vw - 32px)); max-height: calc(100dvh - 32px); padding: 16px 20px;
  border: 1px solid var(--st-border-color); border-radius: 12px; color: var(--st-text-color);
  background: var(--st-background-color); font: 400 14px/1.4 var(--st-font);
}
dialog::backdrop { background: rgb(0 0 0 / .45); }
.title { display: flex; justify-content: space-between; align-items: center; }
h2 { margin: 0; font-size: 18px; font-weight: 650; }
table { width: 100%; margin-top: 8px; border-collapse: collapse; }
th { font-size: 12px; font-weight: 400; opacity: .75; }
:is(th, td) { padding: 6px 12px 6px 0; text-align: left; vertical-align: top; }
td { border-top: 1px solid var(--st-border-color); }
kbd {
  display: inline-block; min-width: 1.2em; padding: 0 5px; border: 1px solid var(--st-border-color); border-radius: 5px;
  margin-bottom: 2px; text-align: center; font: inherit; line-height: 1.35;
  background: var(--st-secondary-background-color);
}
"""

_JS = """
// Where a letter is text, and where an arrow moves something of its own.
const TEXTS = "input:not([type=checkbox], [type=radio], [type=range])"
const TYPING = `${TEXTS}, textarea, select, [contenteditable], [role=menu]`
const MOVING = "input, [role=slider], [role=radiogroup], [role=tablist], [role=listbox]"

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {  // no permission, or no https: an older way
    const area = document.createElement("textarea")
    area.value = text
    document.body.append(area)
    area.select()
    const isDone = document.execCommand("copy")
    area.remove()
    return isDone
  }
}

// Fetches the report: what came of it, and how its file is called, or a sentence on why there is none.
async function fetchReport(url, signal, tell) {
  for (;;) {
    const soon = setTimeout(() => tell("Making the report"), 300)  // a server that makes another one answers at once
    const answer = await fetch(url, { signal }).finally(() => clearTimeout(soon))
    if (answer.status === 503 && answer.headers.has("Retry-After")) {
      tell("Waiting: another report is being made on this server")
      await new Promise((done) => {
        setTimeout(done, 1000 * Number(answer.headers.get("Retry-After")))
        signal.addEventListener("abort", done)
      })
      continue
    }
    if (answer.ok && answer.headers.get("Content-Disposition"))
      return [await answer.blob(), decodeURIComponent(answer.headers.get("Content-Disposition").split("''")[1])]
    const isOurs = (answer.headers.get("Content-Type") ?? "").startsWith("text/plain")
    throw new Error(isOurs ? await answer.text() : `the server answered with ${answer.status}.`)
  }
}

function save(blob, name) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60000)
}

// What opens over the page may have any height that the window has: it moves up where it would hang out below.
function keepInside(body) {
  const place = () => {
    const now = parseFloat(body.style.getPropertyValue("--shift")) || 0
    const { top, height } = body.getBoundingClientRect()
    if (!height) return  // it has closed: no shift would move it, and each would be followed by another
    const goal = Math.max(8, Math.min(top - now, window.innerHeight - 8 - height))
    const shift = Math.round(goal - (top - now))
    if (shift !== now) body.style.setProperty("--shift", shift + "px")
  }
  new ResizeObserver(place).observe(body)
  new MutationObserver(place).observe(body, { attributes: true, attributeFilter: ["style"] })
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const find = (name) => parentElement.querySelector(name)
  const status = find("[role=status]"), dialog = find("dialog"), present = find(".present"), report = find(".report")
  const say = (words, forMilliseconds) => {
    status.textContent = words
    clearTimeout(status.pending)
    if (forMilliseconds) status.pending = setTimeout(() => (status.textContent = ""), forMilliseconds)
  }
  present.setAttribute("aria-pressed", String(data.presents))
  present.setAttribute("aria-label", data.presents ? "Leave the presentation" : "Present")

  find(".copy").onclick = async () => {
    const link = new URL(window.location.href)
    for (const [key, name] of data.runs)
      if (name !== null && !link.searchParams.has(key)) link.searchParams.set(key, name)
    say((await copy(link.href)) ? "Link copied" : "Not copied: copy the address of the page instead", 2500)
  }
  report.hidden = data.runs[0][1] === null  // there is none
  report.onclick = async () => {
    if (report.making) return report.making.abort()
    report.making = new AbortController()
    report.ariaLabel = "Stop the report"
    report.classList.add("busy")
    let doing
    const tell = (words, howFar = "") => {
      doing = words
      say(`${words}${howFar && `: ${howFar}`} … Press again to stop.`)
    }
    const looking = setInterval(async () => {
      const answer = await fetch(new URL("how_far", new URL(data.report, location.href))).catch(() => null)
      const howFar = answer?.ok ? await answer.text() : ""
      if (howFar && report.making) tell(doing, howFar)
    }, 1000)
    tell("Making the report")
    try {
      const [blob, name] = await fetchReport(data.report, report.making.signal, tell)
      save(blob, name)
      say(`Report saved as ${name}`, 6000)
    } catch (error) {
      const why = error instanceof TypeError ? "the server does not answer." : error.message
      if (report.making.signal.aborted) say("Stopped: no report was made", 4000)
      else say(`No report was made: ${why}`, 20000)
    } finally {
      clearInterval(looking)
      report.making = null
      report.ariaLabel = "Report"
      report.classList.remove("busy")
    }
  }
  present.onclick = () => setTriggerValue("present", !data.presents)

  find("tbody").replaceChildren(...data.keys.map(([keys, where, what]) => {
    const row = document.createElement("tr")
    const cells = [keys, where, what].map(() => row.appendChild(document.createElement("td")))
    cells[0].append(...keys.split(" ").flatMap((key) => {
      const shown = document.createElement("kbd")
      shown.textContent = key
      return [shown, " "]
    }))
    cells[1].textContent = where
    cells[2].textContent = what
    return row
  }))
  find(".help").onclick = () => dialog.showModal()
  find(".close").onclick = () => dialog.close()
  dialog.onclick = (event) => event.target === dialog && dialog.close()  // beside it

  const step = (by) => document.querySelector(`.st-key-inspector_step_${by} button:enabled`)?.click()
  const acts = {
    p: () => setTriggerValue("present", !data.presents),
    "?": () => dialog.showModal(),
    ...(data.presents && { Escape: () => setTriggerValue("present", false) }),
    ArrowRight: () => step(1),
    ArrowLeft: () => step(-1),
  }
  const listen = (event) => {
    const key = event.key === "P" ? "p" : event.key
    if (!Object.hasOwn(acts, key) || event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return
    const isArrow = key.startsWith("Arrow"), fields = isArrow ? `${TYPING}, ${MOVING}` : TYPING
    const isIn = (element) => element instanceof Element && element.closest(fields)
    if (dialog.open || document.querySelector("[role=dialog]") || event.composedPath().some(isIn)) return
    if (isArrow && !data.presents && !document.querySelector(".st-key-panel_grid")) return  // of Layers
    if (event.repeat && !isArrow) return
    acts[key]()
    event.preventDefault()
  }
  const opened = (event) => event.animationName === "popover-opens" && keepInside(event.target)
  document.addEventListener("keydown", listen)
  document.addEventListener("animationstart", opened)
  return () => {
    document.removeEventListener("keydown", listen)
    document.removeEventListener("animationstart", opened)
  }
}
"""

_COMPONENT = st.components.v2.component("sightline_page_keys", html=_HTML, css=_CSS, js=_JS)


def draw_page_keys(selection: Selection, view: str) -> None:
    """Draw the buttons; the keys work wherever the focus is, but not while somebody types.

    selection: as the page shows it, so that a copied link names runs that the address leaves to chance. view: that is
    shown, of whose set the report is.
    """
    shown: dict[str, Any] = {  # no dict within: Streamlit would load pandas to see whether it is a table
        "presents": selection.present,
        "runs": (("run", selection.run), ("beside", selection.beside)),
        "keys": tuple(map(tuple, KEYS)),
        "report": report_url(selection, view, str(st.get_option("server.baseUrlPath"))),
    }
    with st.container(key="page_keys_place", width="content"):
        _COMPONENT(key=_KEY, data=shown, on_present_change=_take_present)


def _take_present() -> None:
    change_selection(present=bool(st.session_state[_KEY].present))
