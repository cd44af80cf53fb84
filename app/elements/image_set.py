"""A set of images: its gallery, page by page."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.address.views import pages
from sightline.app.elements.chosen import chosen_of, draw_chosen, known_tags
from sightline.app.elements.current_set import PAGE_SIZE, CurrentSet
from sightline.app.elements.gallery import Event, Size, draw_gallery
from sightline.app.maps.shared import maps_problem, shown_kind, urls_of, without_maps
from sightline.app.runs import loaders
from sightline.report.address.selection import Selection
from sightline.report.words.support import map_words
from sightline.report.words.text import escape_markdown
from sightline.run_store.run import Run

MOST_IMAGES = 120  # on a page, however large the screen
_MAPS, _SIZE = "gallery_maps", "gallery_size"  # of all galleries of a set


def page_size(key: str) -> int:
    """Return how many images the screen holds in this gallery, once the browser has said so."""
    fits = st.session_state.get(_size_key(key), PAGE_SIZE)
    return min(max(fits, PAGE_SIZE), MOST_IMAGES)


def draw_image_set(
    items: Sequence[dict[str, Any]], current: CurrentSet, selection: Selection, key: str, run: Run | None = None
) -> None:
    """Draw the items of the page. A click chooses an image, Enter opens it in Layers.

    run: whose images they are, where maps may lie over them and several be chosen, to be tagged and exported.
    """
    several: dict[str, Any] = {}
    on: dict[Event, Callable[[], None]] = {
        "pick": lambda: change_selection(image=st.session_state[key].pick),
        "turn": lambda: change_selection(image=current.beside_page(st.session_state[key].turn)),
        "fits": lambda: st.session_state.update({_size_key(key): st.session_state[key].fits}),
    }
    if run:
        items = _with_maps(_with_tags(items, run), run, selection)
        chosen, images = chosen_of(run), len(loaders.predictions(run))
        several = {"chosen": [item["index"] for item in items if item["index"] in chosen.images], "told": chosen.told}
        on["choose"] = lambda: chosen.take(st.session_state[key].choose, images)
    result = draw_gallery(
        items,
        key=key,
        label="Images of the current set",
        selected=current.image,
        page=(current.page, current.pages),
        narrow=3,
        size=st.session_state.get(_SIZE) or "medium",
        on=on,
        **several,
    )
    if run:
        draw_chosen(run, loaders.predictions(run), current.rows)
    _draw_pager(current, selection if run else None)
    if result.open is not None:
        st.switch_page(pages()["Layers"], query_params=selection.change(image=int(result.open)).to_query())


def _with_tags(items: Sequence[dict[str, Any]], run: Run) -> Sequence[dict[str, Any]]:
    tags, why = known_tags(run)
    if why:
        st.caption(escape_markdown(why))
    return [item | {"tag": tags.get(item["index"], "")} for item in items]


def _with_maps(items: Sequence[dict[str, Any]], run: Run, selection: Selection) -> Sequence[dict[str, Any]]:
    """Lay the stored maps over the items where that is asked for, and say whose they are, or why there are none."""
    if not selection.maps_over:
        return items
    method, layer = shown_kind(run)
    urls = urls_of(run, [item["index"] for item in items], method, layer)
    said = f"{map_words(method, layer)}, of the predicted class; point at an image to see it without"
    st.caption(escape_markdown(said if urls else without_maps(run, maps_problem(run, method, layer))))
    return [item | {"over": url} for item, url in zip(items, urls, strict=True)] if urls else items


def _size_key(key: str) -> str:
    return f"{key}_fits"  # no widget's, so that it outlives a look at another view


def _draw_pager(current: CurrentSet, selection: Selection | None) -> None:
    """Draw how the pages are turned, and how large the tiles are. selection: where maps may lie over them."""
    with st.container(key="pager", horizontal=True, vertical_alignment="center", gap="small"):
        if selection:
            st.session_state[_MAPS] = selection.maps_over
            st.toggle("Maps", key=_MAPS, on_change=lambda: change_selection(maps_over=st.session_state[_MAPS]))
        with st.container(
            key="pager_turn", horizontal=True, horizontal_alignment="center", vertical_alignment="center", gap="small"
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
        st.segmented_control(
            "Size of the tiles",
            get_args(Size),
            default="medium",
            format_func=lambda size: size[0].upper(),
            required=True,
            key=_SIZE,
            persist_state="session",
            label_visibility="collapsed",
            help="Small, medium or large tiles",
        )
