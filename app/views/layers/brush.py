"""The brush: paint over an image, with mouse, finger or keys. What is painted stays for the session."""

import base64
import binascii
import hashlib
from typing import Any

import numpy as np
import streamlit as st

from sightline.app.maps.covered import unpacked
from sightline.report.drawing.pictures import data_url
from sightline.report.drawing.subject import Subject
from sightline.run_store.thumbnails import THUMBNAIL_SIZE

_KEY = "layers_brush"
_PAINTED = "layers_painted"  # of the session: a hash of the picture, and a bit a pixel of it, packed

_HTML = '<div class="brush"></div>\n'

_CSS = """
:host { display: block; }
.brush { width: 232px; max-width: 100%; font: 400 12px/1.35 var(--st-font); color: var(--st-text-color); }
canvas {
  display: block; width: 100%; aspect-ratio: 1; border-radius: 6px; touch-action: none; cursor: crosshair;
}
canvas.hard { image-rendering: pixelated; }
canvas:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.tools { display: flex; align-items: center; gap: 6px; margin-top: 6px; }
.tools label { display: flex; align-items: center; gap: 4px; flex: 1 1 auto; min-width: 0; }
.tools input { flex: 1 1 40px; min-width: 40px; accent-color: var(--st-primary-color); }
button {
  padding: 2px 8px; min-height: 24px; border: 1px solid var(--st-border-color); border-radius: 6px; font: inherit;
  color: inherit; background: var(--st-background-color); cursor: pointer;
}
button:hover:enabled { border-color: var(--st-primary-color); }
button:disabled { opacity: .5; cursor: default; }
:is(button, input):focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.how { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
"""

_JS = """
const ON_SCREEN = 464  // pixels of the canvas, about

function unpack(text, count) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  return Uint8Array.from({ length: count }, (_, place) => ((bytes[place >> 3] ?? 0) >> (7 - (place & 7))) & 1)
}

function pack(mask) {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8))
  mask.forEach((value, place) => { bytes[place >> 3] |= value << (7 - (place & 7)) })
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
}

function build(root) {
  root.innerHTML =
    '<canvas tabindex="0" role="application" aria-describedby="how"></canvas><p id="how" class="how">Arrow keys move ' +
    'the brush, with Shift by its width; Space paints, Backspace undoes.</p><div class="tools"><label>Brush ' +
    '<input type="range" min="1"></label><button type="button" class="undo">Undo</button>' +
    '<button type="button" class="clear">Clear</button></div>'
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".brush")
  if (!root.firstChild) build(root)
  const canvas = root.querySelector("canvas"), size = root.querySelector("input"), side = data.side
  const undo = root.querySelector(".undo"), clear = root.querySelector(".clear")
  const scale = Math.max(1, Math.round(ON_SCREEN / side)), paper = canvas.getContext("2d")
  canvas.setAttribute("aria-label", data.label)
  canvas.className = data.hard ? "hard" : ""
  if (root.dataset.picture !== data.picture) {
    root.dataset.picture = data.picture
    root.mask = unpack(data.painted, side * side)
    root.past = []
    root.at = { x: side / 2, y: side / 2 }
    canvas.width = canvas.height = side * scale
    size.max = Math.ceil(side / 2)
    size.value = root.brush ?? Math.max(1, Math.round(side / 6))
    root.image = new Image()
    root.image.onload = () => draw()
    root.image.src = data.url
  }

  const draw = () => {
    paper.imageSmoothingEnabled = !data.hard
    paper.drawImage(root.image, 0, 0, canvas.width, canvas.height)
    paper.fillStyle = "rgba(255, 0, 170, .6)"
    root.mask.forEach((value, place) => {
      if (value) paper.fillRect((place % side) * scale, Math.floor(place / side) * scale, scale, scale)
    })
    if (root.shown) {
      for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
        paper.strokeStyle = colour
        paper.lineWidth = width
        paper.beginPath()
        paper.arc(root.at.x * scale, root.at.y * scale, (size.value / 2) * scale, 0, 2 * Math.PI)
        paper.stroke()
      }
    }
    undo.disabled = !root.past.length
    clear.disabled = !root.mask.some(Boolean)
  }
  const dab = ({ x, y }) => {
    const reach = Math.max(size.value / 2, .71)  // the smallest brush paints the pixel that it is on
    for (let row = Math.max(0, Math.floor(y - reach)); row < Math.min(side, y + reach); row++)
      for (let column = Math.max(0, Math.floor(x - reach)); column < Math.min(side, x + reach); column++)
        if ((column + .5 - x) ** 2 + (row + .5 - y) ** 2 <= reach ** 2) root.mask[row * side + column] = 1
  }
  const remember = () => {
    root.past.push(root.mask.slice())
    root.past.splice(0, root.past.length - 50)
  }
  // While a key is held down only what is painted in the end is worth an answer of the server.
  const tell = (wait) => {
    draw()
    clearTimeout(root.pending)
    root.pending = setTimeout(() => setTriggerValue("paint", [data.picture, pack(root.mask)]), wait)
  }

  const under = (event) => {
    const box = canvas.getBoundingClientRect()
    return { x: (event.clientX - box.left) / box.width * side, y: (event.clientY - box.top) / box.height * side }
  }
  canvas.onpointerdown = (event) => {
    if (event.button) return
    canvas.setPointerCapture(event.pointerId)
    remember()
    root.painting = true
    dab(root.at = under(event))
    draw()
  }
  canvas.onpointermove = (event) => {
    const from = root.at, to = under(event)
    root.shown = true
    root.at = to
    if (root.painting) {
      const steps = Math.ceil(2 * Math.hypot(to.x - from.x, to.y - from.y))
      for (let step = 1; step <= steps; step++)
        dab({ x: from.x + (to.x - from.x) * step / steps, y: from.y + (to.y - from.y) * step / steps })
    }
    draw()
  }
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (root.painting) tell(0)
    root.painting = false
  }
  canvas.onpointerleave = () => { root.shown = canvas.matches(":focus-visible"); draw() }
  canvas.onfocus = () => { root.shown = canvas.matches(":focus-visible"); draw() }
  canvas.onblur = () => { root.shown = false; draw() }
  size.oninput = () => { root.brush = size.value }

  const back = () => {
    if (!root.past.length) return
    root.mask = root.past.pop()
    tell(0)
  }
  undo.onclick = back
  clear.onclick = () => { remember(); root.mask = new Uint8Array(side * side); tell(0) }
  canvas.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }
    if (event.key in steps) {
      const length = event.shiftKey ? Number(size.value) : 1, [across, down] = steps[event.key]
      const inside = (value) => Math.min(Math.max(value, .5), side - .5)
      root.at = { x: inside(root.at.x + across * length), y: inside(root.at.y + down * length) }
      root.shown = true
      draw()
    } else if (event.key === " ") {
      if (!event.repeat) remember()
      dab(root.at)
      tell(300)
    } else if (event.key === "Backspace") back()
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  draw()
}
"""

_COMPONENT = st.components.v2.component("sightline_brush", html=_HTML, css=_CSS, js=_JS)


def draw_brush(subject: Subject) -> Any:
    """Draw the picture that people see, to be painted over; a stroke is kept for the session."""
    picture, side = _picture(subject), subject.pixels.shape[0]

    def take() -> None:
        if (bits := checked_bits(st.session_state[_KEY].paint, picture, side)) is not None:
            st.session_state[_PAINTED] = picture, bits

    return _COMPONENT(
        key=_KEY,
        data={
            "picture": picture,
            "url": data_url(subject.pixels),
            "side": side,
            "hard": side <= THUMBNAIL_SIZE,
            "painted": base64.b64encode(painted_bits(subject)).decode(),
            "label": f"Paint over {subject.title}",
        },
        on_paint_change=take,
    )


def painted_bits(subject: Subject) -> bytes:
    """Return what was painted over this picture in this session, a bit a pixel, packed; nothing for nothing."""
    picture, bits = st.session_state.get(_PAINTED, ("", b""))
    return bits if picture == _picture(subject) else b""


def share_painted(subject: Subject) -> float:
    """Return how much of the picture is painted, 0–1."""
    bits = painted_bits(subject)
    return float(unpacked(bits, subject.pixels.shape[0]).mean()) if bits else 0.0


def _picture(subject: Subject) -> str:
    """Return what tells pictures apart: the same image of two runs is one."""
    return hashlib.sha256(np.ascontiguousarray(subject.pixels).tobytes()).hexdigest()[:16]


def checked_bits(sent: object, picture: str, side: int) -> bytes | None:
    """Check what a browser sent; None where it is of another picture, or no painting of this one."""
    match sent:
        case [str(of), str(text)] if of == picture:
            try:
                bits = base64.b64decode(text, validate=True)
            except binascii.Error:
                return None
            return bits if len(bits) == -(-side * side // 8) else None
    return None
