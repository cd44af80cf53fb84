// Draws the elements of the dashboard in the places that the page has for them.
const drawElement = (place, data) => {
  const { html, css, draw } = ELEMENTS[place.dataset.element]
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  const root = place.attachShadow({ mode: "open" })
  root.adoptedStyleSheets = [sheet]
  root.innerHTML = html // ours, and the same in every report
  const send = (event, detail) => place.dispatchEvent(new CustomEvent(`element-${event}`, { detail }))
  draw({ data, parentElement: root, setTriggerValue: send })
}
for (const place of document.querySelectorAll("[data-element]")) drawElement(place, JSON.parse(place.firstElementChild.textContent))

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
