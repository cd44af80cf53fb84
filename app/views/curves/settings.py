"""What the Curves view shows: which runs and quantities, how they are drawn, and the files to take along."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from sightline.app.address.url import change_selection
from sightline.app.views.curves.files import curves_csv, curves_picture, curves_png, curves_svg
from sightline.app.views.curves.run_table import RunRow
from sightline.report.address.selection import Selection
from sightline.report.drawing.learning_curves import QUANTITIES

DEFAULT_SHOWN = 4
_SHOWN, _QUANTITIES, _SMOOTHING, _AXIS = "curves_shown", "curves_quantities", "curves_smoothing", "curves_axis"


def shown_names(names: Sequence[str], selection: Selection) -> list[str]:
    """Return the runs that are drawn: those chosen, else the newest few."""
    default = [name for name in names if name in (selection.run, selection.beside, *names[:DEFAULT_SHOWN])]
    return [name for name in selection.shown if name in names] or default


@dataclass(frozen=True)
class CurveOptions:
    """How the curves are drawn. full_size_from: title and epoch of the runs whose images were smaller before it."""

    full_size_from: tuple[tuple[str, int], ...]
    smoothing: float
    logarithmic: bool

    def as_arguments(self) -> dict[str, Any]:
        """Return the options of `chart`."""
        return {
            "full_size_from": dict(self.full_size_from),
            "smoothing": self.smoothing,
            "logarithmic": self.logarithmic,
        }


def curve_options(rows: Sequence[RunRow], selection: Selection) -> CurveOptions:
    """Return how the curves of these runs are drawn."""
    sizes = {row.title: row.record.full_size_from for row in rows if row.record and row.record.full_size_from > 1}
    return CurveOptions(tuple(sizes.items()), selection.smoothing / 100, selection.logarithmic)


def draw_curve_settings(titles: Mapping[str, str], rows: Sequence[RunRow], selection: Selection) -> None:
    """Draw the row above the charts. titles: of the runs to choose from, by name. rows: what is chosen.

    What opens on a click is drawn only then: it would take longer than the rest of the row.
    """
    with st.container(key="curves_head", horizontal=True, vertical_alignment="center", gap="small"):
        _draw_quantities(selection)
        opened = partial(st.popover, type="tertiary", on_change="rerun")
        if (place := opened("Lines", icon=":material/tune:", width=96, key="curves_lines")).open:
            with place:
                _draw_line_settings(selection)
        if (place := opened("Files", icon=":material/download:", width=96, key="curves_files")).open:
            with place:
                _draw_files(selection, rows)
        words = f"{len(rows)} of {len(titles)} runs"
        if (place := opened(words, icon=":material/checklist:", width=130, key="curves_runs")).open:
            with place:
                _draw_runs(titles, rows)


def _draw_runs(titles: Mapping[str, str], rows: Sequence[RunRow]) -> None:
    st.session_state[_SHOWN] = [row.name for row in rows]
    st.multiselect(
        "Runs in the charts",
        list(titles),
        format_func=titles.__getitem__,
        key=_SHOWN,
        placeholder="Choose runs to draw",
        on_change=lambda: change_selection(shown=tuple(st.session_state[_SHOWN])),
    )


def _draw_quantities(selection: Selection) -> None:
    st.session_state[_QUANTITIES] = list(selection.quantities)
    st.segmented_control(
        "Charts",
        list(QUANTITIES),
        selection_mode="multi",
        key=_QUANTITIES,
        label_visibility="collapsed",
        on_change=_take_quantities,
    )


def _take_quantities() -> None:
    """Take what is chosen, in the order of QUANTITIES; none chosen means the default."""
    chosen = tuple(name for name in QUANTITIES if name in st.session_state[_QUANTITIES])
    change_selection(quantities=chosen or Selection.quantities)


def _draw_line_settings(selection: Selection) -> None:
    st.session_state[_SMOOTHING] = selection.smoothing
    st.slider(
        "Smoothing",
        0,
        99,
        key=_SMOOTHING,
        format="%d %%",
        help="Weight of the past epochs in a moving average. The measured values stay visible behind it.",
        on_change=lambda: change_selection(smoothing=st.session_state[_SMOOTHING]),
    )
    st.session_state[_AXIS] = selection.logarithmic
    st.toggle(
        "Logarithmic axis",
        key=_AXIS,
        help="Of loss, learning rate and seconds.",
        on_change=lambda: change_selection(logarithmic=st.session_state[_AXIS]),
    )


def _draw_files(selection: Selection, rows: Sequence[RunRow]) -> None:
    metrics, colours = (
        {row.title: getattr(row, name) for row in rows if row.metrics} for name in ("metrics", "colour")
    )

    def drawn() -> dict[str, object]:
        return curves_picture(metrics, selection.quantities, colours, **curve_options(rows, selection).as_arguments())

    files: tuple[tuple[str, str, str, Callable[[], bytes]], ...] = (
        ("csv", "Data (CSV)", "text/csv", lambda: curves_csv(metrics)),
        ("png", "Charts (PNG)", "image/png", lambda: curves_png(drawn())),
        ("svg", "Charts (SVG)", "image/svg+xml", lambda: curves_svg(drawn())),
    )
    for ending, title, mime, make in files:
        st.download_button(
            title,
            data=make,
            file_name=f"curves.{ending}",
            mime=mime,
            key=f"curves_{ending}",
            on_click="ignore",
            type="tertiary",
        )
