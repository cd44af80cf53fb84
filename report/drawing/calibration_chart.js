const percent = (share, digits = 1) => (100 * share).toFixed(digits) + " %"
const images = (number) => number.toLocaleString("fr") + (number === 1 ? " image" : " images") // as count() in Python

const ICON = '<svg viewBox="0 0 16 16" aria-hidden="true"><path d="M9.5 2.5h4v4m0-4-5 5m-2 6h-4v-4m0 4 5-5"/></svg>'

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector(".calibration")
  root.classList.toggle("large", data.large)
  const make = (tag, className, text = "") => {
    const made = document.createElement(tag)
    made.className = className
    made.textContent = text
    return made
  }
  const at = (element, place) => {
    for (const side in place) element.style[side] = 100 * place[side] + "%"
    return element
  }
  const lines = (className, points) => {
    const drawn = document.createElementNS("http://www.w3.org/2000/svg", "svg")
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline")
    drawn.setAttribute("viewBox", "0 0 1 1")
    drawn.setAttribute("preserveAspectRatio", "none")
    drawn.setAttribute("aria-hidden", "true")
    line.setAttribute("class", className)
    line.setAttribute("points", points.map(([x, y]) => x + "," + (1 - y)).join(" "))
    drawn.append(line)
    return drawn
  }
  const ticks = (low) => [
    ...[low, (1 + low) / 2, 1].map((y, place) => at(make("span", "tick y", percent(y, 0)), { bottom: place / 2 })),
    ...[0, .5, 1].map((x) => at(make("span", "tick x", percent(x, 0)), { left: x })),
  ]
  const figure = (title, axis, plot) => {
    const made = document.createElement("figure")
    made.append(make("figcaption", "", title), plot, make("div", "axis", axis))
    return made
  }

  const reliability = make("div", "plot")
  const most = Math.max(...data.bins.map((bin) => bin.share))
  const masses = data.bins.map((bin) => {
    const mass = at(make("span", "mass"), { left: bin.low, width: bin.high - bin.low })
    mass.style.height = 22 * bin.share / most + "%"
    return mass
  })
  const ranges = data.bins.map((bin) =>
    at(make("span", "range"), { left: bin.says, bottom: bin.interval[0], height: bin.interval[1] - bin.interval[0] }))
  const dots = data.bins.map((bin, place) => {
    const dot = at(make("button", "dot"), { left: bin.says, top: 1 - bin.accuracy })
    dot.type = "button"
    dot.title = bin.text
    dot.setAttribute("aria-label", bin.text)
    dot.setAttribute("aria-pressed", String(place === data.bin))
    dot.tabIndex = place === Math.max(data.bin, 0) ? 0 : -1
    dot.onclick = () => setTriggerValue("bin", place)
    return dot
  })
  reliability.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key]
    const goal = dots[dots.indexOf(event.target) + step]
    if (!goal) return
    event.target.tabIndex = -1
    goal.tabIndex = 0
    goal.focus()
    event.preventDefault()
  }
  reliability.append(...masses, lines("diagonal", [[0, 0], [1, 1]]), ...ranges, ...dots, ...ticks(0))

  const coverage = make("div", "plot sliding")
  const points = data.points
  const low = Math.min(.9, Math.floor(10 * Math.min(...points.map((point) => point[1]))) / 10)
  const rest = make("span", "rest"), handle = make("span", "handle"), now = make("p", "now")
  const shown = points.map(([share, accuracy]) => [share, (accuracy - low) / (1 - low)])
  coverage.append(rest, lines("curve", shown), handle, ...ticks(low))
  coverage.tabIndex = 0
  coverage.setAttribute("role", "slider")
  const show = (place) => {
    const [share, accuracy, threshold, below] = points[place]
    coverage.place = place
    at(handle, { left: share })
    at(rest, { left: share })
    now.textContent = below
      ? "The surest " + percent(share) + " are right on " + percent(accuracy) + "; "
        + images(below) + " at most " + +(100 * threshold).toPrecision(6) + " % sure."
      : "All are kept: right on " + percent(accuracy) + ". Drag to the left to put the least sure aside."
    const words = {
      label: "Share of the images that is kept, the surest first", valuemin: 0, valuemax: 100,
      valuenow: Math.round(100 * share), valuetext: now.textContent,
    }
    Object.entries(words).forEach(([name, value]) => coverage.setAttribute("aria-" + name, String(value)))
  }
  const focused = root.getRootNode().activeElement
  const had = focused?.classList.contains("sliding") ? coverage : focused?.classList.contains("dot")
    ? dots[[...root.querySelectorAll(".dot")].indexOf(focused)] : null
  show(data.chosen)

  // While it is dragged, or a key held down, only the place where it comes to rest is worth an answer of the server.
  const choose = (place, wait) => {
    show(place)
    clearTimeout(root.pending)
    root.pending = setTimeout(() => setTriggerValue("threshold", points[place][3] ? points[place][2] : -1), wait)
  }
  const under = (event) => {
    const box = coverage.getBoundingClientRect()
    const share = (event.clientX - box.left) / box.width
    const far = points.map((point) => Math.abs(point[0] - share))
    return far.indexOf(Math.min(...far))
  }
  coverage.onpointerdown = (event) => {
    if (event.button) return  // of which another than the first opens a menu
    coverage.setPointerCapture(event.pointerId)
    show(under(event))
  }
  coverage.onpointermove = (event) => {
    if (coverage.hasPointerCapture(event.pointerId)) show(under(event))
  }
  coverage.onpointerup = (event) => event.button || choose(under(event), 0)
  coverage.onpointercancel = () => show(data.chosen)
  coverage.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }
    const goals = { Home: 0, End: points.length - 1 }
    if (!(event.key in steps) && !(event.key in goals)) return
    const goal = event.key in goals ? goals[event.key] : coverage.place + steps[event.key]
    choose(Math.min(Math.max(goal, 0), points.length - 1), 250)
    event.preventDefault()
  }
  const kept = figure("How often right, if the least sure are put aside", "share of the images that is kept", coverage)
  kept.append(now)
  const head = make("div", "head"), words = make("span", ""), enlarge = make("button", "enlarge")
  words.append(...data.words.map((text, place) => make(place % 2 ? "b" : "span", "", text)))
  enlarge.type = "button"
  enlarge.innerHTML = ICON
  enlarge.title = "Enlarge"
  enlarge.setAttribute("aria-label", "Enlarge")
  enlarge.onclick = () => setTriggerValue("enlarge", true)
  head.append(words, ...(data.large ? [] : [enlarge]))
  const sure = figure("How often right, by how sure", "confidence", reliability)
  if (data.large) { // there is room to say what a dot stands for, also without a pointer
    const about = make("p", "now", data.bins[data.bin]?.text ?? "Each dot is the images of a tenth of the confidences.")
    dots.forEach((dot, place) => {
      dot.onfocus = dot.onpointerenter = () => (about.textContent = data.bins[place].text)
    })
    sure.append(about)
  }
  root.replaceChildren(head, sure, kept)
  had?.focus()
}
