// Draws the elements of the dashboard in the places that the page has for them, and again where its size is another.
const redraws = []
const drawElement = (place, data) => {
  const { html, css, draw } = ELEMENTS[place.dataset.element]
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  const root = place.attachShadow({ mode: "open" })
  root.adoptedStyleSheets = [sheet]
  const send = (event, detail) => place.dispatchEvent(new CustomEvent(`element-${event}`, { detail, bubbles: true }))
  const redraw = () => {
    root.innerHTML = html // ours, and the same in every report
    draw({ data, parentElement: root, setTriggerValue: send })
  }
  redraw()
  return redraw
}
for (const place of document.querySelectorAll("[data-element]")) {
  const data = JSON.parse(place.firstElementChild.textContent)
  redraws.push(drawElement(place, data))
  place.addEventListener("element-enlarge", () => enlarge(place.dataset.element, data))
}

const enlarge = (name, data) => {
  const dialog = document.createElement("dialog")
  const close = document.createElement("button")
  const place = document.createElement("div")
  dialog.setAttribute("aria-label", data.label)
  close.type = "button"
  close.className = "close"
  close.textContent = "Close"
  close.onclick = () => dialog.close()
  place.className = "element"
  place.dataset.element = name
  dialog.append(close, place)
  dialog.onclick = (event) => event.target === dialog && dialog.close() // beside it
  dialog.onclose = () => dialog.remove()
  document.body.append(dialog)
  dialog.showModal() // first, so that what is drawn knows how wide it is
  drawElement(place, { ...data, large: true })
}

const onPaper = (is) => {
  document.documentElement.classList.toggle("paper", is)
  redraws.forEach((redraw) => redraw())
}
addEventListener("beforeprint", () => onPaper(true))
addEventListener("afterprint", () => onPaper(false))

const links = [...document.querySelectorAll("nav a")]
const inView = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue
    links.forEach((link) => (link.hash === `#${target.id}` ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")))
  }
}, { rootMargin: "-15% 0px -80%" })
document.querySelectorAll("main > section").forEach((section) => inView.observe(section))

const theme = document.getElementById("theme")
const isDark = () => (document.documentElement.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark"
const nameTheme = () => {
  theme.textContent = isDark() ? "Light" : "Dark"
}
theme.onclick = () => {
  document.documentElement.style.colorScheme = isDark() ? "light" : "dark"
  nameTheme()
}
nameTheme()

// In a notebook this page has no address of its own: a link to a part of it would lead the frame to the notebook's.
document.addEventListener("click", (event) => {
  const link = event.composedPath().find((one) => one.matches?.("a[href^='#']"))
  if (!link || location.protocol !== "about:") return
  event.preventDefault()
  document.getElementById(link.getAttribute("href").slice(1))?.scrollIntoView()
})
