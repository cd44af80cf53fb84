export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".bars")
  const widths = data.widths.map((width) => width + "px").join(" ")
  const columns = "minmax(0, " + data.label_share + "fr) minmax(0, 1fr) " + widths
  const percent = (share) => 100 * Math.min(1, Math.max(0, share)) + "%"
  const make = (tag, cells, className) => {
    const row = document.createElement(tag)
    row.className = "row " + className
    row.style.gridTemplateColumns = columns
    row.append(...cells)
    return row
  }
  const span = (text, className) => {
    const made = document.createElement("span")
    made.textContent = text
    made.className = className
    made.dir = "auto"
    return made
  }
  const pair = (from, to) => {
    const made = document.createElement("span")
    made.className = "label pair"
    made.append(span(from, ""), " ", span("→", ""), " ", span(to, ""))
    return made
  }
  const track = (value) => {
    const [track, fill] = [span("", "track"), span("", "fill")]
    fill.style.display = track.style.display = "block"
    fill.style.width = percent(value)
    track.append(fill)
    return track
  }
  const lines = (runs) => {
    const made = span("", "lines")
    for (const run of runs) {
      const line = span("", "line"), bar = track(run.value)
      bar.firstChild.style.background = run.colour
      if (run.interval) {
        const [low, high] = run.interval, range = span("", "range")
        range.style.left = percent(low)
        range.style.width = percent(high - low)
        bar.append(range)
      }
      line.append(bar, span(run.text, "cell"))
      made.append(line)
    }
    return made
  }
  const rows = []
  if (data.header) {
    const [first, second, ...rest] = data.header
    const titles = [span(first, "label"), span(second, "label"), ...rest.map((text) => span(text, "cell"))]
    rows.push(make("div", titles, "head"))
  }
  const focused = root.getRootNode().activeElement?.dataset?.id
  for (const bar of data.bars) {
    const label = bar.taken_for ? pair(bar.label, bar.taken_for) : span(bar.label, "label")
    const drawn = bar.runs.length ? lines(bar.runs) : track(bar.value)
    const cells = [label, drawn, ...bar.cells.map((text) => span(text, "cell"))]
    const row = make(data.clickable ? "button" : "div", cells, bar.kind)
    row.title = bar.title || bar.label
    if (!data.clickable && bar.title) {
      row.setAttribute("role", "img") // whose words say what its bars show
      row.setAttribute("aria-label", bar.title)
    }
    if (data.clickable) {
      row.type = "button"
      row.dataset.id = bar.id
      row.setAttribute("aria-pressed", String(bar.selected))
      row.onclick = () => setTriggerValue("pick", bar.id)
    }
    rows.push(row)
  }
  root.replaceChildren(...rows)
  if (focused !== undefined) rows.find((row) => row.dataset.id === focused)?.focus()
}
