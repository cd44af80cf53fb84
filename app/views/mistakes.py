"""Where does it fail? Confusion on the left, the current set in the middle, the primary image on the right."""

import streamlit as st

from app import loaders
from app.current import CurrentSet, current_set
from app.filters import draw_filters, draw_headline
from app.gallery import draw_gallery, gallery_items
from app.inspector import draw_inspector
from app.overview import draw_confusion, draw_tables
from app.shell import draw_run
from app.state import Selection, change_selection
from run_store.predictions import Predictions
from run_store.run import Run

GALLERY = "mistakes_gallery"


def draw(run: Run, selection: Selection) -> None:
    predictions = loaders.predictions(run)
    loaders.images(run)
    current = current_set(predictions, selection)
    left, middle, right = st.columns([300, 650, 260], gap="small")
    with left:
        with st.container(key="panel_confusion", border=True, gap="xsmall"):
            draw_confusion(predictions, selection)
        with st.container(key="panel_tables", border=True, gap="xsmall"):
            draw_tables(predictions, selection)
    with middle, st.container(key="panel_set", border=True, gap="small"):
        draw_headline(predictions, current, selection)
        draw_filters(predictions, selection)
        _draw_set(run, predictions, current, selection)
    with right, st.container(key="panel_inspector", border=True, gap="small"):
        draw_inspector(run, predictions, current)
        if current.image is not None:
            chosen = selection.change(image=current.image, page=None).to_query()
            st.page_link("views/layers.py", label="Where did it look? Open Layers →", query_params=chosen)


def _draw_set(run: Run, predictions: Predictions, current: CurrentSet, selection: Selection) -> None:
    if not len(current.rows):
        st.info("No image passes these filters. Remove one of the chips above.", icon=":material/filter_alt_off:")
        return
    result = draw_gallery(
        gallery_items(run, predictions, current.page_rows, st.get_option("server.baseUrlPath")),
        selected=current.image,
        page=current.page,
        pages=current.pages,
        key=GALLERY,
        on_pick=lambda: change_selection(image=st.session_state[GALLERY].pick, page=None),
        on_open=lambda: None,
        on_turn=lambda: change_selection(image=current.beside_page(st.session_state[GALLERY].turn), page=None),
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


draw_run(draw)
