"""The address bar: the only place where the selection is kept. It is read once a script run, and handed on."""

from dataclasses import replace
from typing import Any

import streamlit as st

from sightline.app.runs import run_list
from sightline.report.address.selection import PARAMETERS, Selection

_HANDED_ON, _SHOWN = "selection", "shown_image"
_HAVE_SETS = ("Mistakes", "Compare")
_KEYS = frozenset(key for parameter in PARAMETERS.values() for key in parameter.keys)


def read_selection(view: str | None = None) -> tuple[Selection, list[str]]:
    """Read the address, checked against the runs that there are; beside it, what was ignored.

    view: that is shown: with the set of Mistakes or Compare goes on what is opened from there.

    For the page around the views, once a script run, and for callbacks: the browser's Back may have changed the
    address since the script ran. `handed_on_selection` is for everything else.
    """
    run_list.look()
    query = {key: st.query_params.get_all(key) for key in st.query_params}
    selection, ignored = Selection.from_query(query, run_list.titles(), run_list.facts, run_list.default_run)
    if view in _HAVE_SETS:
        selection = replace(selection, of_compare=view == "Compare")
    st.session_state[_HANDED_ON] = selection
    return selection, ignored


def handed_on_selection() -> Selection:
    """Return what was last read from the address, or written to it, in this session."""
    selection: Selection = st.session_state[_HANDED_ON]
    return selection


def write_selection(selection: Selection) -> None:
    """Put it into the address bar, as one step of the browser's history. Parameters of others stay."""
    st.session_state[_HANDED_ON] = selection  # a fragment runs after this without the page around it
    wanted = selection.to_query()
    if _KEYS.issuperset(st.query_params):
        st.query_params.from_dict(wanted)
        return
    st.query_params.update(wanted)
    for key in _KEYS.intersection(st.query_params) - wanted.keys():
        del st.query_params[key]


def change_selection(**changes: Any) -> None:
    """Change what is named, and keep the rest: for callbacks of widgets."""
    write_selection(read_selection()[0].change(**changes))


def note_shown_image(image: int | None) -> None:
    """Note which image the page shows as the primary one: where none is chosen, the first of its set."""
    st.session_state[_SHOWN] = image


def forget_shown_image() -> None:
    """Begin a page that has not shown any image yet."""
    st.session_state.pop(_SHOWN, None)


def shown_image(selection: Selection) -> int | None:
    """Return the chosen image, else the one that the page shows: for callbacks that have to keep it."""
    image: int | None = st.session_state.get(_SHOWN) if selection.image is None else selection.image
    return image
