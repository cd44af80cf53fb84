"""The table of runs: one element for all rows, with real buttons in it; on a phone each run is a card."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from sightline.app.elements.beside import beside

_COMPONENT = st.components.v2.component(
    "sightline_run_rows",
    html='<div class="runs"></div>\n',
    css=beside(__file__, "css"),
    js=beside(__file__, "js"),
)


@dataclass(frozen=True)
class Row:
    """A run in the table: all of it plain text. name: of the run, by which an event names it."""

    name: str
    title: str
    colour: str
    place: Literal["", "A", "B"]  # A: the chosen run, B: the pinned one
    left_out: str  # of lists: "hidden", "archived", else ""
    notes: tuple[str, ...]  # what people, and what we, have to say about it
    state: str  # a word that decides the colour
    words: str  # the state, for people
    control: str  # what can be done about its training: "stop", "cancel", "stopping", "resume", else ""
    why_not: str  # why that cannot be done here, else ""
    has_mistakes: bool
    menu: tuple[tuple[str, str], ...]  # what else can be done: the event, and in words
    cells: tuple[str, ...]  # of the columns after run and state
    date: int | None  # milliseconds since 1970 (UTC): the browser knows its time zone


@dataclass(frozen=True)
class Column:
    """A column. id: by which an event names it. kind: "run", "state", "text", or "" for figures."""

    id: str
    words: str
    kind: str = ""


def draw_run_rows(
    rows: Sequence[Row],
    columns: Sequence[Column],
    *,
    key: str,
    order: str | None,
    on_act: Callable[[], None],
    foot: str = "",
    more: str = "",
) -> Any:
    """Draw the table. `st.session_state[key].act`, which calls on_act, says what is done: `does` and to which `run`.

    It does "choose", "pin", "mistakes", a word of `control` or of `menu`; "sort", of a column; "more". order: an id,
    with "-" before it where the column falls. foot: a sentence below. more: words of a button that shows more rows.
    """
    shown = {
        # Tuples: Streamlit looks at every list for a table, which takes longer than all the rest.
        "rows": tuple(map(vars, rows)),
        "columns": tuple(map(vars, columns)),
        "order": order,
        "foot": foot,
        "more": more,
        "label": "Runs",
    }
    return _COMPONENT(key=key, data=shown, on_act_change=on_act)
