"""The middle of the Layers view: the grid of maps, where they came from, all classes, and the downloads."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sightline.app.address.url import change_selection
from sightline.app.maps import compute
from sightline.app.maps.colour_bar import bars_html
from sightline.app.maps.compute import Computed
from sightline.app.maps.files import file_name, grid_png, maps_npz
from sightline.app.maps.grid import classes_html, grid_html
from sightline.app.maps.large import draw_large
from sightline.app.maps.support import supports
from sightline.app.maps.waiting import draw_restart, waiting
from sightline.app.runs import loaders
from sightline.explain.attribution.methods import LAYER_METHODS, PIXEL_METHODS
from sightline.report.drawing.cells import Cells, class_rows, make_cells, on_scale, scores_to_judge
from sightline.report.drawing.shares import with_shares
from sightline.report.drawing.sides import Side, merged
from sightline.report.drawing.subject import Subject
from sightline.report.words.text import count, escape_markdown
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MOST_CLASSES = 20
_ALL_CLASSES = "layers_all_classes"
_DOWNLOADS = (
    (".png", "image/png", grid_png, "The grid as one picture"),
    (".npz", "application/octet-stream", maps_npz, "The raw signed maps, float32, for NumPy"),
)


class _Place:
    """A part of the panel: what stands there stays until something else takes its place."""

    def __init__(self, key: str | None = None) -> None:
        self.container = st.container(key=key)
        self._held: DeltaGenerator | None = None

    def hold(self) -> DeltaGenerator:
        """Return where something is drawn that something else will follow."""
        self._held = self._held or self.container.empty()
        return self._held

    def last(self) -> DeltaGenerator:
        """Return where that is drawn which stays. What is there already is replaced, and not taken away first."""
        return self._held or self.container


@dataclass(frozen=True)
class _Found:
    """The maps that there are of one side, and of them those that were there ahead of time. error: why no more are."""

    computed: Computed
    stored: Computed
    error: RunError | None = None


def draw_maps(sides: Sequence[Side], all_classes: bool) -> None:
    """Draw the grid of one run or two, what can be done with it, and maps of all classes where they are wanted."""
    head, grid, foot = _Place("map_head"), _Place(), _Place()
    first = sides[0]
    found = [_stored(side) for side in sides]

    def show(place: DeltaGenerator, *, pending: bool = False) -> Cells:
        cells = _cells(sides, found)
        place.html(grid_html(cells, first.subject.pixels, first.settings, pending=pending))
        return cells

    def begin() -> None:
        foot.hold().caption("Downloads come with the maps.")
        show(grid.hold(), pending=True)

    if any(one.stored.maps and _is_lacking(side, one) for side, one in zip(sides, found, strict=True)):
        show(grid.hold())
    for place, side in enumerate(sides):
        if not side.reason:
            with head.container if side.settings.method in PIXEL_METHODS else nullcontext():
                found[place] = _computed(side, found[place].stored, begin)
    with head.container:
        _draw_problems(sides, found)
    if not any(one.computed.maps for one in found):
        grid.last().empty()
        foot.last().empty()
        return
    cells = show(grid.last())
    if bars := bars_html(cells, first.settings):
        head.container.html(bars)
    _draw_footer(foot.last(), sides, found, cells, all_classes)
    draw_large()
    if all_classes and first.run.has_network and first.settings.method in LAYER_METHODS:
        _draw_classes(first)


def _stored(side: Side) -> _Found:
    if side.reason:
        return _Found(Computed({}), Computed({}))
    there = compute.stored_maps(side.run, side.subject, side.settings.method, side.settings.layers, side.scores)
    return _Found(there, there)


def _is_lacking(side: Side, found: _Found) -> bool:
    return any((layer, score) not in found.stored.maps for layer in side.settings.layers for score in side.scores)


def _computed(side: Side, stored: Computed, begin: Callable[[], None]) -> _Found:
    """Compute what is lacking. begin: as of `waiting`."""
    run, subject, settings = side.run, side.subject, side.settings
    try:
        with waiting(run, subject, settings.method, "Computing maps …", begin) as look:
            found = compute.maps(run, subject, settings.method, settings.layers, side.scores, look, stored)
    except RunError as error:  # the predictions are whole, so the image and its probabilities still stand
        return _Found(stored, stored, error)
    return _Found(found, stored)


def _cells(sides: Sequence[Side], found: Sequence[_Found]) -> Cells:
    """Make the cells of the grid, with all of one scale, and how much of each is on what lies in the image."""
    made = [_cells_of(side, one.computed) for side, one in zip(sides, found, strict=True)]
    failed = [one.error if not one.computed.maps else None for one in found]
    cells = on_scale(merged(sides, made, failed), sides[0].settings.scale)
    image = sides[0].subject.image
    try:
        masks = None if image is None else loaders.masks(sides[0].run)
    except RunError:  # they are damaged, and the maps are not
        return cells
    return cells if masks is None or image is None else with_shares(cells, masks[image])


def _cells_of(side: Side, computed: Computed) -> Cells:
    known = supports(side.run, side.settings.method, side.settings.layers)
    make = partial(make_cells, computed.maps, side.rows, side.subject, side.settings, known)
    cells = make(is_stored=not side.run.has_network)
    if any(cell.finding and cell.finding.name == "not finite" for row in cells for cell in row):
        return make(_where_not_finite(side.run, side.subject))
    return cells


def _where_not_finite(run: Run, subject: Subject) -> str:
    try:
        return compute.where_not_finite(run, subject)
    except RunError:  # the maps were computed ahead of time
        return "the network, which cannot be read now"


def _draw_problems(sides: Sequence[Side], found: Sequence[_Found]) -> None:
    """Say why maps are missing, where no row of the grid says so, and what was wrong with those ahead of time."""
    has_rows = len(sides) > 1 and any(one.computed.maps for one in found)
    for side, one in zip(sides, found, strict=True):
        why = one.error or side.reason
        if why and (one.stored.maps or not has_rows):
            what = side.named("Not all maps" if one.stored.maps else "No maps")
            st.warning(escape_markdown(f"{what}: {why}"), icon=":material/layers_clear:")
        if one.error:
            draw_restart(one.error)
        elif one.stored.problem:
            words = side.named("Computed again")
            st.warning(escape_markdown(f"{words}: {one.stored.problem}"), icon=":material/history:")


def _source(side: Side, found: _Found) -> str:
    """Say where the maps come from, and what is not known of them."""
    seconds = found.computed.seconds
    words = "Precomputed."
    if seconds is not None:
        words = ("Partly precomputed, the rest computed" if found.stored.maps else "Computed") + f" in {seconds:.2f} s."
    wanted = [(layer, score) for layer in side.settings.layers for score in scores_to_judge(side.subject)]
    if not side.run.has_network and any(key not in found.computed.maps for key in wanted):
        words += " Whether other classes have the same maps is not known."
    return f"{escape_markdown(side.whose.title)}: {words}" if side.whose else words


def _draw_footer(
    place: DeltaGenerator, sides: Sequence[Side], found: Sequence[_Found], cells: Cells, all_classes: bool
) -> None:
    first = sides[0]
    settings, names = first.settings, "-beside-".join(side.name for side in sides)
    with place.container(
        key="map_footer", horizontal=True, vertical_alignment="center", horizontal_alignment="right", gap="small"
    ):
        sources = (_source(side, one) for side, one in zip(sides, found, strict=True) if one.computed.maps)
        st.caption(" ".join(sources), width="stretch")
        if first.run.has_network and settings.method in LAYER_METHODS:
            st.session_state[_ALL_CLASSES] = all_classes
            st.toggle(
                f"All classes at {escape_markdown(settings.layers[-1])}",
                key=_ALL_CLASSES,
                on_change=lambda: change_selection(all_classes=st.session_state[_ALL_CLASSES]),
            )
        for ending, mime, build, words in _DOWNLOADS:
            st.download_button(
                f"Download {ending}",
                data=partial(build, cells, sides),
                file_name=file_name(names, first.subject, settings.method, ending),
                mime=mime,
                on_click="ignore",
                key=f"layers_download{ending}",
                help=words,
            )


def _draw_classes(side: Side) -> None:
    """Draw the maps of the likeliest classes at the deepest layer."""
    run, subject, settings = side.run, side.subject, side.settings
    layer, rows = settings.layers[-1], class_rows(subject, MOST_CLASSES, settings.sign)
    scores = [row.score for row in rows]
    try:
        with waiting(run, subject, settings.method, "Computing maps of all classes …") as look:
            computed = compute.maps(run, subject, settings.method, (layer,), scores, look)
    except RunError as error:
        st.caption(f"No maps of all classes: {escape_markdown(str(error))}")
        return
    scale = settings.scale if settings.scale == "own" else "layer"  # the grid has one layer, and no rows
    cells = make_cells(computed.maps, rows, subject, replace(settings, layers=(layer,), scale=scale), {})
    which = "all" if len(rows) == len(subject.class_names) else f"the {len(rows)} likeliest of"
    what = (
        f"Maps of {which} {count(len(subject.class_names))} classes, likeliest first," if len(rows) > 1 else "The map"
    )
    whose = f" of {escape_markdown(side.whose.title)}" if side.whose else ""
    st.caption(f"{what} at {escape_markdown(layer)}{whose}.")
    st.html(classes_html(cells, subject.pixels, settings))
