// The confusion matrix: rows are true classes, columns what they were predicted as. A cell is [true, predicted], codes of
// classes; −1 stands for the header of a row or of a column.

const HUE = [11, 127, 171], MORE = [200, 87, 27]
const PANELS = [[255, 255, 255], [24, 28, 32]] // what lies under the cells, in the light theme and in the dark one
const MANY = 30 // classes, beyond which cells touch each other, and empty ones are not drawn
const SWITCHES = { shares: "row %", diagonal: "diagonal", sorted: "most errors first" }
const KEPT = "sightline_matrix" // how the switches stand, as long as the browser's tab lives
const ICON = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M9.5 2.5h4v4m0-4-5 5m-2 6h-4v-4m0 4 5-5"/></svg>'

const make = (tag, className, text = "") => {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}
const spaced = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f")
const images = (number) => spaced(number) + (number === 1 ? " image" : " images")

const readSwitches = () => {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT)) ?? {}
  } catch {
    return {} // a page in another's frame may have no storage
  }
}
const keepSwitches = (switches) => {
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(switches))
  } catch {}
}

// What is written on a colour has to be read (WCAG 2.2, 1.4.3: 4.5 to 1), in either theme.
const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
const inkOn = (hue, alpha, panel) => {
  const [red, green, blue] = hue.map((part, at) => linear((alpha * part + (1 - alpha) * panel[at]) / 255))
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
  return luminance > 0.24 ? "#1c1f23" : luminance > 0.179 ? "#000" : luminance > 0.08 ? "#fff" : "#d5dade"
}
const inks = (hue, alpha) => `light-dark(${PANELS.map((panel) => inkOn(hue, alpha, panel)).join()})`

// The figures in `data`: counts[true · n + predicted], and of each class how many images are missed and wrongly found.
function figuresOf({ names, cells, difference }) {
  const n = names.length
  const counts = new Int32Array(n * n), missed = new Array(n).fill(0), found = new Array(n).fill(0)
  const values = cells ? cells.split(" ").map(Number) : []
  for (let at = 0; at < values.length; at += 3) {
    const [label, guess, number] = [values[at], values[at + 1], values[at + 2]]
    counts[label * n + guess] = number
    if (label === guess) continue
    missed[label] += difference ? Math.abs(number) : number
    found[guess] += number
  }
  return { n, counts, missed, found }
}

function wordsOf([label, guess], { names, support, difference }, { n, counts, missed, found }) {
  if (label < 0) return difference ? `Predicted ${names[guess]}` : `${images(found[guess])} wrongly taken for ${names[guess]}`
  const share = (part) => (support[label] ? `, ${((100 * part) / support[label]).toFixed(1)} % of ${spaced(support[label])}` : "")
  if (guess < 0) return difference ? `True ${names[label]}` : `${names[label]}: ${images(missed[label])} predicted wrong${share(missed[label])}`
  const number = counts[label * n + guess]
  const what = label === guess ? `${names[label]} predicted right` : `${names[label]} taken for ${names[guess]}`
  if (!difference) return `${what}: ${images(number)}${share(number)}`
  return `${what}: ${number ? `${images(Math.abs(number))} ${number > 0 ? "more" : "fewer"}` : "as many images"}`
}

// The classes in the order in which they are shown.
function orderOf({ support }, { n, missed }, { sorted, shares }) {
  const key = missed.map((number, code) => (shares ? number / Math.max(support[code], 1) : number))
  const codes = Array.from({ length: n }, (_, code) => code)
  return sorted ? codes.sort((one, other) => key[other] - key[one] || one - other) : codes
}

// What is written in each cell, and how deep its colour is, 0 to 1.
function shadesOf({ support, difference }, { n, counts }, { shares, diagonal }) {
  const texts = new Array(n * n), shades = new Float64Array(n * n)
  const showsDiagonal = !difference && (diagonal || n === 1)
  let most = difference ? 1 : 1e-9
  for (let at = 0; at < n * n; at++) {
    const label = Math.floor(at / n), isHidden = label === at % n && !showsDiagonal
    const shown = shares && !difference ? (100 * counts[at]) / Math.max(support[label], 1) : counts[at]
    shades[at] = isHidden ? -1 : Math.abs(shown)
    most = Math.max(most, shades[at])
    const sign = shown < 0 ? "−" : difference ? "+" : ""
    texts[at] = isHidden || !counts[at] ? "" : sign + spaced(Math.abs(shown).toFixed(0))
  }
  for (let at = 0; at < n * n; at++) {
    if (shades[at] < 0) continue
    shades[at] /= most
    if (showsDiagonal) shades[at] = Math.sqrt(shades[at]) // beside hits, mistakes are few
  }
  return { texts, shades, showsDiagonal }
}

// Sizes in pixels, for a width: names are cut, slanted or left out only where there is no room for them.
function layoutOf(width, { names, large }, texts, font) {
  const n = names.length, pen = document.createElement("canvas").getContext("2d")
  const widest = (size) => {
    pen.font = `600 ${size}px ${font}`
    return Math.ceil(Math.max(...names.map((name) => pen.measureText(name).width))) + 9
  }
  const isWide = large || width >= 480, largest = isWide ? 12 : 11, least = 10 // the least place of a class with a name
  const longest = Math.max(isWide ? 180 : 84, Math.min(180, width - 36 * n))
  const room = Math.min(widest(largest), longest, width / 2.5, width - least * n)
  const hasNames = room >= Math.min(widest(8), 40), beside = hasNames ? room : 0
  const pitch = (width - beside) / n
  const row = large ? Math.min(Math.max(pitch, hasNames ? least : 0), 44) : Math.min(pitch, 36, 420 / n)
  const name = Math.max(8, Math.min(largest, Math.floor(row - 2), Math.floor(0.72 * pitch)))
  const isSlanted = widest(name) > pitch
  const length = Math.min(widest(name), longest, (beside + pitch / 2) * Math.SQRT2)
  const foot = !hasNames ? 4 : isSlanted ? length * Math.SQRT1_2 + name : name * 1.25 + 5
  const figures = Math.max(1, ...texts.map((text) => text.length))
  const number = Math.floor(Math.min(large ? 13 : 11, (pitch - 4) / (0.58 * figures), row - 4))
  return {
    sizes: { names: beside, row, name, number, foot, length },
    classes: { dense: n > MANY, slanted: isSlanted, numberless: n > MANY || number < 7, nameless: !hasNames },
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".matrix")
  const figures = figuresOf(data), { n, counts } = figures
  if (!root.firstChild) {
    root.append(make("div", "head"), make("div", "board"), make("div", "tip"))
    root.lastChild.setAttribute("aria-hidden", "true") // its words are those of the cell
    new ResizeObserver(() => root.fit()).observe(root)
    root.addEventListener("focusin", (event) => root.enter(event))
    root.addEventListener("focusout", () => root.say())
  }
  const [head, board, tip] = root.children
  const isSame = (one, other) => one[0] === other[0] && one[1] === other[1]
  const elementOf = ([label, guess]) => board.querySelector(`[data-cell="${label},${guess}"]`)
  const cellOf = (event) => event.target.closest?.("[data-cell]")?.dataset.cell.split(",").map(Number)
  const leads = (cell) => { // to a set of images
    const [label, guess] = cell
    if (!data.leads) return false
    if (cell.includes(-1) || isSame(cell, data.selected)) return true
    return (label !== guess || root.shaded.showsDiagonal) && (data.difference || counts[label * n + guess] > 0)
  }
  root.say = (cell) => {
    tip.hidden = !cell
    if (!cell) return
    tip.textContent = wordsOf(cell, data, figures)
    const around = root.getBoundingClientRect(), own = elementOf(cell).getBoundingClientRect()
    const left = own.left + own.width / 2 - around.left - tip.offsetWidth / 2, above = own.top - around.top - tip.offsetHeight - 4
    tip.style.left = `${Math.max(0, Math.min(left, around.width - tip.offsetWidth))}px`
    tip.style.top = `${above < 0 ? own.bottom - around.top + 4 : above}px`
  }

  const drawHead = () => {
    const offered = data.difference ? { sorted: "most changed first" } : SWITCHES
    const labels = Object.entries(offered).map(([name, words]) => {
      const label = make("label", name), box = make("input", "")
      box.type = "checkbox"
      box.checked = Boolean(readSwitches()[name])
      box.onchange = () => {
        keepSwitches({ ...readSwitches(), [name]: box.checked })
        drawCells()
      }
      label.append(box, words)
      return label
    })
    const row = make("div", "switches"), enlarge = make("button", "enlarge")
    row.append(...labels)
    enlarge.innerHTML = ICON
    enlarge.title = "Enlarge"
    enlarge.setAttribute("aria-label", "Enlarge")
    enlarge.onclick = () => setTriggerValue("enlarge", true)
    head.replaceChildren(...(data.large ? [row] : [make("b", "", data.title), enlarge, row]))
  }

  const drawRow = (className, cells) => {
    const row = make("tr", className)
    row.setAttribute("role", "row")
    row.append(...cells)
    return row
  }
  const drawHeader = (role, cell) => {
    const header = make("th", ""), button = make("button", "", data.names[Math.max(...cell)])
    header.setAttribute("role", role)
    button.dataset.cell = cell
    button.dir = "auto"
    button.tabIndex = -1
    header.append(button)
    return header
  }
  const drawCell = (label, guess) => {
    const at = label * n + guess, isMore = data.difference && counts[at] > 0
    const cell = make("td", `${isMore ? "more" : ""} ${leads([label, guess]) ? "open" : ""}`, n > MANY ? "" : root.shaded.texts[at])
    cell.setAttribute("role", "gridcell")
    cell.dataset.cell = [label, guess]
    cell.tabIndex = -1
    if (root.shaded.shades[at] < 0 || (n > MANY && !counts[at])) return cell
    const alpha = 0.05 + 0.95 * root.shaded.shades[at]
    cell.style.setProperty("--alpha", alpha.toFixed(3))
    if (n <= MANY) cell.style.color = inks(isMore ? MORE : HUE, alpha)
    return cell
  }
  const drawCells = () => {
    const switches = readSwitches(), isFocused = board.contains(root.getRootNode().activeElement)
    const order = (root.order = orderOf(data, figures, switches))
    root.shaded = shadesOf(data, figures, switches)
    const table = make("table", ""), body = make("tbody", ""), corner = make("td", "")
    table.setAttribute("role", "grid")
    table.setAttribute("aria-label", data.label)
    body.setAttribute("role", "presentation")
    corner.setAttribute("role", "gridcell")
    for (const label of order) {
      const cells = order.map((guess) => drawCell(label, guess))
      body.append(drawRow("cells", [drawHeader("rowheader", [label, -1]), ...cells]))
    }
    body.append(drawRow("columns", [corner, ...order.map((guess) => drawHeader("columnheader", [-1, guess]))]))
    table.append(body)
    board.replaceChildren(table, make("div", "mark"))
    board.style.setProperty("--classes", n)
    root.width = 0
    root.fit()
    drawSelected()
    if (isFocused) elementOf(root.place).focus()
  }
  root.fit = () => {
    if (!root.clientWidth || root.clientWidth === root.width) return
    root.width = root.clientWidth
    const { sizes, classes } = layoutOf(root.width, data, root.shaded.texts, getComputedStyle(root).fontFamily)
    Object.entries(sizes).forEach(([name, size]) => board.style.setProperty(`--${name}`, `${size}px`))
    Object.entries(classes).forEach(([name, is]) => board.classList.toggle(name, is))
    // The headers that can be seen stand before the cells and below them.
    root.rows = [...root.order, ...(classes.nameless ? [] : [-1])]
    root.columns = [...(classes.nameless ? [] : [-1]), ...root.order]
    const [label, guess] = root.place ?? []
    if (!root.rows.includes(label) || !root.columns.includes(guess)) moveTo([root.order[0], root.order[n > 1 ? 1 : 0]])
    else moveTo(root.place)
  }
  const drawSelected = () => {
    const [label, guess] = data.selected, mark = board.lastChild
    const row = root.order.indexOf(label), column = root.order.indexOf(guess)
    mark.hidden = row < 0 && column < 0
    mark.style.setProperty("--left", Math.max(column, 0) / n)
    mark.style.setProperty("--wide", column < 0 ? 1 : 1 / n)
    mark.style.top = `calc(var(--row) * ${Math.max(row, 0)})`
    mark.style.height = `calc(var(--row) * ${row < 0 ? n : 1})`
    board.querySelector("[aria-selected]")?.removeAttribute("aria-selected")
    if (row >= 0 && column >= 0) elementOf(data.selected).setAttribute("aria-selected", "true")
    for (const button of board.querySelectorAll("th button")) {
      const [own, other] = button.dataset.cell.split(",").map(Number)
      button.setAttribute("aria-pressed", String(own < 0 ? other === guess : own === label))
    }
  }

  // One cell at a time is reached with the Tab key; the arrow keys go on from there.
  const moveTo = (cell) => {
    const before = root.place && elementOf(root.place), now = elementOf(cell)
    if (before) before.tabIndex = -1
    root.place = cell
    now.tabIndex = 0
    return now
  }
  const pick = (cell) => leads(cell) && setTriggerValue("pick", cell)
  root.enter = (event) => {
    const cell = cellOf(event)
    root.say(cell)
    if (cell) event.target.setAttribute("aria-label", wordsOf(cell, data, figures))
  }
  board.onpointerover = (event) => root.say(cellOf(event))
  board.onpointerleave = () => root.say(board.matches(":focus-within") ? root.place : undefined)
  board.onclick = (event) => {
    const cell = cellOf(event)
    if (!cell) return
    moveTo(cell)
    pick(cell)
  }
  board.onkeydown = (event) => {
    const cell = cellOf(event)
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return
    const [row, column] = [root.rows.indexOf(cell[0]), root.columns.indexOf(cell[1])]
    const goals = {
      ArrowDown: [row + 1, column], ArrowUp: [row - 1, column], ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1], Home: [row, 0], End: [row, root.columns.length - 1],
    }
    if (event.key === "Enter" || event.key === " ") pick(cell)
    else if (event.key in goals) {
      const goal = [root.rows[goals[event.key][0]], root.columns[goals[event.key][1]]]
      if (!goal.includes(undefined) && !isSame(goal, [-1, -1])) moveTo(goal).focus()
    } else return
    event.preventDefault()
  }

  drawHead()
  const drawn = JSON.stringify([data.names, data.cells, data.support, readSwitches()])
  if (drawn === root.drawn) drawSelected()
  else drawCells()
  root.drawn = drawn
  root.say(board.matches(":focus-within") ? root.place : undefined)
}
