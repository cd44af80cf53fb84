"""How do two runs differ? Their confusions on the left, the images only one has right, and where both looked."""

from typing import get_args

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.address.views import pages
from sightline.app.elements.bars import draw_bars
from sightline.app.elements.csv_button import draw_csv_button
from sightline.app.elements.current_set import CurrentSet, place_in
from sightline.app.elements.filters import draw_chips, draw_order
from sightline.app.elements.gallery import gallery_items
from sightline.app.elements.image_set import draw_image_set, page_size
from sightline.app.elements.inspector import draw_title
from sightline.app.elements.matrix import draw_matrix, draw_pairs, take_pair
from sightline.app.elements.run_label import run_label
from sightline.app.elements.sheet import draw_sheet
from sightline.app.elements.shell import draw_missing, draw_run, with_second_run
from sightline.app.elements.spreadsheets import both_as_csv
from sightline.app.runs import loaders, run_list
from sightline.app.views.compare.both import draw_both
from sightline.app.views.compare.tiles import legend_of, with_both
from sightline.report.address.compared_set import compared_rows
from sightline.report.address.selection import Selection
from sightline.report.drawing.compared_bars import changed_bars, class_bars
from sightline.report.drawing.matrix import MOST_DRAWN, difference_cells
from sightline.report.words.comparison import better_words, changed_words, class_words, set_words
from sightline.report.words.text import count, counted, escape_markdown
from sightline.run_store.comparison import Change, Comparison
from sightline.run_store.files import safe_name
from sightline.run_store.run import Run

_CHANGE, _GALLERY = "compare_change", "compare_gallery"
_PAIRS, _CLASSES = "Most different", "By class"


def draw(a: Run, selection: Selection) -> None:
    """Draw how the two runs differ, or why that cannot be said."""
    loaders.predictions(a)  # first of all, so that a run without any is explained as in the other views
    b = run_list.find_run(with_second_run(selection).beside)
    if b is None or b.name == a.name:
        st.info(
            f"Choose a second run, at the top beside {escape_markdown(run_list.title(a))}, and how the two differ is "
            "shown here. It has to be complete, and tested on the same images; if there is none, train one."
        )
    elif loaders.status(b).state != "complete" or loaders.has_curves_only(b):
        draw_missing(b)
    elif not run_list.are_comparable(a, b):
        names = (escape_markdown(run_list.title(run)) for run in (b, a))
        st.warning(
            "{} was tested on other images than {}, so of no image can be said which of them is right. "
            "Choose a second run on the same test split.".format(*names),
            icon=":material/compare_arrows:",
        )
    else:
        comparison = loaders.comparison(a, b)
        _draw_which_is_better(a, b, comparison, selection)
        _draw_differences(a, b, comparison, selection)


def _draw_which_is_better(a: Run, b: Run, comparison: Comparison, selection: Selection) -> None:
    with st.container(key="panel_better", border=True, gap="xsmall"):
        st.markdown(better_words(comparison, [run_label(run) for run in (a, b)]))
        _draw_mistakes((a, b), comparison, selection)


def _draw_mistakes(runs: tuple[Run, Run], comparison: Comparison, selection: Selection) -> None:
    """Draw a link to the mistakes of each run, with the other one beside it."""
    with st.container(key="compare_mistakes", horizontal=True, gap="medium"):
        for run, other, predictions in zip(runs, reversed(runs), (comparison.a, comparison.b), strict=True):
            mistakes = counted(int(predictions.wrong.sum()), "mistake")
            chosen = selection.change(run=run.name, beside=other.name, outcome="wrong", columns=(), of_compare=False)
            query = chosen.to_query()
            st.page_link(
                pages()["Mistakes"], label=f"{mistakes} of {run_label(run)} →", query_params=query, width="content"
            )


def _draw_differences(a: Run, b: Run, comparison: Comparison, selection: Selection) -> None:
    rows = compared_rows(comparison, selection)
    current = place_in(rows, selection, len(comparison.a), page_size(_GALLERY))
    left, middle, right = st.columns([300, 620, 290], gap="small")
    with left:
        _draw_confusions(a, b, comparison, selection)
    with middle, st.container(key="panel_set", border=True, gap="small"):
        _draw_set(a, b, comparison, current, selection)
    with right, st.container(key="panel_inspector", border=True, gap="small"):
        draw_sheet()
        if current.image is None:
            st.caption("No image is chosen.")
            return
        draw_title(current)
        draw_both(a, b, current.image, selection)
        chosen = selection.change(image=current.image, beside=b.name).to_query()
        st.page_link(pages()["Layers"], label="Where did it look? Open Layers →", query_params=chosen)


def _draw_confusions(a: Run, b: Run, comparison: Comparison, selection: Selection) -> None:
    names = comparison.a.class_names
    if len(names) <= MOST_DRAWN:
        with st.container(key="panel_confusion", border=True, gap="xsmall"):
            cells = difference_cells(comparison.confusion_difference, comparison.a.confusion.per_class("label"))
            caption = "Orange: {} makes more such mistakes than {}; blue: fewer.".format(*map(run_label, (a, b)))
            draw_matrix(cells, names, selection, "compare_matrix", caption, title="More or fewer mistakes")
    with st.container(key="panel_tables", border=True, gap="xsmall"):
        _draw_table(a, b, comparison, selection)


def _draw_table(a: Run, b: Run, comparison: Comparison, selection: Selection) -> None:
    names = comparison.a.class_names
    chosen = st.segmented_control(
        "Table",
        [_PAIRS, _CLASSES],
        default=_PAIRS,
        required=True,
        key="compare_table",
        persist_state="session",
        label_visibility="collapsed",
    )
    if chosen == _CLASSES:
        draw_bars(
            class_bars(comparison, legend_of(a, b), selection),
            key="compare_classes",
            widths=(38,),
            label_share=0.6,
            on_pick=lambda: take_pair(names[int(st.session_state["compare_classes"].pick)], None),
        )
        st.caption(class_words(comparison))
    else:
        bars = changed_bars(comparison, selection)
        draw_pairs(bars, names, "compare_pairs", otherwise="Both runs confuse every pair of classes equally often.")
        if bars:
            st.caption(changed_words(comparison))


def _draw_set(a: Run, b: Run, comparison: Comparison, current: CurrentSet, selection: Selection) -> None:
    words = set_words(run_label(a), run_label(b))
    st.session_state[_CHANGE] = selection.compared or comparison.largest
    with st.container(key="headline", horizontal=True, vertical_alignment="center", gap="small"):
        st.segmented_control(
            "Which images",
            get_args(Change),
            format_func=lambda change: f"{words[change]} {count(comparison.images[change])}",
            key=_CHANGE,
            label_visibility="collapsed",
            required=True,
            on_change=lambda: change_selection(compared=st.session_state[_CHANGE]),
        )
        draw_order(comparison.a, selection, "compare")
        draw_csv_button(
            lambda: both_as_csv(comparison, current.rows, (a.name, b.name)),
            safe_name(f"{a.name} and {b.name}", selection.compared or comparison.largest),
            key="compare_csv",
        )
    asked = selection.change(columns=())  # of one run's predictions only
    if selection.label or selection.predicted:
        with st.container(key="filters", horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{count(len(current.rows))}** :gray[of them]", width="content")
            draw_chips(comparison.a, asked)
    if not len(current.rows):
        st.info("There is no such image.", icon=":material/compare_arrows:")
        return
    items = gallery_items(a, comparison.a, current.page_rows)
    draw_image_set(with_both(items, comparison, legend_of(a, b)), current, selection, key=_GALLERY)


draw_run(draw)
