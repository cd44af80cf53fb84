"""Which layer and which method may I believe? A sentence and a chart, then every figure, and images to look at."""

from functools import partial
from html import escape

import numpy as np
import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.address.url import change_selection
from sightline.app.address.views import pages
from sightline.app.elements.gallery import draw_gallery, gallery_items
from sightline.app.elements.shell import draw_run
from sightline.app.elements.text import counted, escape_markdown
from sightline.app.maps.belief import draw_measuring, map_words, run_sentence
from sightline.app.runs import loaders
from sightline.app.views.trust.chart import MAP_SELECTION, best_first, method_colours, trust_chart, trust_rows
from sightline.app.views.trust.files import figures_csv
from sightline.explain.attribution.methods import METHODS
from sightline.explain.judging.belief import headline, interval, ranking
from sightline.explain.judging.measures import MEASURES
from sightline.run_store.files import safe_name
from sightline.run_store.predictions import Predictions
from sightline.run_store.quality import INPUT, QualityRow
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_MEASURE, _MAP = "trust_measure", "trust_map"
Map = tuple[str, str]  # method and layer


def draw(run: Run, selection: Selection) -> None:
    """Draw which maps may be believed, or how to find out."""
    predictions = loaders.predictions(run)
    loaders.images(run)
    try:
        rows = loaders.quality(run)
    except RunError as error:
        st.warning(escape_markdown(str(error)), icon=":material/history:")
        return
    if not rows:
        _draw_nothing_measured(run)
        return
    measured = {row.measure for row in rows if row.n}
    measure = next(name for name in (selection.measure, headline(rows), *MEASURES) if name in measured)
    shown = best_first(rows, measure)
    maps = [(row.method, row.layer) for row in shown if not row.control]
    chosen = _chosen(rows, maps, selection) if maps else None
    left, right = st.columns([760, 450], gap="small")
    with left, st.container(key="panel_figures", border=True, gap="small"):
        st.markdown(run_sentence(rows))
        _draw_chart(rows, shown, measure, chosen)
    with right, st.container(key="panel_measure", border=True, gap="small"):
        _draw_measure(rows, measure)
        if chosen:
            _draw_examples(run, predictions, shown, maps, chosen, selection)
    _draw_table(run, rows)


def _draw_nothing_measured(run: Run) -> None:
    with st.container(key="panel_empty", border=True):
        st.subheader("Not measured yet", anchor=False)
        st.markdown(
            "A map always looks like an answer. Whether one may be believed is measured on this run's own model and "
            "images: whether maps point to the right place, whether the model minds losing what they point to, and "
            "whether they change when the model forgets. Control maps, which know nothing, show what that is worth."
        )
        draw_measuring(run, "trust")


def _chosen(rows: list[QualityRow], maps: list[Map], selection: Selection) -> Map:
    """Choose, of the maps that were measured, what Layers shows, else what is to be believed most."""
    wanted = [(selection.method, layer) for layer in (*selection.layers[::-1], INPUT)]
    ranked = [(row.method, row.layer) for row in (*ranking(rows, selection.method), *ranking(rows))]
    return next((found for found in (*wanted, *ranked) if found in maps), maps[0])


def _draw_chart(rows: list[QualityRow], shown: list[QualityRow], measure: str, chosen: Map | None) -> None:
    key = "_".join(("trust_chart", measure, *(chosen or ())))  # a click on what is chosen must be an event again
    names = [map_words(row.method, row.layer) for row in shown]

    def take() -> None:
        for picked in st.session_state[key].selection.get(MAP_SELECTION) or []:
            if picked["method"] in METHODS:  # and not a control
                _take((picked["method"], picked["layer"]))

    st.vega_lite_chart(
        trust_rows(shown, map_words, chosen),
        trust_chart(shown, names, method_colours(rows)),
        width="stretch",
        key=key,
        on_select=take,
        selection_mode=MAP_SELECTION,
        alt=f"{MEASURES[measure].title} of every kind of map, with 95 % intervals",
    )
    st.caption("Bars: 95 % bootstrap intervals over images. Grey: control maps, which know neither model nor class.")


def _take(chosen: Map) -> None:
    method, layer = chosen
    change_selection(method=method, layers=() if layer == INPUT else (layer,))


def _draw_measure(rows: list[QualityRow], measure: str) -> None:
    st.session_state[_MEASURE] = measure
    st.selectbox(
        "Measure",
        [name for name in MEASURES if any(row.measure == name and row.n for row in rows)],
        format_func=lambda name: MEASURES[name].title,
        key=_MEASURE,
        on_change=lambda: change_selection(measure=st.session_state[_MEASURE]),
    )
    known = MEASURES[measure]
    st.markdown(f"{known.deed} {known.figure}")
    direction = f"{known.direction.capitalize()}. " if known.direction else ""
    st.caption(f"{direction}Source: {known.source}.")


def _draw_examples(
    run: Run,
    predictions: Predictions,
    shown: list[QualityRow],
    maps: list[Map],
    chosen: Map,
    selection: Selection,
) -> None:
    """Draw images that the chosen map is best and worst for; a click opens one in Layers."""
    st.session_state[_MAP] = chosen
    st.selectbox(
        "Examples of",
        maps,
        format_func=lambda choice: map_words(*choice),
        key=_MAP,
        on_change=lambda: _take(st.session_state[_MAP]),
    )
    row = next(row for row in shown if (row.method, row.layer) == chosen)
    noun = "mosaic" if row.measure == "gridpg" else "image"
    st.markdown(f"**{interval(row)}** :gray[on {counted(row.n, noun)}]")
    if not row.best:
        st.caption("The figure is the same for all images.")
        return
    known = MEASURES[row.measure]
    ends = ("Highest", "Lowest") if known.is_highest_first else ("Lowest", "Highest")
    for title, images in zip(("Best", "Worst") if known.better else ends, (row.best, row.worst), strict=True):
        st.caption(f"{title} {noun}{'' if noun == 'mosaic' else 's'} · a click opens Layers")
        _draw_images(
            run, predictions, [image for image in images if image < len(predictions)], chosen, selection, title
        )


def _draw_images(
    run: Run, predictions: Predictions, images: list[int], chosen: Map, selection: Selection, title: str
) -> None:
    method, layer = chosen
    picked = draw_gallery(
        gallery_items(run, predictions, np.array(images, int)),
        key=f"trust_{title.lower()}",
        label=f"{title} images",
        on={},
    )
    image = picked.pick if picked.pick is not None else picked.open
    if image is not None:
        layers = () if layer == INPUT else (layer,)
        query = selection.change(image=int(image), method=method, layers=layers).to_query()
        st.switch_page(pages()["Layers"], query_params=query)


def _draw_table(run: Run, rows: list[QualityRow]) -> None:
    with st.container(key="panel_table", border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**All figures**", width="stretch")
            st.download_button(
                "CSV",
                data=partial(figures_csv, run, rows),
                file_name=f"{safe_name(run.name)}_quality.csv",
                mime="text/csv",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
                key="trust_csv",
            )
        st.html(_table_html(rows))


def _table_html(rows: list[QualityRow]) -> str:
    """Write a row for each kind of map, a column for each measure."""
    measures = [name for name in MEASURES if any(row.measure == name for row in rows)]
    head = "".join(f"<th scope='col'>{title}</th>" for title in ("Map", *(MEASURES[name].title for name in measures)))
    figures = {(row.method, row.layer, row.measure): row for row in reversed(rows) if row.n}
    body = ""
    for one in dict.fromkeys((row.method, row.layer) for row in rows):
        found = [figures.get((*one, name)) for name in measures]
        cells = "".join(f"<td>{interval(row) if row else '–'}</td>" for row in found)
        body += f"<tr><th scope='row'>{escape(map_words(*one))}</th>{cells}</tr>"
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"<div class='figure-table' tabindex='0' role='region' aria-label='All figures'>{table}</div>"


draw_run(draw)
