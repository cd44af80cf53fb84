"""Maps that open large: a window over the page, with the image beside the map, and arrow keys from map to map.

All of it happens in the browser, on the pictures that the page has: no script runs for it.
"""

import streamlit as st

_HTML = '<span hidden class="large"></span>\n'

_JS = """
const SIDE = 1024 // pixels of the file, at least
const GRIDS = ".map-grid, .map-classes"
const make = (tag, className, text) => {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text ?? ""
  return made
}
const rowsOf = (grid) =>
  [...grid.querySelectorAll(".maps")].map((row) => [...row.querySelectorAll("button.picture")])
    .filter((row) => row.length)

// Where an arrow key leads from a map: along its row, or to the same place of another one.
const neighbour = (button, key) => {
  const rows = rowsOf(button.closest(GRIDS))
  const row = rows.findIndex((maps) => maps.includes(button))
  const place = rows[row].indexOf(button)
  const along = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: rows[row].length - 1 }
  const other = rows[row + (key === "ArrowDown" ? 1 : -1)]
  return key in along ? rows[row][along[key]] : other?.[Math.min(place, other.length - 1)]
}
const isArrow = (event) =>
  ["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key) &&
  !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey

const reach = (button) => {
  for (const one of button.closest(".maps").querySelectorAll("button.picture")) one.tabIndex = one === button ? 0 : -1
  button.focus()
  button.closest("figure").scrollIntoView({ block: "nearest", inline: "nearest" })
}

async function save(button) {
  const style = getComputedStyle(button), grid = button.closest(GRIDS)
  const map = button.querySelector("img"), input = new Image()
  input.src = style.getPropertyValue("--input").replace(/^\\s*url\\(["']?|["']?\\)\\s*$/g, "")
  await Promise.all([input.decode(), map.decode()])
  const canvas = document.createElement("canvas")
  canvas.width = canvas.height = input.naturalWidth * Math.ceil(SIDE / input.naturalWidth)
  const context = canvas.getContext("2d")
  context.imageSmoothingEnabled = !grid.classList.contains("hard")
  context.drawImage(input, 0, 0, canvas.width, canvas.height)
  context.imageSmoothingEnabled = !grid.classList.contains("true")
  context.globalAlpha = Number(style.getPropertyValue("--opacity"))
  context.drawImage(map, 0, 0, canvas.width, canvas.height)
  const link = document.createElement("a")
  link.download = map.alt.split(";")[0].replace(/[^\\p{L}\\p{N}.+-]+/gu, "-").slice(0, 120) + ".png"
  link.href = canvas.toDataURL("image/png")
  link.click()
}

function open(button) {
  const dialog = make("dialog", "map-large")
  const pictures = make("div", "pictures"), words = make("p", "words"), bar = make("div", "bar")
  const [back, next, png, close] = ["‹ Previous", "Next ›", "Download .png", "Close"].map((text) => {
    const made = make("button", "", text)
    made.type = "button"
    bar.append(made)
    return made
  })
  const show = (wanted) => {
    button = wanted
    const grid = button.closest(GRIDS), image = button.querySelector("img")
    const figure = make("figure", "map"), input = make("figure", "map")
    const [over, alone] = [make("div", "picture"), make("div", "picture")]
    over.append(image.cloneNode())
    alone.setAttribute("role", "img")
    alone.setAttribute("aria-label", "The image without a map")
    figure.append(over)
    input.append(alone)
    const looks = ["hard", "smooth", "true"].filter((one) => grid.classList.contains(one))
    pictures.className = ["pictures", ...looks].join(" ")
    for (const name of ["--input", "--opacity"]) {
      pictures.style.setProperty(name, getComputedStyle(button).getPropertyValue(name))
    }
    pictures.replaceChildren(input, figure)
    words.textContent = image.alt
    dialog.setAttribute("aria-label", image.alt.split(";")[0])
    back.disabled = !neighbour(button, "ArrowLeft")
    next.disabled = !neighbour(button, "ArrowRight")
  }
  const go = (key) => {
    const wanted = neighbour(button, key)
    if (wanted) show(wanted)
  }
  back.onclick = () => go("ArrowLeft")
  next.onclick = () => go("ArrowRight")
  png.onclick = () => save(button)
  close.onclick = () => dialog.close()
  dialog.onclick = (event) => event.target === dialog && dialog.close()
  dialog.onkeydown = (event) => {
    event.stopPropagation() // the page's own keys rest meanwhile
    if (!isArrow(event)) return
    event.preventDefault()
    go(event.key)
  }
  dialog.onclose = () => {
    dialog.remove()
    if (button.isConnected) reach(button)
  }
  show(button)
  dialog.append(bar, pictures, words)
  document.querySelector("[data-testid=stApp]").append(dialog)
  dialog.showModal()
  close.focus()
}

export default function (component) {
  const root = component.parentElement
  root.listening?.abort()
  root.listening = new AbortController()
  const whileHere = { signal: root.listening.signal, capture: true }
  const mapOf = (event) => event.target.closest?.(":is(.map-grid, .map-classes) button.picture")
  document.addEventListener("click", (event) => {
    const button = mapOf(event)
    if (button) open(button)
  }, whileHere)
  document.addEventListener("keydown", (event) => {
    const button = mapOf(event)
    if (!button || !isArrow(event)) return
    event.preventDefault()
    event.stopPropagation() // else it would also lead to another image
    const wanted = neighbour(button, event.key)
    if (wanted) reach(wanted)
  }, whileHere)
  root.querySelector(".large").dataset.listens = ""
  return () => root.listening.abort()
}
"""

_COMPONENT = st.components.v2.component("sightline_large", html=_HTML, js=_JS)


def draw_large() -> None:
    """Let the maps of the page open large, by click or Enter, and be reached by arrow keys. Once a page."""
    _COMPONENT(key="maps_large")
