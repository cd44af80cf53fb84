"""A set of images: its gallery, page by page."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.current import CurrentSet
from app.gallery import draw_gallery
from app.state import Selection, change_selection


def draw_image_set(items: Sequence[dict[str, Any]], current: CurrentSet, selection: Selection, key: str) -> None:
    """items: of the page. A click chooses an image, Enter opens it in Layers."""
    result = draw_gallery(
        items,
        selected=current.image,
        page=current.page,
        pages=current.pages,
        key=key,
        on_pick=lambda: change_selection(image=st.session_state[key].pick, page=None),
        on_open=lambda: None,
        on_turn=lambda: change_selection(image=current.beside_page(st.session_state[key].turn), page=None),
    )
    _draw_pager(current)
    if result.open is not None:
        st.switch_page("views/layers.py", query_params=selection.change(image=int(result.open), page=None).to_query())


def _draw_pager(current: CurrentSet) -> None:
    with st.container(
        key="pager", horizontal=True, horizontal_alignment="center", vertical_alignment="center", gap="small"
    ):
        for step, icon, name in ((-1, "chevron_left", "Previous"), (0, "", ""), (1, "chevron_right", "Next")):
            if not step:
                st.markdown(f":gray[page] {current.page} :gray[of] {current.pages}", width="content")
                continue
            target = current.page + step
            st.button(
                name,
                icon=f":material/{icon}:",
                icon_position="left" if step < 0 else "right",
                key=f"pager_{step}",
                type="tertiary",
                disabled=not 1 <= target <= current.pages,
                on_click=change_selection,
                kwargs={"page": target, "image": None},
            )
        st.caption("arrow keys move, Enter opens Layers", width="content")
