// A ring around what a step is about, and a card beside it. Which step it is, is kept for this tab of the browser.
// data: steps with `view`, `targets` (selectors, of which the first that is there counts), `title` and `text`.

const STEP = "sightline_tour"
const PATIENCE = 3000 // milliseconds that a page has to show what a step is about
const MARGIN = 12 // pixels around the ring, and beside the card

export default function ({ data, parentElement, setTriggerValue }) {
  const card = parentElement.querySelector(".card")
  const ring = parentElement.querySelector(".ring")
  const { steps, cookie } = data
  const find = (name) => card.querySelector(`.${name}`)
  let place = Math.min(steps.length - 1, Number(sessionStorage.getItem(STEP) ?? 0))
  let seen = {} // what is pointed at, and since when it is looked for

  const leave = () => {
    document.cookie = `${cookie}=yes; path=/; max-age=31536000; samesite=strict`
    end()
    setTriggerValue("left", true)
  }
  const end = () => {
    card.hidePopover()
    ring.hidePopover()
    cancelAnimationFrame(card.frame)
    document.removeEventListener("click", follow, true)
    document.removeEventListener("keydown", escape)
  }
  const go = (to) => {
    if (to >= steps.length) {
      sessionStorage.removeItem(STEP)
      return leave()
    }
    sessionStorage.setItem(STEP, (place = to))
  }
  const next = () => {
    go(place + 1)
    if (place < steps.length && here() !== steps[place].view) link(steps[place].view)?.click()
  }
  // Who clicks what a step is about has done it; a link to its view leads there only.
  const follow = (event) => {
    if (seen.isThere && event.composedPath().includes(seen.target)) go(place + 1)
  }
  const escape = (event) => {
    const isOther = event.defaultPrevented || document.querySelector("[role=dialog], [data-testid=stPopoverBody]")
    if (event.key === "Escape" && !isOther) leave()
  }

  const look = () => {
    const { view, targets } = steps[place]
    const isThere = here() === view
    const target = isThere ? targets.map(visible).find(Boolean) : link(view)
    if (seen.place !== place || seen.isThere !== isThere) seen = { place, isThere, since: performance.now() }
    const isNew = Boolean(target) && seen.target !== target
    seen.target = target
    return isNew
  }
  const write = () => {
    const { view, title, text } = steps[place]
    const isMissing = seen.isThere && !seen.target && performance.now() - seen.since > PATIENCE
    const words = isMissing ? "The run that is shown has none of this. Go on, or choose another run at the top." : text
    const put = (name, said) => find(name).textContent === said || (find(name).textContent = said)
    put("count", `${place + 1} of ${steps.length}`)
    put("title", title)
    put("text", seen.isThere ? words : `Open ${view}: its name is at the top.`)
    put("next", place === steps.length - 1 && seen.isThere ? "Done" : seen.isThere ? "Next" : `Open ${view}`)
  }
  const frame = () => {
    if (!card.isConnected) return end()
    const isNew = look()
    if (isNew) seen.target.scrollIntoView({ block: seen.target.offsetHeight > innerHeight / 2 ? "start" : "center" })
    write()
    arrange(card, ring, seen.target)
    card.frame = requestAnimationFrame(frame)
  }

  card.leave?.()
  card.leave = end
  find("leave").onclick = leave
  find("next").onclick = () => (seen.isThere ? next() : link(steps[place].view)?.click())
  document.addEventListener("click", follow, true)
  document.addEventListener("keydown", escape)
  ring.showPopover()
  card.showPopover()
  frame()
  if (document.activeElement === document.body) find("next").focus({ preventScroll: true })
  return end
}

const here = () => {
  const views = links().map((link) => link.textContent.trim().toLowerCase())
  const last = location.pathname.split("/").filter(Boolean).at(-1)
  const name = views.includes(last) ? last : "curves"
  return name[0].toUpperCase() + name.slice(1)
}
const links = () => [...document.querySelectorAll(".st-key-nav a")]
const link = (view) => links().find((one) => one.textContent.trim() === view)
const visible = (selector) => [...document.querySelectorAll(selector)].find((one) => one.getClientRects().length)

function arrange(card, ring, target) {
  const box = target?.getClientRects().length ? target.getBoundingClientRect() : null
  ring.hidden = !box
  const around = box ?? { left: innerWidth, right: innerWidth, top: innerHeight, bottom: innerHeight }
  const [left, top] = [Math.max(2, around.left - 6), Math.max(2, around.top - 6)]
  const [right, bottom] = [Math.min(innerWidth - 2, around.right + 6), Math.min(innerHeight - 2, around.bottom + 6)]
  Object.assign(ring.style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` })
  const { width, height } = card.getBoundingClientRect()
  const most = { x: innerWidth - width - MARGIN, y: innerHeight - height - MARGIN }
  const inside = (x, y) => [Math.max(MARGIN, Math.min(x, most.x)), Math.max(MARGIN, Math.min(y, most.y))]
  const [x, y] =
    bottom + MARGIN <= most.y ? inside(left, bottom + MARGIN)
    : right + MARGIN <= most.x ? inside(right + MARGIN, top)
    : left - width - MARGIN >= MARGIN ? inside(left - width - MARGIN, top)
    : top - height - MARGIN >= MARGIN ? inside(left, top - height - MARGIN)
    : inside(most.x, most.y)
  Object.assign(card.style, { left: `${x}px`, top: `${y}px` })
}
