"""What changed between two runs? The confusion's difference on the left, the changed images, both runs' maps."""

from typing import get_args

import streamlit as st

from app import loaders
from app.charts import difference_cells
from app.comparison import draw_both, rows_of, verdict_words, with_both
from app.current import CurrentSet, place_in
from app.filters import draw_chips, draw_order
from app.gallery import gallery_items
from app.image_set import draw_image_set, page_size
from app.inspector import draw_title
from app.overview import draw_matrix
from app.shell import draw_missing, draw_run
from app.state import Selection, change_selection
from app.text import count, escape_markdown
from run_store.comparison import Change, Comparison
from run_store.run import Run

_BESIDE, _CHANGE, _GALLERY = "compare_beside", "compare_change", "compare_gallery"


def draw(after: Run, selection: Selection) -> None:
    loaders.predictions(after)  # first of all, so that a run without any is explained as in the other views
    others = [run for run in loaders.runs() if run.name != after.name and loaders.status(run).state == "complete"]
    if not others:
        st.info("There is no second complete run yet: train one on the same data, and what it changes is shown here.")
        return
    alike = loaders.comparable_runs(after)
    before = loaders.find_run(selection.beside if selection.beside != after.name else None) or (alike or others)[0]
    with st.container(key="panel_verdict", border=True, gap="xsmall"):
        _draw_picker(before, after, others, selection)
        if before.name not in [run.name for run in alike]:
            _draw_refusal(before, after)
            return
        comparison = loaders.comparison(before, after)
        st.markdown(verdict_words(comparison, before.name, after.name))
    _draw_changes(before, after, comparison, selection)


def _draw_picker(before: Run, after: Run, others: list[Run], selection: Selection) -> None:
    names = [run.name for run in others]
    st.session_state[_BESIDE] = before.name if before.name in names else None
    with st.container(key="compare_runs", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{escape_markdown(after.name)}** :gray[compared with]", width="content")
        st.selectbox(
            "Compared with",
            names,
            key=_BESIDE,
            label_visibility="collapsed",
            on_change=lambda: change_selection(beside=st.session_state[_BESIDE]),
            width=330,
        )
        st.button(
            "Swap",
            icon=":material/swap_horiz:",
            type="tertiary",
            key="compare_swap",
            on_click=change_selection,
            kwargs={"run": before.name, "beside": after.name, "image": selection.image},
        )


def _draw_refusal(before: Run, after: Run) -> None:
    if loaders.status(before).state != "complete":
        draw_missing(before)
        return
    st.warning(
        f"{escape_markdown(before.name)} was tested on other images than {escape_markdown(after.name)}, "
        "so no image can be called fixed or broken. Choose a run on the same test split.",
        icon=":material/compare_arrows:",
    )


def _draw_changes(before: Run, after: Run, comparison: Comparison, selection: Selection) -> None:
    current = place_in(rows_of(comparison, selection), selection, len(comparison.after), page_size(_GALLERY))
    left, middle, right = st.columns([300, 620, 290], gap="small")
    with left, st.container(key="panel_confusion", border=True, gap="xsmall"):
        names = comparison.after.class_names
        st.markdown("**More or fewer mistakes**")
        cells = difference_cells(
            comparison.confusion_difference,
            comparison.after.confusion.sum(axis=1),
            names,
            label=selection.label,
            predicted=selection.predicted,
        )
        draw_matrix(cells, names, selection, "compare_matrix", "Difference of the confusion matrices")
        st.caption(f"orange: more mistakes of {escape_markdown(after.name)}, blue: fewer · click a cell to filter")
    with middle, st.container(key="panel_set", border=True, gap="small"):
        _draw_set(before, after, comparison, current, selection)
    with right, st.container(key="panel_inspector", border=True, gap="small"):
        if current.image is None:
            st.caption("No image is chosen.")
            return
        draw_title(current)
        draw_both(before, after, comparison, current.image, selection)
        chosen = selection.change(image=current.image).to_query()
        st.page_link("views/layers.py", label="Where did it look? Open Layers →", query_params=chosen)


def _draw_set(before: Run, after: Run, comparison: Comparison, current: CurrentSet, selection: Selection) -> None:
    images = {change: count(int(mask.sum())) for change, mask in comparison.masks.items()}
    st.session_state[_CHANGE] = selection.compared
    with st.container(key="headline", horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control(
            "Change",
            get_args(Change),
            format_func=lambda change: f"{change.capitalize()} {images[change]}",
            key=_CHANGE,
            label_visibility="collapsed",
            required=True,
            on_change=lambda: change_selection(compared=st.session_state[_CHANGE]),
        )
        draw_order(selection)
    st.caption(f"What {escape_markdown(before.name)} predicted → what {escape_markdown(after.name)} predicts.")
    asked = selection.change(columns=())  # of one run's predictions only
    if selection.label or selection.predicted:
        with st.container(key="filters", horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{count(len(current.rows))}** :gray[of them]", width="content")
            draw_chips(comparison.after, asked)
    if not len(current.rows):
        st.info("No image changed like this.", icon=":material/compare_arrows:")
        return
    items = gallery_items(after, comparison.after, current.page_rows)
    draw_image_set(with_both(items, comparison, (before.name, after.name)), current, selection, key=_GALLERY)


draw_run(draw)
