"""What changed between two runs? The confusion's difference on the left, the changed images, both runs' maps."""

from typing import get_args

import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.address.url import change_selection
from sightline.app.address.views import pages
from sightline.app.elements.arrow import arrow_bytes
from sightline.app.elements.current_set import CurrentSet, place_in
from sightline.app.elements.filters import draw_chips, draw_order
from sightline.app.elements.gallery import gallery_items
from sightline.app.elements.image_set import draw_image_set, page_size
from sightline.app.elements.inspector import draw_title
from sightline.app.elements.matrix import draw_matrix, draw_pairs
from sightline.app.elements.matrix_chart import MOST_DRAWN, difference_cells
from sightline.app.elements.shell import draw_missing, draw_run, with_second_run
from sightline.app.elements.text import count, escape_markdown
from sightline.app.runs import loaders, run_list
from sightline.app.views.compare.changes import (
    better_words,
    changed_bars,
    changed_words,
    draw_both,
    rows_of,
    with_both,
)
from sightline.run_store.comparison import Change, Comparison
from sightline.run_store.run import Run

_CHANGE, _GALLERY = "compare_change", "compare_gallery"


def draw(after: Run, selection: Selection) -> None:
    """Draw what changed, or why that cannot be said."""
    loaders.predictions(after)  # first of all, so that a run without any is explained as in the other views
    before = run_list.find_run(with_second_run(selection).beside)
    if before is None or before.name == after.name:
        st.info(
            f"Choose a second run, at the top beside {escape_markdown(run_list.title(after))}, and what changed "
            "between the two is shown here. It has to be complete, and tested on the same images; if there is none, "
            "train one."
        )
    elif loaders.status(before).state != "complete" or loaders.has_curves_only(before):
        draw_missing(before)
    elif not run_list.are_comparable(before, after):
        names = (escape_markdown(run_list.title(run)) for run in (before, after))
        st.warning(
            "{} was tested on other images than {}, so no image can be called fixed or broken. "
            "Choose a second run on the same test split.".format(*names),
            icon=":material/compare_arrows:",
        )
    else:
        comparison = loaders.comparison(before, after)
        _draw_which_is_better(before, after, comparison, selection)
        _draw_changes(before, after, comparison, selection)


def _draw_which_is_better(before: Run, after: Run, comparison: Comparison, selection: Selection) -> None:
    with st.container(
        key="panel_better", border=True, horizontal=True, vertical_alignment="center", gap="small", wrap=False
    ):
        words = better_words(comparison, run_list.title(before), run_list.title(after))
        st.markdown(words, width="stretch")
        st.button(
            "Swap",
            icon=":material/swap_horiz:",
            type="tertiary",
            key="compare_swap",
            on_click=change_selection,
            kwargs={"run": before.name, "beside": after.name, "image": selection.image},
        )


def _draw_changes(before: Run, after: Run, comparison: Comparison, selection: Selection) -> None:
    rows = rows_of(comparison, selection)
    current = place_in(rows, selection, len(comparison.after), page_size(_GALLERY))
    left, middle, right = st.columns([300, 620, 290], gap="small")
    with left:
        _draw_difference(after, comparison, selection)
    with middle, st.container(key="panel_set", border=True, gap="small"):
        _draw_set(before, after, comparison, current, selection)
    with right, st.container(key="panel_inspector", border=True, gap="small"):
        if current.image is None:
            st.caption("No image is chosen.")
            return
        draw_title(current)
        draw_both(before, after, comparison, current.image, selection)
        chosen = selection.change(image=current.image, beside=before.name).to_query()
        st.page_link(pages()["Layers"], label="Where did it look? Open Layers →", query_params=chosen)


def _draw_difference(after: Run, comparison: Comparison, selection: Selection) -> None:
    names, title = comparison.after.class_names, escape_markdown(run_list.title(after))
    if len(names) <= MOST_DRAWN:
        with st.container(key="panel_confusion", border=True, gap="xsmall"):
            cells = difference_cells(
                comparison.confusion_difference.dense(),
                comparison.after.confusion.per_class("label"),
                names,
                label=selection.label,
                predicted=selection.predicted,
            )
            st.markdown("**More or fewer mistakes**")
            draw_matrix(
                arrow_bytes(cells), names, selection, "compare_matrix", f"orange: more mistakes of {title}, blue: fewer"
            )
    with st.container(key="panel_tables", border=True, gap="xsmall"):
        st.markdown("**Most changed**")
        bars = changed_bars(comparison, selection)
        draw_pairs(bars, names, "compare_pairs", otherwise="Every pair of classes is confused as often as before.")
        if bars:
            st.caption(changed_words(comparison))


def _draw_set(before: Run, after: Run, comparison: Comparison, current: CurrentSet, selection: Selection) -> None:
    images = {change: count(int(mask.sum())) for change, mask in comparison.masks.items()}
    names = run_list.title(before), run_list.title(after)
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
        draw_order(comparison.after, selection, "compare")
    st.caption("What {} predicted → what {} predicts.".format(*map(escape_markdown, names)))
    asked = selection.change(columns=())  # of one run's predictions only
    if selection.label or selection.predicted:
        with st.container(key="filters", horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{count(len(current.rows))}** :gray[of them]", width="content")
            draw_chips(comparison.after, asked)
    if not len(current.rows):
        st.info("No image changed like this.", icon=":material/compare_arrows:")
        return
    items = gallery_items(after, comparison.after, current.page_rows)
    draw_image_set(with_both(items, comparison, names), current, selection, key=_GALLERY)


draw_run(draw)
