"""Which layer and which method may I believe? A sentence and a chart, then every figure, and images to look at."""

from collections.abc import Sequence
from functools import partial

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.elements.csv_button import draw_csv_button
from sightline.app.elements.measuring import draw_measuring, is_measured, provisional
from sightline.app.elements.popover import draw_popover
from sightline.app.elements.run_label import label, label_html
from sightline.app.elements.shell import draw_run
from sightline.app.maps.pinned import pinned_run
from sightline.app.runs import loaders, run_list
from sightline.app.views.trust.chart import MAP_SELECTION, trust_chart, trust_rows
from sightline.app.views.trust.examples import draw_examples
from sightline.app.views.trust.files import figures_csv
from sightline.explain.attribution.methods import METHODS
from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.verdicts import DECISIVE, RULE, interval
from sightline.report.address.selection import Selection
from sightline.report.drawing.figure_table import table_html
from sightline.report.drawing.trust_figures import Figures, in_order
from sightline.report.words.support import map_words
from sightline.report.words.text import counted, escape_markdown
from sightline.report.words.trust import CAVEATS, chart_words, measure_words, notes, run_sentence
from sightline.run_store.files import safe_name
from sightline.run_store.quality import INPUT, Kind, QualityRow
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_MEASURE, _MAP = "trust_measure", "trust_map"


def draw(run: Run, selection: Selection) -> None:
    """Draw which maps are supported, or how to find out. Maps are computed last, so that nothing waits for them."""
    loaders.predictions(run)
    loaders.images(run)
    try:
        shown = _figures(run)
    except RunError as error:
        st.warning(escape_markdown(str(error)), icon=":material/history:")
        return
    if not shown.rows:
        _draw_nothing_measured(run)
        return
    taken = {row.measure for row in shown.rows if row.n}
    measure = next(name for name in (selection.measure, DECISIVE, *MEASURES) if name in taken)
    with st.container(key="panel_verdict", border=True, gap="small"):
        runs = [shown, *_pinned(run, selection)]
        _draw_verdict(run, runs)
    rows = in_order(shown, measure)
    kinds = [row.kind for row in rows if not row.control]
    chosen = _chosen(shown, kinds, selection) if kinds else None
    left, right = st.columns([690, 520], gap="small")
    with left, st.container(key="panel_figures", border=True, gap="small"):
        _draw_chart(runs, measure, chosen, shown)
    beside = right.container(key="panel_kind", border=True, gap="small") if chosen else right
    with st.container(key="panel_table", border=True, gap="small"):
        _draw_table(run, runs)
    if chosen:
        with beside:
            row = next(row for row in rows if row.kind == chosen)
            _draw_kind(shown, row, kinds)
            draw_examples(run, row, selection)


def _figures(run: Run) -> Figures:
    """Read what was measured on a run. Raises RunError."""
    return Figures(run_list.title(run), run_list.colour(run), loaders.quality(run), loaders.verdicts(run))


def _label(figures: Figures) -> str:
    return label(figures.title, figures.colour)


def _pinned(run: Run, selection: Selection) -> list[Figures]:
    """Return the figures of the pinned run, if any; where it has none, a caption says so."""
    second = pinned_run(run, selection)
    if second is None:
        return []
    try:
        shown = _figures(second)
    except RunError as error:
        st.caption(escape_markdown(str(error)))
        return []
    if not shown.rows:
        st.caption(f"{_label(shown)}, pinned, was not measured yet: choose it as the run to do so.")
    return [shown] if shown.rows else []


def _draw_nothing_measured(run: Run) -> None:
    with st.container(key="panel_empty", border=True):
        st.subheader("Which maps may be believed?", anchor=False)
        st.markdown(
            "A map always looks like an answer. Whether a kind of map is supported is measured on this run's own model "
            "and images: whether the model minds losing what the maps point to, more than what control maps point to, "
            "which explain nothing."
        )
        draw_measuring(run, [], "trust")


def _draw_verdict(run: Run, runs: Sequence[Figures]) -> None:
    """Say in a sentence what is supported on each run; below it what that means, and how to measure more."""
    shown = runs[0]
    titles = [f"{_label(figures)}:" if len(runs) > 1 else "" for figures in runs]
    with st.container(key="trust_sentence"):
        for title, figures in zip(titles, runs, strict=True):
            st.markdown(f"{title} {run_sentence(figures.verdicts)}".strip())
    for title, figures in zip(titles, runs, strict=True):
        for note in notes(figures.rows, figures.verdicts):
            st.caption(f"{title} {escape_markdown(note)}".strip())  # grey already: twice, it could not be read
    is_provisional, is_busy = bool(provisional(shown.rows)), is_measured(run)
    if is_provisional:
        st.markdown(f":orange-badge[provisional] :gray[{_how_far(shown.rows)}]")
    if is_provisional or is_busy:
        draw_measuring(run, shown.rows, "trust")
    with st.container(key="trust_explained", horizontal=True, gap="small"):
        with st.popover("The rule", type="tertiary", icon=":material/gavel:"):
            st.markdown(escape_markdown(RULE))
        with st.popover("What may be claimed", type="tertiary", icon=":material/info:"):
            st.markdown("\n\n".join(map(escape_markdown, CAVEATS)))
        if not is_provisional and not is_busy:
            again = draw_popover("Measure again", "trust_again", type="tertiary", icon=":material/straighten:")
            if again.open:
                with again:
                    draw_measuring(run, shown.rows, "trust")


def _how_far(rows: Sequence[QualityRow]) -> str:
    """Say on how many images the decisive figures stand."""
    rows = [row for row in rows if row.measure == DECISIVE] or rows
    return f"figures on up to {max(row.n for row in rows)} of {counted(max(row.images for row in rows), 'test image')}"


def _chosen(shown: Figures, kinds: list[Kind], selection: Selection) -> Kind:
    """Choose, of the kinds that were measured, what Layers shows, else what is supported best."""
    wanted = [(selection.method, layer) for layer in (*selection.layers[::-1], INPUT)]
    ranked = list(shown.by_kind)
    of_method = [kind for kind in ranked if kind[0] == selection.method]
    return next((found for found in (*wanted, *of_method, *ranked) if found in kinds), kinds[0])


def _draw_chart(runs: Sequence[Figures], measure: str, chosen: Kind | None, shown: Figures) -> None:
    _draw_measures(shown.rows, measure)
    if len(runs) > 1:
        marks = "".join(f"<span>{label_html(one.title, one.colour)}</span>" for one in runs)
        st.html(f'<div class="run-labels">{marks}</div>')
    for one in runs[1:]:
        if not in_order(one, measure):
            st.caption(f"{MEASURES[measure].title} was not measured on {_label(one)}.")
    key = "_".join(("trust_chart", measure, *(chosen or ())))  # a click on what is chosen must be an event again

    def take() -> None:
        for picked in st.session_state[key].selection.get(MAP_SELECTION) or []:
            if picked["method"] in METHODS:  # and not a control
                _take((picked["method"], picked["layer"]))

    st.vega_lite_chart(
        trust_rows(runs, measure, chosen),
        trust_chart(runs, measure, st.context.theme.type or "light"),
        width="stretch",
        key=key,
        on_select=take,
        selection_mode=MAP_SELECTION,
        alt=f"{MEASURES[measure].title} of every kind of map with its verdict, controls last; all figures in the table",
    )
    st.caption(chart_words(measure))


def _draw_measures(rows: Sequence[QualityRow], measure: str) -> None:
    """Draw the choice of a measure, and what it means."""
    st.session_state[_MEASURE] = measure
    with st.container(key="trust_measures", horizontal=True, vertical_alignment="center", gap="small"):
        st.selectbox(
            "Measure",
            [name for name in MEASURES if any(row.measure == name and row.n for row in rows)],
            format_func=lambda name: MEASURES[name].title,
            key=_MEASURE,
            on_change=lambda: change_selection(measure=st.session_state[_MEASURE]),
            width=220,
            label_visibility="collapsed",
        )
        known = MEASURES[measure]
        st.caption(f"{measure_words(known)} Source: {known.source}.".strip(), width="stretch")
    st.markdown(f"{known.deed} {known.figure}")


def _take(chosen: Kind) -> None:
    method, layer = chosen
    change_selection(method=method, layers=() if layer == INPUT else (layer,))


def _draw_kind(shown: Figures, row: QualityRow, kinds: list[Kind]) -> None:
    """Draw the choice of a kind of map, its verdict with the reason, and its figure."""
    st.session_state[_MAP] = row.method, row.layer
    st.selectbox(
        "Kind of map",
        kinds,
        format_func=lambda choice: map_words(*choice),
        key=_MAP,
        on_change=lambda: _take(st.session_state[_MAP]),
        label_visibility="collapsed",
    )
    if verdict := shown.by_kind.get(row.kind):
        st.markdown(f"**{verdict.name.capitalize()}.** {escape_markdown(verdict.reason)}")
    known, noun = MEASURES[row.measure], "mosaic" if row.measure == "gridpg" else "image"
    st.markdown(f":gray[{known.title} on {counted(row.n, noun)}:] **{interval(row)}**")


def _draw_table(run: Run, runs: Sequence[Figures]) -> None:
    rows = runs[0].rows
    with st.container(horizontal=True, vertical_alignment="center"):
        of_run = f" of {_label(runs[0])}" if len(runs) > 1 else ""
        st.markdown(f"**All figures{of_run}**", width="stretch")
        draw_csv_button(partial(figures_csv, run, rows), f"{safe_name(run.name)}_quality", key="trust_csv")
    st.html(table_html(runs))


draw_run(draw)
