"""The gallery: one element for a page of thumbnails, with mouse, arrow keys and text alternatives."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import streamlit as st

from sightline.app.elements.text import percent
from sightline.app.elements.thumbnails import thumbnails_url
from sightline.run_store.predictions import Predictions
from sightline.run_store.run import Run

Event = Literal["pick", "open", "turn", "fits", "choose"]
Size = Literal["small", "medium", "large"]
TAPPED = "sightline:tapped"  # the document's event after a click on a tile, whose `detail` is the tile
PAGER_HEIGHT = 64  # pixels that the window has to keep free below the tiles

_HTML = '<div class="grid"></div>\n'

_CSS = """
:host { display: block; }
.grid { container-type: inline-size; display: block; }
.tiles {
  --side: 94px; --type: 11px;
  display: grid; grid-template-columns: repeat(auto-fill, minmax(var(--side), 1fr)); gap: 4px;
}
.tiles.small { --side: 74px; }
.tiles.large { --side: 150px; --type: 13px; }
@container (max-width: 420px) { .tiles { grid-template-columns: repeat(var(--narrow), minmax(0, 1fr)) !important; } }
.tile {
  box-sizing: border-box; min-width: 0; padding: 4px 4px 3px; border: 2px solid transparent;
  border-radius: var(--st-base-radius); cursor: pointer; color: var(--st-text-color);
  font: 400 var(--type)/1.35 var(--st-font); container-type: inline-size;
}
.tile:hover { background: var(--st-secondary-background-color); }
.tile[aria-selected="true"] { border-color: var(--st-primary-color); }
.tile:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
img {
  display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated;
  border-radius: 4px; background: var(--st-secondary-background-color); overflow: hidden; font-size: 9px;
}
.picture { position: relative; }
.over { position: absolute; inset: 0 0 auto; opacity: .5; image-rendering: auto; background: none; }
.over:not([src]) { display: none; }
.tile:is(:hover, :focus-visible) .over { opacity: .15; }
.tile[aria-checked="true"] { background: light-dark(#dcebf2, #22303a); }
/* The circle chooses an image with others: seen on those that are, under the mouse, and where there is none. */
.check {
  position: absolute; left: 2px; top: 2px; width: 20px; height: 20px; box-sizing: border-box; border-radius: 50%;
  display: none; border: 2px solid #fff; background: rgb(0 0 0 / .35); font: 700 12px/16px sans-serif; color: #fff;
  text-align: center;
}
.tile[aria-checked]:hover .check, .tile[aria-checked="true"] .check { display: block; }
@media (hover: none) { .tile[aria-checked] .check { display: block; } }
.tile[aria-checked="true"] .check { background: #0b6a8f; }
.tile[aria-checked="true"] .check::before { content: "✓"; }
.confidence {
  position: absolute; right: 3px; bottom: 3px; padding: 0 4px; border-radius: 4px; font-variant-numeric: tabular-nums;
  background: light-dark(#ffffff, #181c20); color: var(--st-text-color);
}
.confidence:empty { display: none; }
/* A line where both names fit into one, else two; a longer name breaks, up to three times. */
.names, .guess { display: flex; gap: 0 3px; min-width: 0; }
.names { flex-wrap: wrap; margin-top: 3px; }
.name {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; min-width: 0; overflow: hidden;
  overflow-wrap: anywhere;
}
.above { flex-basis: 100%; }
.sign { flex: none; }
.sign i { display: inline-block; width: 7px; height: 7px; margin-right: 1px; border-radius: 50%; }
.predicted { font-weight: 600; }
.mark {
  width: max-content; max-width: 100%; padding: 0 5px; border-radius: 8px; overflow: hidden; white-space: nowrap;
  background: light-dark(#fbf0d9, #382d16); color: light-dark(#7a5200, #e5bd6b);
}
.tag {
  width: max-content; max-width: 100%; box-sizing: border-box; padding: 0 5px; border-radius: 8px; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; background: light-dark(#eaf1f4, #22303a);
}
:is(.mark, .tag):empty { display: none; }
@container (max-width: 64px) {
  .tile :is(.true, .arrow) { display: none; }
  .confidence { position: static; display: block; padding: 0; background: none; }
}
.predicted.wrong { color: light-dark(#b5451b, #f0936b); }
.predicted.right { color: light-dark(#1f7a4d, #6cc79a); }
"""

_JS = """
const ROOM = 18  // pixels of a row beside picture and caption
const columnsOf = (tiles) => getComputedStyle(tiles).gridTemplateColumns.split(" ").length

function makeTile(item) {
  const tile = document.createElement("div")
  tile.setAttribute("role", "option")
  const image = document.createElement("img")
  image.draggable = false
  image.decoding = "async"
  const over = document.createElement("img")
  over.className = "over"
  over.draggable = false
  over.alt = ""
  const confidence = document.createElement("span")
  confidence.className = "confidence"
  const picture = document.createElement("div")
  picture.className = "picture"
  const check = document.createElement("span")
  check.className = "check"
  check.setAttribute("aria-hidden", "true")
  picture.append(image, over, confidence, check)
  const names = document.createElement("div")
  names.className = "names"
  const mark = document.createElement("div")
  mark.className = "mark"
  const tag = document.createElement("div")
  tag.className = "tag"
  tag.dir = "auto"
  tile.append(picture, names, tag, mark)
  return tile
}

// A group of texts that stay on one line, each [text, class name].
function group(className, ...texts) {
  const made = document.createElement("span")
  made.className = className
  for (const [text, kind] of texts) {
    const part = document.createElement("span")
    part.className = kind
    part.textContent = text
    part.dir = "auto"
    made.append(part)
  }
  return made
}

const outcome = (wrong) => (wrong ? "wrong" : wrong === false ? "right" : "")

function captionOf(item) {
  if (item.guesses) {
    const guesses = item.guesses.map((guess, place) => {
      const made = group("guess", [place ? "| " : "", "sign"], [guess.name, "name predicted " + outcome(guess.wrong)])
      const dot = document.createElement("i")
      dot.style.background = guess.colour
      made.firstChild.append(dot)
      return made
    })
    return [group("above", [item.true, "name true"]), ...guesses]
  }
  const predicted = [item.predicted, "name predicted " + outcome(item.wrong)]
  if (item.true !== item.predicted)
    return [group("guess", [item.true, "name true"]), group("guess", [" → ", "sign arrow"], predicted)]
  return [item.wrong === false ? group("guess", ["✓ ", "sign arrow"], predicted) : group("guess", predicted)]
}

function fillTile(tile, item) {
  tile.className = "tile"
  tile.dataset.index = item.index
  tile.title = item.alt
  const image = tile.querySelector("img")
  if (image.getAttribute("src") !== item.url) image.src = item.url
  image.alt = item.alt
  image.style.imageRendering = item.is_smooth ? "auto" : ""
  const over = tile.querySelector(".over")
  if (!item.over) over.removeAttribute("src")
  else if (over.getAttribute("src") !== item.over) over.src = item.over
  tile.querySelector(".names").replaceChildren(...captionOf(item))
  tile.querySelector(".confidence").textContent = item.confidence
  tile.querySelector(".tag").textContent = item.tag ?? ""
  tile.querySelector(".mark").textContent = item.mark ?? ""
}

export default function (component) {
  const { data, parentElement, setStateValue, setTriggerValue } = component
  const grid = parentElement.querySelector(".grid")
  const several = data.chosen !== null
  const words = {
    role: "listbox", "aria-orientation": "horizontal", "aria-label": data.label,
    "aria-multiselectable": String(several),
  }
  Object.entries(words).forEach(([name, value]) => grid.setAttribute(name, value))
  let tiles = grid.querySelector(".tiles")
  if (!tiles) {
    tiles = document.createElement("div")
    tiles.className = "tiles"
    tiles.setAttribute("role", "presentation")
    grid.append(tiles)
  }
  const all = () => Array.from(tiles.children)
  while (tiles.children.length > data.items.length) tiles.lastChild.remove()
  while (tiles.children.length < data.items.length) tiles.append(makeTile())
  tiles.className = "tiles " + data.size
  tiles.style.setProperty("--narrow", data.narrow)
  tiles.style.gridTemplateColumns = data.columns ? `repeat(${data.columns}, minmax(0, 1fr))` : ""
  all().forEach((tile, place) => fillTile(tile, data.items[place]))

  const mark = (index) => {
    const found = all().some((tile) => tile.dataset.index === String(index))
    all().forEach((tile, place) => {
      const selected = tile.dataset.index === String(index)
      tile.setAttribute("aria-selected", String(selected))
      tile.tabIndex = selected || (!found && place === 0) ? 0 : -1
    })
  }
  mark(data.selected)

  // What is chosen here counts before the server has answered: `told` is the last that it was told, `data.told` heard.
  const isChosen = (tile) => tile.getAttribute("aria-checked") === "true"
  const check = (tile, chosen) => tile.setAttribute("aria-checked", String(chosen))
  if (!several) all().forEach((tile) => tile.removeAttribute("aria-checked"))
  else if (!grid.told || grid.told === data.told || grid.dataset.page !== String(data.page))
    all().forEach((tile, place) => check(tile, data.chosen.includes(data.items[place].index)))
  const tellChosen = () => {
    const indices = (found) => found.map((tile) => Number(tile.dataset.index))
    grid.told = Date.now()
    setStateValue("choose", { shown: indices(all()), chosen: indices(all().filter(isChosen)), told: grid.told })
  }
  const toggle = (tile) => {
    check(tile, !isChosen(tile))
    grid.anchor = tile.dataset.index
    tellChosen()
  }
  // All from the last one that was chosen, or else the primary image, to this one.
  const chooseTo = (tile) => {
    const places = all()
    const from = places.findIndex((other) => other.dataset.index === grid.anchor)
    const start = from >= 0 ? from : places.findIndex((other) => other.getAttribute("aria-selected") === "true")
    const [low, high] = [Math.max(start, 0), places.indexOf(tile)].sort((a, b) => a - b)
    places.slice(low, high + 1).forEach((other) => check(other, true))
    tellChosen()
  }

  if (grid.turning && grid.dataset.page !== String(data.page)) {
    grid.turning = false
    tiles.querySelector('[aria-selected="true"]')?.focus()
  }
  grid.dataset.page = data.page

  // The main block is as large as the window, whenever it changes.
  const main = grid.getRootNode().host?.closest("[data-testid=stMain]")
  if (main && data.below !== null && !grid.watch) {
    grid.watch = new ResizeObserver(() => (grid.isConnected ? tellFits() : grid.watch.disconnect()))
    grid.watch.observe(main)
  }
  if (main && grid.dataset.size && grid.dataset.size !== data.size) requestAnimationFrame(() => tellFits())
  grid.dataset.size = data.size
  const tellFits = () => {
    const tile = tiles.firstElementChild?.getBoundingClientRect()
    if (!tile?.height) return
    const room = window.innerHeight - (tile.top + main.scrollTop) - data.below
    const picture = tiles.querySelector(".picture")
    const lineHeight = getComputedStyle(tiles.firstElementChild).lineHeight
    const zoom = tile.width / tiles.firstElementChild.offsetWidth  // of a wide screen
    // Two lines, whatever the captions of this page have.
    const row = zoom * (picture.offsetHeight + 2 * parseFloat(lineHeight) + ROOM)
    const fits = columnsOf(tiles) * Math.floor(room / row)
    if (fits > 0 && fits !== grid.fits) setStateValue("fits", (grid.fits = fits))
  }

  // While an arrow key is held down only the place where it comes to rest is worth an answer of the server.
  const choose = (tile, wait) => {
    mark(tile.dataset.index)
    tile.focus()
    clearTimeout(grid.pending)
    grid.pending = setTimeout(() => setTriggerValue("pick", Number(tile.dataset.index)), wait)
  }
  grid.onclick = (event) => {
    const tile = event.target.closest(".tile")
    if (!tile) return
    if (several && (event.ctrlKey || event.metaKey || event.target.closest(".check"))) toggle(tile)
    else if (several && event.shiftKey) chooseTo(tile)
    else {
      grid.anchor = tile.dataset.index
      choose(tile, 0)
      if (data.below !== null) document.dispatchEvent(new CustomEvent("TAPPED", { detail: tile }))
    }
  }
  grid.onmousedown = (event) => event.shiftKey && event.preventDefault()  // which would mark the captions' text
  grid.onkeydown = (event) => {
    const tile = event.target.closest(".tile")
    const places = all()
    if (several && tile && (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") {
      places.forEach((other) => check(other, true))
      tellChosen()
      event.preventDefault()
    }
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return
    const place = places.indexOf(tile)
    const columns = columnsOf(tiles)
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }
    const goals = { Home: 0, End: places.length - 1 }
    if (event.key === "Enter") {
      clearTimeout(grid.pending)
      setTriggerValue("open", Number(tile.dataset.index))
    } else if (event.key === " ") {
      if (several) toggle(tile)
      else choose(tile, 0)
    } else if (several && event.shiftKey && event.key in steps) {
      const goal = places[place + steps[event.key]]
      ;[tile, goal ?? tile].forEach((other) => check(other, true))
      goal?.focus()
      tellChosen()
    } else if (event.key in goals) {
      choose(places[goals[event.key]], 120)
    } else if (event.key in steps) {
      const goal = places[place + steps[event.key]]
      if (goal) choose(goal, 120)
      else if (steps[event.key] > 0 ? data.page < data.pages : data.page > 1) {
        clearTimeout(grid.pending)
        grid.turning = true
        setTriggerValue("turn", steps[event.key] > 0 ? 1 : -1)
      }
    } else return
    event.preventDefault()
  }
}
"""

_COMPONENT = st.components.v2.component("sightline_gallery", html=_HTML, css=_CSS, js=_JS.replace("TAPPED", TAPPED))


def gallery_items(run: Run, predictions: Predictions, rows: np.ndarray) -> list[dict[str, Any]]:
    """Return what the browser needs for each row: all of it plain text.

    May be added: `over`, the URL of a map; `tag`, what people say of it; `guesses`, what each of several runs took the
    image for, to stand in the place of true → predicted: the true class above, below it “A | B”, each a dict of
    `name`, `wrong` and `colour`.
    """
    folder = thumbnails_url(run, st.get_option("server.baseUrlPath"))
    names = predictions.class_names
    labels, guesses = predictions.column("label")[rows], predictions.column("predicted")[rows]
    confidences = predictions.column("confidence")[rows]
    items = []
    for index, label, guess, confidence in zip(rows.tolist(), labels, guesses, confidences, strict=True):
        outcome = (
            f"true {names[label]}, predicted {names[guess]}" if label != guess else f"{names[label]}, predicted right"
        )
        items.append(
            {
                "index": index,
                "url": f"{folder}/{index}.png",
                "true": names[label],
                "predicted": names[guess],
                "wrong": bool(label != guess),
                "confidence": "" if np.isnan(confidence) else percent(float(confidence), 0),
                "alt": f"Image {index}: {outcome}, confidence {percent(float(confidence))}".removesuffix(
                    ", confidence –"
                ),
            }
        )
    return items


def draw_gallery(
    items: Sequence[dict[str, Any]],
    *,
    key: str,
    label: str,
    on: Mapping[Event, Callable[[], None]],
    selected: int | None = None,
    page: tuple[int, int] = (1, 1),
    columns: int | None = None,
    narrow: int = 4,
    size: Size = "medium",
    chosen: Sequence[int] | None = None,
    told: int = 0,
) -> Any:
    """Draw a page of thumbnails; `st.session_state[key]`, which is also returned, says what the visitor does.

    items: as of `gallery_items`. `wrong` None: neither right nor wrong; `mark`: a word of warning below the caption.
    on: what is called for an event. `pick` and `open` are an image's index, `turn` is 1 or -1; `fits` says how many
    images the window has room for, where it is asked for. page: its number, and how many there are. columns: by
    default as many as there is room for, by `size`. narrow: columns in a narrow place, whatever else is asked for.
    chosen: of the items, the indices of those chosen beside the selected one; None: one image is chosen at a time.
    told: of the last event `choose` that they follow: a dict of indices `shown`, those of them `chosen`, and `told`.
    """
    number, pages = page
    below = PAGER_HEIGHT if "fits" in on else None
    shown = {
        "items": tuple(items),  # no list: Streamlit looks whether one is a table, which takes longer than all the rest
        "selected": selected, "page": number, "pages": pages, "label": label, "below": below,
        "columns": columns, "narrow": narrow, "size": size,
        "chosen": None if chosen is None else tuple(chosen), "told": told,
    }  # fmt: skip
    callbacks: dict[str, Any] = {f"on_{event}_change": on.get(event, _nothing) for event in get_args(Event)}
    return _COMPONENT(key=key, data=shown, **callbacks)


def _nothing() -> None:
    """Do nothing: the component sends an event only where it has a callback."""
