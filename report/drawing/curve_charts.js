// The charts of Curves: what is under the pointer in one is read in all, without asking the server.
// data: JSON in bytes, as `curve_charts` of curve_charts.py writes it.

const NARROW = 720 // pixels, below which charts stand below each other
const NAME_SHARE = 0.3 // of a chart's width, for the names at the ends of its lines

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".curves")
  root.send = (run, epoch) => setTriggerValue("pick", { run, epoch })
  const written = typeof data === "string" ? data : new TextDecoder().decode(data)
  if (root.written === written) return
  root.written = written
  root.shown = JSON.parse(written)
  root.at = root.at && root.shown.runs.some((run) => run.title === root.at.run) ? root.at : null
  root.held = null // the title of the run that stays emphasised, where a click leads nowhere
  drawLegend(root)
  drawCharts(root)
  if (root.watch) return
  root.watch = new ResizeObserver(() => (root.isConnected ? drawCharts(root) : root.watch.disconnect()))
  root.watch.observe(root)
}

function html(tag, className, ...children) {
  const made = document.createElement(tag)
  made.className = className
  made.append(...children)
  return made
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag)
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value))
  made.append(...children)
  return made
}

function dot(run) {
  const made = html("i", "dot")
  made.style.background = run.colour
  return made
}

function drawLegend(root) {
  const focused = root.getRootNode().activeElement?.dataset?.run
  const entries = root.shown.runs.map((run) => {
    const entry = html("button", "run", dot(run), html("span", "", run.title), ...(run.mark ? [html("b", "", run.mark)] : []))
    entry.type = "button"
    entry.dataset.run = run.title
    entry.setAttribute("aria-pressed", String(root.shown.leads && run.mark === "A"))
    entry.title = !root.shown.leads ? `Emphasise ${run.title}` : run.mark === "A" ? "The chosen run" : `Choose ${run.title}`
    entry.onclick = () => (!root.shown.leads ? hold(root, run.title) : run.mark === "A" || root.send(run.name, null))
    entry.onpointerenter = entry.onfocus = () => emphasise(root, run.title)
    entry.onpointerleave = entry.onblur = () => emphasise(root, null)
    return entry
  })
  const names = new Set(root.shown.charts.flatMap((chart) => chart.lines.map((line) => line.name)))
  const kinds = ["test", "train"].filter((name) => names.has(name)).map((name) => html("span", `kind ${name}`, html("i", ""), name))
  root.querySelector(".legend").replaceChildren(...entries, ...kinds)
  if (focused !== undefined) entries.find((entry) => entry.dataset.run === focused)?.focus()
}

function emphasise(root, title) {
  const shown = title ?? root.held
  root.querySelectorAll(".charts [data-run]").forEach((part) => part.classList.toggle("other", shown !== null && part.dataset.run !== shown))
}

// Emphasise a run until it is clicked once more, or another one is.
function hold(root, title) {
  root.held = root.held === title ? null : title
  root.querySelectorAll(".legend .run").forEach((entry) => entry.setAttribute("aria-pressed", String(entry.dataset.run === root.held)))
  emphasise(root, null)
}

function drawCharts(root) {
  const place = root.querySelector(".charts")
  const { charts } = root.shown
  const width = root.clientWidth
  if (!width) return
  const columns = width < NARROW ? 1 : Math.min(2, charts.length)
  place.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`
  while (place.children.length > charts.length) place.lastChild.remove()
  while (place.children.length < charts.length) place.append(makeChart(root, place.children.length))
  const ends = extent(charts.flatMap((chart) => chart.lines.flatMap((line) => line.epochs)))
  charts.forEach((chart, number) => drawChart(root, place.children[number], chart, ends))
  read(root)
}

function makeChart(root, number) {
  const picture = svg("svg", { tabindex: 0, role: "slider" })
  const figure = html("figure", "chart", html("figcaption", "title"), picture, html("div", "reading"))
  picture.onpointermove = (event) => see(root, nearest(root, figure, event))
  picture.onpointerleave = (event) => event.pointerType === "touch" || see(root, null)
  picture.onpointerdown = (event) => {
    const found = nearest(root, figure, event)
    // A finger has seen nothing yet: its first touch reads, its second goes on.
    figure.isSeen = event.pointerType !== "touch" || (root.at?.run === found?.run && root.at?.epoch === found?.epoch)
    see(root, found)
  }
  picture.onclick = () => figure.isSeen && pick(root)
  picture.onfocus = () => picture.matches(":focus-visible") && see(root, root.at ?? first(root, figure))
  picture.onblur = () => root.at?.figure === figure && see(root, null) // else the pointer is at another chart already
  picture.onkeydown = (event) => step(root, figure, event)
  figure.dataset.number = number
  return figure
}

const extent = (values) => [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)]

function drawChart(root, figure, chart, ends) {
  const picture = figure.querySelector("svg")
  const style = getComputedStyle(root)
  const size = parseFloat(style.fontSize)
  const font = `600 ${size}px ${style.fontFamily}`
  const width = figure.clientWidth
  const height = Math.round(Math.min(Math.max(220, 0.46 * width), 340))
  const drawn = chart.lines.flatMap((line) => [...line.values, ...line.raw]).filter((value) => value !== null)
  const [ticks, low, high] = chart.is_log ? logTicks(...extent(drawn)) : evenTicks(...extent(drawn), 6)
  const texts = ticks.map(tickText)
  const left = 8 + Math.max(0, ...texts.map((text) => widthOf(text, font)))
  const names = endNames(chart, root, font, size, width)
  const right = names.length ? 14 + Math.max(...names.map((name) => name.width)) : 8
  const box = { left, right: width - right, top: 8, bottom: height - 2.9 * size }
  const scale = chart.is_log ? Math.log : (value) => value
  const x = (epoch) => box.left + (ends[1] > ends[0] ? (epoch - ends[0]) / (ends[1] - ends[0]) : 0.5) * (box.right - box.left)
  const y = (value) => box.bottom - ((scale(value) - scale(low)) / (scale(high) - scale(low) || 1)) * (box.bottom - box.top)
  figure.drawn = { chart, box, x, y, epochs: [...new Set(chart.lines.flatMap((line) => line.epochs))].sort((a, b) => a - b) }
  figure.querySelector(".title").textContent = chart.title
  picture.setAttribute("aria-label", chart.label)
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`)
  picture.style.height = height + "px"
  picture.replaceChildren(
    ...ticks.map((tick, number) => svg("g", { class: "axis" },
      svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }),
      svg("text", { x: box.left - 6, y: y(tick), dy: "0.35em", "text-anchor": "end" }, texts[number]))),
    ...epochTicks(ends, (box.right - box.left) / (4 * size)).map((epoch) =>
      svg("text", { class: "axis", x: x(epoch), y: box.bottom + 1.4 * size, "text-anchor": "middle" }, String(epoch))),
    svg("text", { class: "axis", x: (box.left + box.right) / 2, y: height - 0.3 * size, "text-anchor": "middle" }, "epoch"),
    ...chart.lines.flatMap((line) => drawLine(line, root, box, x, y)),
    ...placed(names, box, y).flatMap((name) => drawName(name, box, x, y, size)),
    svg("g", { class: "pointer" }),
  )
}

const runOf = (root, line) => root.shown.runs.find((run) => run.title === line.run)

function drawLine(line, root, box, x, y) {
  const { colour, mark } = runOf(root, line)
  const path = (values) => {
    const points = line.epochs.map((epoch, place) => [epoch, values[place]]).filter(([, value]) => value !== null)
    return "M" + points.map(([epoch, value]) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join("L")
  }
  const part = (tag, name, attributes) => {
    const made = svg(tag, { class: name + (mark === "A" ? " chosen" : ""), ...attributes })
    made.dataset.run = line.run
    made.dataset.line = line.name
    return made
  }
  if (line.values.every((value) => value === null)) return []
  const isSmoothed = line.values.some((value, place) => value !== line.raw[place])
  const full = line.full_size_from
  return [
    ...(full === null ? [] : [part("line", "full", { x1: x(full), x2: x(full), y1: box.top, y2: box.bottom, stroke: colour })]),
    ...(isSmoothed ? [part("path", "raw", { d: path(line.raw), stroke: colour })] : []),
    part("path", `line ${line.name}`, { d: path(line.values), stroke: colour }),
    ...line.beside_gaps.map((epoch) => [epoch, line.values[line.epochs.indexOf(epoch)]]).filter(([, value]) => value !== null)
      .map(([epoch, value]) => part("circle", "point", { cx: x(epoch), cy: y(value), r: 3, fill: colour })),
  ]
}

// The name of each run, where its line ends: that of the test split where there is one.
function endNames(chart, root, font, size, width) {
  const ending = new Map()
  for (const line of chart.lines) {
    const last = line.values.findLastIndex((value) => value !== null)
    if (last < 0 || (ending.has(line.run) && line.name !== "test")) continue
    ending.set(line.run, { run: runOf(root, line), epoch: line.epochs[last], value: line.values[last] })
  }
  const names = [...ending.values()].map((end) => {
    const lines = wrapped(end.run.title, Math.max(80, NAME_SHARE * width), font)
    return { ...end, lines, width: Math.max(...lines.map((text) => widthOf(text, font))), height: 1.2 * size * lines.length + 2 }
  })
  return names.reduce((sum, name) => sum + name.height, 0) > 180 ? [] : names // then the legend alone has them
}

function wrapped(text, most, font) {
  const lines = [""]
  for (const part of text.split(/(?<=[-_ /.,:])/)) {
    if (lines.at(-1) && widthOf(lines.at(-1) + part, font) > most) lines.push("")
    for (const sign of part) {
      if (lines.at(-1) && widthOf(lines.at(-1) + sign, font) > most) lines.push("")
      lines[lines.length - 1] += sign
    }
  }
  return lines
}

const pen = document.createElement("canvas").getContext("2d")
function widthOf(text, font) {
  pen.font = font
  return pen.measureText(text).width
}

// As near to where its line ends as the names above and below let it.
function placed(names, box, y) {
  const sorted = names.map((name) => ({ ...name, top: y(name.value) - name.height / 2 })).sort((a, b) => a.top - b.top)
  let free = 0
  for (const name of sorted) {
    name.top = Math.max(name.top, free)
    free = name.top + name.height
  }
  let end = box.bottom + 8
  for (const name of sorted.toReversed()) {
    name.top = Math.min(name.top, end - name.height)
    end = name.top
  }
  return sorted
}

function drawName(name, box, x, y, size) {
  const text = svg("text", { class: "name", x: box.right + 12, y: name.top })
  text.style.setProperty("--colour", name.run.colour)
  text.dataset.run = name.run.title
  name.lines.forEach((line) => text.append(svg("tspan", { x: box.right + 12, dy: 1.2 * size }, line)))
  const middle = name.top + name.height / 2
  const to = `M${x(name.epoch) + 3},${y(name.value)}L${box.right + 4},${y(name.value)}L${box.right + 9},${middle}`
  const leader = svg("path", { class: "leader", d: to, stroke: name.run.colour })
  leader.dataset.run = name.run.title
  return [leader, text]
}

function evenTicks(low, high, most) {
  if (!(high > low)) [low, high] = [low - 0.5, high + 0.5]
  const rough = (high - low) / most
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough)
  const [from, to] = [Math.floor(low / step), Math.ceil(high / step)]
  const ticks = Array.from({ length: to - from + 1 }, (_, place) => (from + place) * step)
  return [ticks, from * step, to * step]
}

function logTicks(low, high) {
  const powers = Array.from({ length: 40 }, (_, place) => 10 ** (place - 20))
  const all = powers.flatMap((power) => [1, 2, 5].map((factor) => factor * power))
  const from = Math.max(0, all.findLastIndex((tick) => tick <= low))
  const to = Math.max(from + 1, all.findIndex((tick) => tick >= high))
  const inside = all.slice(from, to + 1)
  const ticks = inside.length > 9 ? inside.filter((tick) => powers.includes(tick)) : inside
  return [ticks, all[from], all[to]]
}

const tickText = (tick) => String(Number(tick.toPrecision(6))).replace("-", "−")

function epochTicks([low, high], most) {
  const [ticks] = evenTicks(low, high, Math.max(2, Math.min(8, most)))
  return [...new Set(ticks.map(Math.ceil))].filter((tick) => tick >= low && tick <= high)
}

// The epoch, and the run whose line is nearest to the pointer there: across gaps, where the line is drawn.
function nearest(root, figure, event) {
  const { chart, x, y, epochs } = figure.drawn
  const { left, top, width } = figure.querySelector("svg").getBoundingClientRect()
  const zoom = width / figure.clientWidth // of the page, on a wide screen
  const [across, down] = [(event.clientX - left) / zoom, (event.clientY - top) / zoom]
  const away = (line) => {
    const points = line.epochs.map((epoch, place) => [x(epoch), line.values[place]]).filter(([, value]) => value !== null)
    const after = points.findIndex(([at]) => at >= across)
    const [from, to] = after < 0 ? [points.at(-1), points.at(-1)] : [points[Math.max(0, after - 1)], points[after]]
    const share = to[0] > from[0] ? Math.max(0, (across - from[0]) / (to[0] - from[0])) : 0
    return Math.hypot(y(from[1]) + share * (y(to[1]) - y(from[1])) - down, Math.max(0, from[0] - across, across - to[0]))
  }
  const lines = chart.lines.filter((line) => line.values.some((value) => value !== null))
  const line = lines.reduce((best, one) => (best && away(best) <= away(one) ? best : one), null)
  return line && { run: line.run, epoch: closest(epochs, (epoch) => Math.abs(x(epoch) - across)), figure }
}

const closest = (values, distance) => values.reduce((best, one) => (distance(best) <= distance(one) ? best : one))

function first(root, figure) {
  const run = root.shown.runs.find((one) => one.mark === "A" && figure.drawn.chart.lines.some((line) => line.run === one.title))
  return { run: run?.title ?? figure.drawn.chart.lines[0].run, epoch: figure.drawn.epochs.at(-1), figure }
}

function see(root, at) {
  root.at = at
  read(root)
}

// The epoch of the run's history that a click leads to: that nearest to the one under the pointer; null: there is none.
function opened(root) {
  const { opens } = root.shown.runs.find((run) => run.title === root.at.run)
  return opens.length ? closest(opens, (epoch) => Math.abs(epoch - root.at.epoch)) : null
}

function pick(root) {
  if (root.at && root.shown.leads) root.send(root.shown.runs.find((run) => run.title === root.at.run).name, opened(root))
  else if (root.at) hold(root, root.at.run)
}

function step(root, figure, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const { chart, epochs } = figure.drawn
  const at = root.at ?? first(root, figure)
  const runs = [...new Set(chart.lines.map((line) => line.run))]
  const place = epochs.indexOf(closest(epochs, (epoch) => Math.abs(epoch - at.epoch)))
  const to = (epoch, run) => see(root, { figure, run: run ?? at.run, epoch: epoch ?? at.epoch })
  const next = (by) => runs[(runs.indexOf(at.run) + by + runs.length) % runs.length]
  const deeds = {
    ArrowLeft: () => to(epochs[Math.max(0, place - 1)]),
    ArrowRight: () => to(epochs[Math.min(epochs.length - 1, place + 1)]),
    Home: () => to(epochs[0]),
    End: () => to(epochs.at(-1)),
    ArrowUp: () => to(null, next(-1)),
    ArrowDown: () => to(null, next(1)),
    Enter: () => pick(root),
    Escape: () => see(root, null),
  }
  if (!(event.key in deeds)) return
  deeds[event.key]()
  event.preventDefault()
}

// Draw the rule at that epoch in every chart, and beside it what its lines are there.
function read(root) {
  const at = root.at
  emphasise(root, null)
  for (const figure of root.querySelectorAll(".chart")) {
    const { chart, box, x, y, epochs } = figure.drawn
    const picture = figure.querySelector("svg")
    const reading = figure.querySelector(".reading")
    const epoch = at?.epoch ?? epochs.at(-1)
    const runs = [...new Set(chart.lines.map((line) => line.run))]
    const rows = runs.map((run) => ({ run, cells: chart.lines.filter((line) => line.run === run).map((line) => [line, line.epochs.indexOf(epoch)]) }))
    const said = rows.map(({ run, cells }) => `${run}: ${cells.map(([line, place]) => `${line.name} ${line.texts[place] ?? "–"}`.trim()).join(", ")}`)
    picture.setAttribute("aria-valuemin", epochs[0])
    picture.setAttribute("aria-valuemax", epochs.at(-1))
    picture.setAttribute("aria-valuenow", epoch)
    picture.setAttribute("aria-valuetext", `epoch ${epoch}. ${said.join("; ")}${at && root.shown.leads ? `. ${clickWords(root, "Enter")}` : ""}`)
    picture.querySelectorAll("[data-run]").forEach((part) => part.classList.toggle("near", part.dataset.run === at?.run))
    reading.hidden = !at || epoch < epochs[0] || epoch > epochs.at(-1)
    const pointer = picture.querySelector(".pointer")
    pointer.replaceChildren()
    if (reading.hidden) continue
    pointer.append(svg("line", { class: "rule", x1: x(epoch), x2: x(epoch), y1: box.top, y2: box.bottom }))
    for (const line of chart.lines) {
      const value = line.values[line.epochs.indexOf(epoch)] ?? null
      if (value !== null) pointer.append(svg("circle", { class: "dot", cx: x(epoch), cy: y(value), r: 3.5, fill: runOf(root, line).colour }))
    }
    reading.replaceChildren(readingTable(root, chart, rows, epoch), ...(at.figure === figure && root.shown.leads ? [html("div", "hint", clickWords(root, "Click"))] : []))
    const isLeft = x(epoch) > (box.left + box.right) / 2
    reading.style.left = isLeft ? "" : `${x(epoch) + 10}px`
    reading.style.right = isLeft ? `${figure.clientWidth - x(epoch) + 10}px` : ""
  }
}

function clickWords(root, deed) {
  const epoch = opened(root)
  const run = root.shown.runs.find((one) => one.title === root.at.run)
  if (epoch !== null) return `${deed}: the mistakes of ${run.title} after epoch ${epoch}`
  return run.mark === "A" ? `${run.title} keeps no history of its mistakes` : `${deed}: choose ${run.title}`
}

function readingTable(root, chart, rows, epoch) {
  const names = [...new Set(chart.lines.map((line) => line.name))]
  const head = html("tr", "", html("th", "", `epoch ${epoch}`), ...names.map((name) => html("th", "", name)))
  const body = rows.map(({ run, cells }) => {
    const texts = names.map((name) => cells.filter(([line]) => line.name === name).map(([line, place]) => line.texts[place] ?? "–")[0] ?? "–")
    const title = html("td", "", dot(root.shown.runs.find((one) => one.title === run)), run)
    return html("tr", root.at.run === run ? "near" : "", title, ...texts.map((text) => html("td", "", text)))
  })
  return html("table", "", head, ...body)
}
