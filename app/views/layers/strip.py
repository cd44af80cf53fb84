"""The proof strip across the top: does the network need what the map calls hot, or what somebody paints?

Image, map, the image with that covered, and with as much covered elsewhere, each with what the network says of it.
"""

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.maps import compute
from sightline.app.maps.covered import cover_hottest, cover_painted, predicted_map
from sightline.app.maps.waiting import waiting
from sightline.app.views.layers.brush import draw_brush, painted_bits, share_painted
from sightline.app.views.layers.figures import chances_html, figure_html, map_pictures, picture_html, strip_html
from sightline.explain.attribution.methods import LAYER_METHODS, METHODS
from sightline.image_data import Progress
from sightline.report.drawing.map_settings import MapSettings
from sightline.report.drawing.subject import Subject
from sightline.report.words.support import map_words
from sightline.report.words.text import escape_markdown, percent
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

if TYPE_CHECKING:
    from sightline.explain.judging.hiding import Hidden

HOTTEST, PAINTED = "hottest tenth", "what I paint"
NOT_PAINTED = (
    "Paint over the image: what is painted is filled in from its surroundings, and the network is asked again."
)
ALL_PAINTED = "Leave something unpainted: there is nothing to fill it in from."
NOT_FINITE = "The network’s answer to one of these images is not finite (NaN or infinity), so nothing is said of them."
_WHAT = "layers_cover"
_LAYER = "layers_hide_layer"
_SHOWN = "layers_strip"  # of the session: what of, and the HTML that was drawn of it


def draw_strip(run: Run, subject: Subject, settings: MapSettings, hide: str | None) -> Callable[[], None] | None:
    """Draw the strip as far as it is known at once; what is returned draws the rest, which may take a while.

    hide: the layer whose map is meant, the deepest where it is not among those of the settings.
    """
    layer = hide if hide in settings.layers else settings.layers[-1]
    with st.container(key="panel_strip", border=True, gap="small"):
        if _draw_choice(settings, layer) == PAINTED:
            _draw_painted(run, subject, settings, layer)
            return None
        drawn_as = (settings.method, layer, settings.sign, settings.cells, settings.colours)
        key = (run.path, run.stamp("maps"), subject.key, *drawn_as)
        shown = st.session_state.get(_SHOWN)
        if shown and shown[0] == key:
            st.html(shown[1])
            return None
        image = picture_html(subject.pixels, subject.describe())
        as_it_is = figure_html("As it is", image, chances=chances_html(subject, subject.probabilities))
        begun = strip_html([as_it_is], "Covering …")
        place = st.html(begun)

    def finish() -> None:
        try:
            html = _hottest_html(run, subject, settings, layer, lambda done, total: place.html(begun))
        except RunError as error:
            place.html(strip_html([as_it_is], f"Not covered: {escape(str(error))}"))
            return
        place.html(html)
        st.session_state[_SHOWN] = key, html

    return finish


def _draw_choice(settings: MapSettings, layer: str) -> str:
    with st.container(key="strip_choice", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**What if it is covered?**", width="content")
        what = st.segmented_control(
            "Cover",
            (HOTTEST, PAINTED),
            default=HOTTEST,
            key=_WHAT,
            required=True,
            label_visibility="collapsed",
            persist_state="session",
            help="Covered pixels are filled in from their surroundings, and the network is asked again.",
        )
        if len(settings.layers) > 1:
            st.session_state[_LAYER] = layer
            st.selectbox(
                "Layer of the map",
                settings.layers,
                key=_LAYER,
                width=150,
                label_visibility="collapsed",
                on_change=lambda: change_selection(hide=st.session_state[_LAYER]),
            )
    return what or HOTTEST


def _hottest_html(run: Run, subject: Subject, settings: MapSettings, layer: str, look: Progress) -> str:
    with waiting(run, subject, settings.method, "Covering …") as look_at_map:
        values = predicted_map(run, subject, settings.method, layer, look_at_map)
    hidden = cover_hottest(run, subject, settings.method, layer, values, look)
    title = map_words(settings.method, layer)
    image = picture_html(subject.pixels, subject.describe())
    figures = [
        figure_html("As it is", image, chances=chances_html(subject, hidden.before)),
        figure_html(title, *map_pictures(subject, settings, title, (subject.pixels, values))),
        _after_figure(subject, hidden, "Hottest tenth covered"),
        _elsewhere_figure(subject, hidden, "As much at random"),
    ]
    what = f"the tenth of the image where {title} is hottest"
    return strip_html(figures, covered_words(subject, hidden, what, "as much at random"))


@st.fragment
def _draw_painted(run: Run, subject: Subject, settings: MapSettings, layer: str) -> None:
    """Draw the brush and what comes of it: a stroke runs this alone."""
    with st.container(key="strip_painted", horizontal=True, gap="small"):
        draw_brush(subject)
        try:
            st.html(_painted_html(run, subject, settings, layer))
        except RunError as error:
            st.warning(f"Not covered: {escape_markdown(str(error))}", icon=":material/layers_clear:")


def _painted_html(run: Run, subject: Subject, settings: MapSettings, layer: str) -> str:
    painted, share, title = painted_bits(subject), share_painted(subject), map_words(settings.method, layer)
    if not 0 < share < 1:
        chances, maps = chances_html(subject, compute.probabilities_of(run, subject)), []
        if settings.method in LAYER_METHODS:
            values = predicted_map(run, subject, settings.method, layer)
            maps = map_pictures(subject, settings, title, (subject.pixels, values))
        return strip_html(
            [figure_html(f"As it is: {title}", *maps, chances=chances)], ALL_PAINTED if share else NOT_PAINTED
        )
    covered = cover_painted(run, subject, settings.method, layer, painted)
    hidden = covered.hidden
    what = f"what is painted, {percent(share)} of the image,"
    words = covered_words(subject, hidden, what, "the same stroke elsewhere")
    maps = ["", ""]
    if covered.maps is None:
        words += f" {METHODS[settings.method].title} takes too long for its map to follow a brush."
    else:
        before, after = covered.maps
        maps = map_pictures(subject, settings, title, (subject.pixels, before), (hidden.image, after))
    figures = [
        figure_html(f"As it is: {title}", maps[0], chances=chances_html(subject, hidden.before)),
        _after_figure(subject, hidden, "Painted, covered", maps[1]),
        _elsewhere_figure(subject, hidden, "The same stroke elsewhere"),
    ]
    return strip_html(figures, words)


def _after_figure(subject: Subject, hidden: "Hidden", title: str, map_picture: str = "") -> str:
    image = picture_html(hidden.image, f"{subject.title}: {title}")
    return figure_html(title, image, map_picture, chances=chances_html(subject, hidden.after))


def _elsewhere_figure(subject: Subject, hidden: "Hidden", title: str) -> str:
    """Show the first of the other places, and the mean of all."""
    image = picture_html(hidden.example, f"{subject.title}: {title}, one of {len(hidden.elsewhere)}")
    chances = chances_html(subject, hidden.elsewhere.mean(axis=0), hidden.elsewhere)
    return figure_html(f"{title}, mean of {len(hidden.elsewhere)}", image, chances=chances)


def covered_words(subject: Subject, hidden: "Hidden", what: str, elsewhere: str) -> str:
    """Say in HTML what covering took the predicted class to, and nothing else. what, elsewhere: plain text."""
    if not hidden.is_finite:
        return NOT_FINITE
    code = subject.predicted
    before, after, draws = hidden.before[code], hidden.after[code], hidden.elsewhere[:, code]
    return (
        f"Covering {escape(what)} takes <b>{escape(subject.name(code))}</b> from {percent(float(before))} to "
        f"<b>{percent(float(after))}</b>; covering {escape(elsewhere)}, to <b>{percent(float(draws.mean()))}</b> "
        f"(mean of {len(draws)} random places, {percent(float(draws.min()))} to {percent(float(draws.max()))})."
    )
