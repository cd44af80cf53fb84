"""What the Curves view shows: which runs and quantities, how they are drawn, and the files to take along."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from sightline.app.address.selection import Selection
from sightline.app.address.url import change_selection
from sightline.app.elements.learning_curves import QUANTITIES
from sightline.app.views.curves.files import curves_csv, curves_picture, curves_png, curves_svg
from sightline.app.views.curves.run_table import RunRow, draw_legend

DEFAULT_SHOWN = 4
_SHOWN, _QUANTITIES, _SMOOTHING, _AXIS = "curves_shown", "curves_quantities", "curves_smoothing", "curves_axis"


def shown_names(names: Sequence[str], selection: Selection) -> list[str]:
    """Return the runs that are drawn: those chosen, else the newest few."""
    default = [name for name in names if name in (selection.run, selection.beside, *names[:DEFAULT_SHOWN])]
    return [name for name in selection.shown if name in names] or default


def curve_options(rows: Sequence[RunRow], selection: Selection) -> dict[str, Any]:
    """Return how the curves are drawn: options of `learning_curves`."""
    sizes = {row.title: row.record.full_size_from for row in rows if row.record and row.record.full_size_from > 1}
    return {"full_size_from": sizes, "smoothing": selection.smoothing / 100, "logarithmic": selection.logarithmic}


def draw_curve_settings(titles: Mapping[str, str], rows: Sequence[RunRow], selection: Selection) -> None:
    """Draw the row above the charts. titles: of the runs to choose from, by name. rows: what is chosen."""
    with st.container(key="curves_head", horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        draw_legend(rows)
        _draw_quantities(selection)
        with st.popover("Lines", icon=":material/tune:", type="tertiary", width=96):
            _draw_line_settings(selection)
        with st.popover("Files", icon=":material/download:", type="tertiary", width=96):
            _draw_files(selection, rows)
        with st.popover(f"{len(rows)} of {len(titles)} runs", icon=":material/checklist:", type="tertiary", width=130):
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
        return curves_picture(metrics, selection.quantities, colours, **curve_options(rows, selection))

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
