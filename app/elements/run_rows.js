const make = (tag, className, ...children) => {
  const made = document.createElement(tag)
  made.className = className
  made.append(...children)
  return made
}
// Told in full, since a table that is laid out as cards is none to some screen readers.
const cell = (tag, role, className, ...children) => {
  const made = make(tag, className, ...children)
  made.setAttribute("role", role)
  return made
}
const button = (className, text, does, run, label) => {
  const made = make("button", className, text)
  made.type = "button"
  made.dataset.does = does
  made.dataset.run = run
  if (label) made.setAttribute("aria-label", label)
  return made
}
const DATE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" })
const LATE = 6 // figures before those that a card on a phone tells of the chosen run alone
const CONTROLS = { stop: "Stop", cancel: "Cancel", stopping: "Stopping …", resume: "Resume" }

function head(data) {
  const cells = data.columns.map((column) => {
    const falls = data.order === "-" + column.id
    const sorts = button("", column.words, "sort", column.id)
    const made = cell("th", "columnheader", column.kind, sorts)
    made.scope = "col"
    if (falls || data.order === column.id) {
      made.setAttribute("aria-sort", falls ? "descending" : "ascending")
      const arrow = make("span", "", falls ? " ↓" : " ↑")
      arrow.setAttribute("aria-hidden", "true")
      sorts.append(arrow)
    }
    return made
  })
  const actions = cell("th", "columnheader", "actions")
  actions.setAttribute("aria-label", "actions")
  actions.scope = "col"
  return cell("tr", "row", "", cells[0], actions, ...cells.slice(1))
}

function named(row) {
  const dot = make("span", "dot")
  dot.style.background = row.colour
  const name = button("name", row.title, "choose", row.name)
  name.setAttribute("aria-pressed", String(row.place === "A"))
  name.dir = "auto"
  const place = row.place ? [make("span", "place", row.place)] : []
  const parts = [make("div", "line", dot, ...place, name)]
  if (row.title !== row.name) parts.push(make("span", "soft", row.name + " "))
  if (row.left_out) parts.push(make("span", "soft", row.left_out))
  for (const text of row.notes) parts.push(make("span", "note", text))
  const made = cell("th", "rowheader", "run", ...parts)
  made.scope = "row"
  return made
}

function actions(row) {
  const made = []
  if (row.has_mistakes) made.push(button("act", "Mistakes", "mistakes", row.name, `See the mistakes of ${row.title}`))
  if (row.place !== "A") {
    const pin = button("act", "B", "pin", row.name, `Pin ${row.title} as B, beside A`)
    pin.title = "Pin as B, beside A"
    pin.setAttribute("aria-pressed", String(row.place === "B"))
    made.push(pin)
  }
  if (row.menu.length) {
    const more = button("act", "⋯", "menu", row.name, `More about ${row.title}`)
    more.setAttribute("aria-haspopup", "menu")
    made.push(more)
  }
  return cell("td", "cell", "actions", make("div", "", ...made))
}

function state(row) {
  const made = cell("td", "cell", "state", make("span", "pill " + row.state, row.words))
  if (row.control) {
    const act = button("act", CONTROLS[row.control], row.control, row.name, `${CONTROLS[row.control]} ${row.title}`)
    act.disabled = row.control === "stopping" || Boolean(row.why_not)
    act.title = row.why_not
    made.append(act)
    if (row.why_not) made.append(make("span", "note", row.why_not))
  }
  return made
}

function body(row, columns) {
  const figures = columns.slice(2).map((column, place) => {
    let text = row.cells[place]
    if (column.id === "date" && row.date !== null) text = DATE.format(new Date(row.date))
    const classes = [column.kind, text === "–" ? "none" : "", place < LATE ? "" : "late"].join(" ")
    const made = cell("td", "cell", classes, make("span", "", text))
    made.dataset.label = column.words
    return made
  })
  const made = cell("tr", "row", row.left_out ? "faded" : "", named(row), actions(row), state(row), ...figures)
  if (row.place) made.classList.add(row.place === "A" ? "chosen" : "pinned")
  made.dataset.run = row.name
  return made
}

const FOUND = ({ does, run }) => `button[data-does="${does}"][data-run="${CSS.escape(run)}"]`

function openMenu(root, menu, opener, items) {
  menu.replaceChildren(...items.map(([does, words]) => {
    const item = button("", words, does, opener.dataset.run)
    item.setAttribute("role", "menuitem")
    return item
  }))
  menu.setAttribute("aria-label", opener.getAttribute("aria-label"))
  opener.setAttribute("aria-expanded", "true")
  menu.ontoggle = (event) => {
    if (event.newState !== "closed") return
    const still = root.querySelector(FOUND(opener.dataset))
    still?.setAttribute("aria-expanded", "false")
    if (!root.getRootNode().activeElement) still?.focus()
  }
  menu.showPopover()
  const { left, top, bottom } = opener.getBoundingClientRect()
  const { offsetWidth: width, offsetHeight: height } = menu
  menu.style.left = Math.max(4, Math.min(left, window.innerWidth - width - 8)) + "px"
  menu.style.top = (bottom + height + 8 > window.innerHeight ? top - height - 4 : bottom + 4) + "px"
  menu.firstChild.focus()
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".runs")
  if (!root.firstChild) {
    const table = cell("table", "table", "", cell("thead", "rowgroup", ""), cell("tbody", "rowgroup", ""))
    const menu = cell("div", "menu", "menu")
    menu.popover = "auto"
    root.append(make("div", "scroll", table), make("div", "foot"), menu)
  }
  const part = (selector) => root.querySelector(selector)
  const focused = root.getRootNode().activeElement
  part("table").setAttribute("aria-label", data.label)

  // Rows are made anew only where they have changed: what the keyboard or a reader is on stays where it is.
  const drawn = root.drawn || new Map()
  root.drawn = new Map(data.rows.map((row) => {
    const said = JSON.stringify([row, data.columns])
    const before = drawn.get(row.name)
    return [row.name, before?.said === said ? before : { said, row, element: body(row, data.columns) }]
  }))
  const wanted = [...root.drawn.values()].map(({ element }) => element)
  const there = part("tbody").children
  if (there.length !== wanted.length || wanted.some((element, place) => element !== there[place])) {
    part("tbody").replaceChildren(...wanted)
  }
  const heads = JSON.stringify([data.columns, data.order])
  if (root.heads !== heads) part("thead").replaceChildren(head(data))
  root.heads = heads
  const foot = data.foot ? [make("span", "", data.foot)] : []
  if (data.more) foot.push(button("act", data.more, "more", ""))
  if (part(".foot").textContent !== foot.map((one) => one.textContent).join("")) part(".foot").replaceChildren(...foot)
  if (focused?.dataset.does && root.getRootNode().activeElement !== focused) {  // rows that were put back lose it too
    (focused.isConnected ? focused : part(FOUND(focused.dataset)))?.focus()
  }

  const act = (does, run) => setTriggerValue("act", { does, run })
  root.onclick = (event) => {
    const pressed = event.target.closest("button")
    if (!pressed) {
      const row = event.target.closest("tbody tr")
      if (row && !String(document.getSelection())) act("choose", row.dataset.run)
      return
    }
    const { does, run } = pressed.dataset
    if (does === "menu") return openMenu(root, part(".menu"), pressed, root.drawn.get(run).row.menu)
    if (pressed.getAttribute("role") === "menuitem") part(".menu").hidePopover()
    if (does === "stop" || does === "cancel") {
      pressed.disabled = true
      pressed.textContent = CONTROLS.stopping
      root.drawn.get(run).said = ""
    }
    act(does, run)
  }
  root.onkeydown = (event) => {
    const on = event.target.closest("button")
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (!on || !step || event.ctrlKey || event.metaKey || event.altKey) return
    const inMenu = on.getAttribute("role") === "menuitem"
    const along = inMenu ? [...part(".menu").children] : [...part("tbody").children]
    const place = along.indexOf(inMenu ? on : on.closest("tr")) + step
    const goal = inMenu ? along.at(place % along.length) : along[place]
    const same = inMenu ? goal : goal?.querySelector(`[data-does="${on.dataset.does}"]`) || goal?.querySelector(".name")
    if (!same) return
    same.focus()
    event.preventDefault()
  }
}
