"""A set of images: its gallery, page by page."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.address.url import change_selection
from sightline.app.address.views import pages
from sightline.app.elements.chosen import chosen_of, draw_chosen, known_tags
from sightline.app.elements.current_set import PAGE_SIZE, CurrentSet
from sightline.app.elements.gallery import Event, draw_gallery
from sightline.app.elements.text import escape_markdown
from sightline.app.runs import loaders
from sightline.run_store.run import Run

MOST_IMAGES = 120  # on a page, however large the screen


def page_size(key: str) -> int:
    """Return how many images the screen holds in this gallery, once the browser has said so."""
    fits = st.session_state.get(_size_key(key), PAGE_SIZE)
    return min(max(fits, PAGE_SIZE), MOST_IMAGES)


def draw_image_set(
    items: Sequence[dict[str, Any]], current: CurrentSet, selection: Selection, key: str, run: Run | None = None
) -> None:
    """Draw the items of the page. A click chooses an image, Enter opens it in Layers.

    run: whose images they are, where several may be chosen, to be tagged and exported.
    """
    several: dict[str, Any] = {}
    on: dict[Event, Callable[[], None]] = {
        "pick": lambda: change_selection(image=st.session_state[key].pick),
        "turn": lambda: change_selection(image=current.beside_page(st.session_state[key].turn)),
        "fits": lambda: st.session_state.update({_size_key(key): st.session_state[key].fits}),
    }
    if run:
        chosen, (tags, why) = chosen_of(run), known_tags(run)
        if why:
            st.caption(escape_markdown(why))
        predictions = loaders.predictions(run)
        items = [item | {"tag": tags.get(item["index"], "")} for item in items]
        several = {"chosen": [item["index"] for item in items if item["index"] in chosen.images], "told": chosen.told}
        on["choose"] = lambda: chosen.take(st.session_state[key].choose, len(predictions))
    result = draw_gallery(
        items,
        key=key,
        label="Images of the current set",
        selected=current.image,
        page=(current.page, current.pages),
        narrow=3,
        on=on,
        **several,
    )
    if run:
        draw_chosen(run, predictions, current.rows)
    _draw_pager(current)
    if result.open is not None:
        st.switch_page(pages()["Layers"], query_params=selection.change(image=int(result.open)).to_query())


def _size_key(key: str) -> str:
    return f"{key}_fits"  # no widget's, so that it outlives a look at another view


def _draw_pager(current: CurrentSet) -> None:
    with st.container(
        key="pager", horizontal=True, horizontal_alignment="center", vertical_alignment="center", gap="small"
    ):
        for step, icon, name in ((-1, "chevron_left", "Previous"), (0, "", ""), (1, "chevron_right", "Next")):
            if not step:
                st.markdown(f":gray[page] {current.page} :gray[of] {current.pages}", width="content")
                continue
            image = current.turned(step)
            st.button(
                name,
                icon=f":material/{icon}:",
                icon_position="left" if step < 0 else "right",
                key=f"pager_{step}",
                type="tertiary",
                disabled=image is None,
                on_click=change_selection,
                kwargs={"image": image},
            )
        st.caption("arrow keys move, Enter opens Layers", width="content")
