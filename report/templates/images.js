// The images and their maps: which of them is shown, and one image large with all of its maps.
const showImages = (list) => {
  const choice = document.querySelector(".map-choice"), dialog = document.querySelector("dialog.large-image")
  const tiles = [...list.querySelectorAll(".shown-image")]
  const figuresOf = (tile) => [...tile.querySelectorAll("figure")]
  const mapsOf = (tile) => figuresOf(tile).slice(1)
  const inputOf = (tile) => tile.querySelector(".input")
  const part = (name) => dialog.querySelector(name)
  const chosen = (name) => choice?.elements[name].value
  const isChosen = (map) => map.dataset.target === chosen("target") && map.dataset.layer === chosen("layer")
  let current = 0

  const update = () => {
    const opacity = chosen("show") === "map" ? 1 : chosen("opacity") / 100
    for (const place of [list, dialog]) place.style.setProperty("--opacity", opacity)
    for (const tile of tiles) {
      const isImage = chosen("show") === "image", maps = isImage ? [] : mapsOf(tile).filter(isChosen)
      for (const figure of figuresOf(tile)) figure.classList.toggle("on", maps.length ? maps.includes(figure) : figure === inputOf(tile))
      tile.querySelector(".without").hidden = isImage || maps.length > 0
    }
    if (dialog.open) draw()
  }
  const choose = (map) => {
    for (const [name, value] of [["target", map.dataset.target], ["layer", map.dataset.layer]]) choice.elements[name].value = value
    if (chosen("show") === "image") choice.elements.show.value = "overlay"
    update()
  }

  const copied = (figure) => {
    const copy = figure.cloneNode(true)
    copy.classList.add("on")
    return copy
  }
  const draw = () => {
    const tile = tiles[current], maps = mapsOf(tile), shown = maps.filter(isChosen)
    dialog.style.setProperty("--input", tile.style.getPropertyValue("--input"))
    part("h3").replaceChildren(...[...tile.querySelector("h3").childNodes].map((node) => node.cloneNode(true)))
    part(".bar span").textContent = `${current + 1} of ${tiles.length}`
    const large = [inputOf(tile), ...shown].map(copied)
    for (const button of large.map((figure) => figure.querySelector("button"))) button.tabIndex = -1
    part(".large").replaceChildren(...large)
    part(".words").textContent = shown.map((map) => map.dataset.why).filter(Boolean).join(" · ")
    const focused = [...part(".all-maps").children].indexOf(document.activeElement.closest("figure"))
    part(".all-maps").replaceChildren(...maps.map((map) => {
      const copy = copied(map)
      copy.classList.toggle("chosen", isChosen(map))
      copy.querySelector("button").onclick = () => choose(map)
      return copy
    }))
    part(".all-maps").children[focused]?.querySelector("button").focus()
    part("[data-go='-1']").disabled = current === 0
    part("[data-go='1']").disabled = current === tiles.length - 1
    const { activeElement } = document  // keys are heard while the focus is in the window, on what can have it
    if (!dialog.contains(activeElement) || activeElement.disabled) part("[data-close]").focus()
  }
  const go = (place) => {
    current = Math.max(0, Math.min(tiles.length - 1, place))
    draw()
  }
  const step = (by) => {
    const maps = mapsOf(tiles[current]), kinds = maps.filter((map, place) => !maps.slice(0, place).some((other) =>
      other.dataset.target === map.dataset.target && other.dataset.layer === map.dataset.layer))
    const wanted = kinds[kinds.findIndex(isChosen) + by]
    if (wanted) choose(wanted)
  }

  for (const [place, tile] of tiles.entries()) {
    tile.style.setProperty("--input", `url("${inputOf(tile).querySelector("img").src}")`)
    tile.onclick = (event) => {
      if (!event.target.closest(".picture")) return
      current = place
      dialog.showModal()
      draw()
      part("[data-close]").focus()
    }
  }
  for (const button of dialog.querySelectorAll("[data-go]")) button.onclick = () => go(current + Number(button.dataset.go))
  part("[data-close]").onclick = () => dialog.close()
  dialog.onclick = (event) => event.target === dialog && dialog.close()
  dialog.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return
    const acts = {
      ArrowLeft: () => go(current - 1), ArrowRight: () => go(current + 1), Home: () => go(0), End: () => go(tiles.length - 1),
      ArrowUp: () => step(-1), ArrowDown: () => step(1),
    }
    if (!(event.key in acts)) return
    event.preventDefault()
    acts[event.key]()
  }
  dialog.onclose = () => tiles[current].querySelector("figure.on button").focus()

  list.classList.add("switching")
  if (!choice) return
  choice.hidden = false
  choice.oninput = update
  choice.onsubmit = (event) => event.preventDefault()
  update()
}
for (const list of document.querySelectorAll("section > .shown-images")) showImages(list)
