"""The middle of the Layers view: the grid of maps, where they came from, all classes, and the downloads."""

from dataclasses import dataclass, replace
from functools import partial

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.elements.subject import Subject
from sightline.app.elements.text import after_words, count, escape_markdown
from sightline.app.maps import compute
from sightline.app.maps.cells import Cells, class_rows, make_cells, rows_of, scores_to_judge, share_scale
from sightline.app.maps.compute import Computed
from sightline.app.maps.files import file_name, grid_png, maps_npz
from sightline.app.maps.grid import classes_html, grid_html
from sightline.app.maps.settings import MapSettings
from sightline.app.maps.support import supports
from sightline.app.maps.waiting import draw_restart, waiting
from sightline.explain.attribution.methods import LAYER_METHODS
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MOST_CLASSES = 20
_ALL_CLASSES = "layers_all_classes"
_DOWNLOADS = (
    (".png", "image/png", grid_png, "The grid as one picture"),
    (".npz", "application/octet-stream", maps_npz, "The raw signed maps, float32, for NumPy"),
)


@dataclass(frozen=True)
class Drawn:
    """A grid as it stands on the page. source: where its maps come from, in words."""

    cells: Cells
    source: str


def draw_maps(run: Run, subject: Subject, settings: MapSettings, all_classes: bool) -> None:
    """Draw the grid, what can be done with it, and the maps of all classes where they are wanted."""
    if drawn := draw_grid(run, subject, settings):
        _draw_footer(run, subject, settings, drawn, all_classes)
        if all_classes and run.has_network and settings.method in LAYER_METHODS:
            _draw_classes(run, subject, settings)


def draw_grid(run: Run, subject: Subject, settings: MapSettings) -> Drawn | None:
    """Draw the maps, and return them; None where there are none.

    What was computed ahead of time appears at once, the rest when it is there.
    """
    rows = rows_of(subject, settings.targets, settings.sign, settings.method)
    scores = list(dict.fromkeys([row.score for row in rows] + scores_to_judge(subject)))
    place, known = st.empty(), supports(run, settings.method, settings.layers)

    def show(computed: Computed) -> Cells:
        cells = make_cells(computed.maps, rows, subject, settings, known, is_stored=not run.has_network)
        if any(cell.finding and cell.finding.name == "not finite" for row in cells for cell in row):
            origin = _where_not_finite(run, subject)
            cells = make_cells(computed.maps, rows, subject, settings, known, origin)
        place.html(grid_html(cells, subject.pixels, settings))
        return cells

    stored = compute.stored_maps(run, subject, settings.method, settings.layers, scores)
    cells = show(stored) if stored.maps else []
    try:
        with waiting(run, subject, settings.method, "Computing maps …") as look:
            computed = compute.maps(run, subject, settings.method, settings.layers, scores, look, stored)
    except RunError as error:  # the predictions are whole, so the image and its probabilities still stand
        what = "Not all maps" if stored.maps else "No maps"
        st.warning(f"{what}: {escape_markdown(str(error))}", icon=":material/layers_clear:")
        draw_restart(error)
        if not stored.maps:
            return None
        computed = stored
    cells = cells if computed is stored else show(computed)
    if stored.problem:
        st.warning(f"Computed again: {escape_markdown(stored.problem)}", icon=":material/history:")
    wanted = [(layer, score) for layer in settings.layers for score in scores_to_judge(subject)]
    is_unknown = not run.has_network and any(key not in computed.maps for key in wanted)
    unknown = " Whether other classes have the same maps is not known." if is_unknown else ""
    return Drawn(cells, _source(stored, computed) + unknown)


def _where_not_finite(run: Run, subject: Subject) -> str:
    try:
        return compute.where_not_finite(run, subject)
    except RunError:  # the maps were computed ahead of time
        return "the network, which cannot be read now"


def _source(stored: Computed, computed: Computed) -> str:
    if computed.seconds is None:
        return "Precomputed."
    words = f"omputed in {computed.seconds:.2f} s."
    return f"Partly precomputed, the rest c{words}" if stored.maps else f"C{words}"


def _draw_footer(run: Run, subject: Subject, settings: MapSettings, drawn: Drawn, all_classes: bool) -> None:
    name = run.name + after_words(run.epoch)
    with st.container(
        key="map_footer", horizontal=True, vertical_alignment="center", horizontal_alignment="right", gap="small"
    ):
        st.caption(drawn.source, width="stretch")
        if run.has_network and settings.method in LAYER_METHODS:
            st.session_state[_ALL_CLASSES] = all_classes
            st.toggle(
                f"All classes at {escape_markdown(settings.layers[-1])}",
                key=_ALL_CLASSES,
                on_change=lambda: change_selection(all_classes=st.session_state[_ALL_CLASSES]),
            )
        for ending, mime, build, words in _DOWNLOADS:
            st.download_button(
                f"Download {ending}",
                data=partial(build, drawn.cells, subject, settings, name),
                file_name=file_name(name, subject, settings.method, ending),
                mime=mime,
                on_click="ignore",
                key=f"layers_download{ending}",
                help=words,
            )


def _draw_classes(run: Run, subject: Subject, settings: MapSettings) -> None:
    layer, rows = settings.layers[-1], class_rows(subject, MOST_CLASSES, settings.sign)
    scores = [row.score for row in rows]
    try:
        with waiting(run, subject, settings.method, "Computing maps of all classes …") as look:
            computed = compute.maps(run, subject, settings.method, (layer,), scores, look)
    except RunError as error:
        st.caption(f"No maps of all classes: {escape_markdown(str(error))}")
        return
    of_layer = replace(settings, layers=(layer,), scale="own")
    cells = make_cells(computed.maps, rows, subject, of_layer, {})
    cells = share_scale(cells) if settings.scale == "row" else cells
    which = "all" if len(rows) == len(subject.class_names) else f"the {len(rows)} likeliest of"
    what = (
        f"Maps of {which} {count(len(subject.class_names))} classes, likeliest first," if len(rows) > 1 else "The map"
    )
    st.caption(f"{what} at {escape_markdown(layer)}.")
    st.html(classes_html(cells, subject.pixels, settings))
