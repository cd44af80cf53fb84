const ROOM = 18  // pixels of a row beside picture and caption
const columnsOf = (tiles) => getComputedStyle(tiles).gridTemplateColumns.split(" ").length

const make = (tag, fields) => Object.assign(document.createElement(tag), fields)

function makeTile() {
  const tile = make("div", { role: "option" })
  const image = make("img", { draggable: false, decoding: "async" })
  const over = make("img", { className: "over", draggable: false, alt: "" })
  const confidence = make("span", { className: "confidence" })
  const check = make("span", { className: "check", ariaHidden: "true" })
  const picture = make("div", { className: "picture" })
  picture.append(image, over, confidence, check)
  const names = make("div", { className: "names" })
  const tag = make("div", { className: "tag", dir: "auto" })
  tile.append(picture, names, tag, make("div", { className: "mark" }))
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
