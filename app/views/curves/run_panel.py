"""The panel of all runs: the table, in the order that the address names, and what is done from its rows."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import streamlit as st

from sightline.app.address.url import change_selection, handed_on_selection, read_selection
from sightline.app.elements.run_pickers import choose_run, pin_run
from sightline.app.elements.run_rows import Column, Row, draw_run_rows
from sightline.app.elements.shell import STATE_WORDS
from sightline.app.permissions import NotPermitted, is_read_only
from sightline.app.runs import duplicate, notes, run_list, trainings
from sightline.app.runs.folder import runs_root
from sightline.app.runs.look import Listed
from sightline.app.views.curves.clicks import CLICK
from sightline.app.views.curves.run_table import MOST_ROWS, RunRow, read_rows, state_words
from sightline.image_data import DataError
from sightline.report.address.run_order import COLUMNS, SETTINGS, in_order, next_order
from sightline.report.address.selection import Selection
from sightline.report.words.run_figures import differing_settings, made_at, sources, texts, values
from sightline.report.words.text import count, counted, escape_markdown
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_TABLE = "runs_table"
_ARCHIVE = "curves_archive"
# Of the session: how many rows are shown, why the last click did nothing, and the form that is open, of which run.
_SHOWN, _PROBLEM, _FORM = "runs_table_rows", "runs_table_problem", "runs_table_form"
_TITLES = {"rename": "Rename, note", "duplicate": "Duplicate with changes"}


def draw_runs(read: Sequence[RunRow], selection: Selection) -> None:
    """Draw the table, and above it what can be done about none of its rows. read: rows that have been read already."""
    chosen, runs = (selection.run, selection.beside), run_list.listing().runs
    archived = sum(one.note.archived for one in runs)
    with st.container(key="runs_head", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**Runs**", width="stretch")
        with_archive = archived > 0 and st.toggle(f"{count(archived)} archived", key=_ARCHIVE)
        trainings.draw_new(runs_root())
    trainings.draw_news(runs_root())
    if problem := st.session_state.get(_PROBLEM):
        st.error(escape_markdown(problem), icon=":material/error:")
    listed = [one for one in runs if with_archive or not one.note.archived or one.name in chosen]
    _draw_table(_in_order(listed, selection.runs_order), read, selection)
    _draw_form()


def _draw_table(listed: Sequence[Listed], read: Sequence[RunRow], selection: Selection) -> None:
    most = st.session_state.get(_SHOWN, MOST_ROWS)
    shown = [one for place, one in enumerate(listed) if place < most or one.name in (selection.run, selection.beside)]
    rows = read_rows(shown, {row.name: row for row in read})
    settings = differing_settings([row.record for row in rows if row.record and not row.record.foreign])
    if (sorted_by := (selection.runs_order or "").removeprefix("-")) in SETTINGS and sorted_by not in settings:
        settings.append(sorted_by)
    names = COLUMNS | {name: SETTINGS[name] for name in settings}
    columns = [
        Column(name, words, _KINDS.get(name, "text" if name in SETTINGS else "")) for name, words in names.items()
    ]
    rest = len(listed) - len(rows)
    draw_run_rows(
        [_row(row, one, tuple(names)[2:], selection) for row, one in zip(rows, shown, strict=True)],
        columns,
        key=_TABLE,
        order=selection.runs_order,
        on_act=_take,
        foot=f"{count(len(rows))} of {counted(len(listed), 'run')}" if rest else "",
        more=f"Show {count(min(MOST_ROWS, rest))} more" if rest else "",
    )


_KINDS = {"run": "run", "state": "state", "model": "text", "data": "text"}


def _in_order(listed: Sequence[Listed], order: str | None) -> Sequence[Listed]:
    """Sort all runs; by figures, each is read once, and again while it may change."""
    if order is None:
        return listed
    titles, states = run_list.titles(), list(STATE_WORDS)

    def value(one: Listed, column: str) -> Any:
        if column == "run":
            return titles[one.name]
        if column == "state":
            return states.index(one.state)
        if column == "date":
            return made_at(one.created)
        return (_kept_values if one.state == "complete" else _values)(one).get(column)

    return in_order(listed, order, value)


def _values(one: Listed) -> Mapping[str, Any]:
    (row,) = read_rows([one], {}, is_kept=False)
    return values(row.record, row.metrics, row.accuracy)


_kept_values = lru_cache(4096)(_values)


def _row(row: RunRow, one: Listed, columns: Sequence[str], selection: Selection) -> Row:
    found = values(row.record, row.metrics, row.accuracy)
    what_is = " ".join(dict.fromkeys(filter(None, (row.status.reason, row.problem, sources(row.record)))))
    control, why_not = ("", "") if row.status.state in ("complete", "damaged") else trainings.control(row.run)
    date = found.get("date")
    return Row(
        name=row.name,
        title=row.title,
        colour=row.colour,
        place="A" if row.name == selection.run else "B" if row.name == selection.beside else "",
        left_out="archived" if one.note.archived else "hidden" if one.note.hidden else "",
        notes=tuple(filter(None, (row.note, what_is))),
        state=row.status.state,
        words=state_words(row),
        control=control,
        why_not=why_not,
        has_mistakes=row.status.state == "complete" and row.record is not None and not row.record.curves_only,
        menu=() if is_read_only() else _menu(one),
        cells=texts(found, columns),
        date=None if date is None else round(1000 * date),
    )


def _menu(one: Listed) -> tuple[tuple[str, str], ...]:
    return (
        ("rename", "Rename, note …"),
        ("duplicate", "Duplicate with changes …"),
        ("hide", "Show in charts and pickers" if one.note.hidden else "Hide from charts and pickers"),
        ("archive", "Take out of the archive" if one.note.archived else "Archive"),
    )


def _take() -> None:
    """Do what was clicked, as the browser names it; a name that is none does nothing."""
    event = st.session_state[_TABLE].act
    does, name = (str(event.get(key)) for key in ("does", "run")) if isinstance(event, dict) else ("", "")
    st.session_state.pop(_PROBLEM, None)
    if does == "sort" and name in COLUMNS | SETTINGS:
        change_selection(runs_order=next_order(read_selection()[0].runs_order, name))
    elif does == "more":
        st.session_state[_SHOWN] = st.session_state.get(_SHOWN, MOST_ROWS) + MOST_ROWS
    elif does in _ACTS and (run := run_list.find_run(name)):
        st.session_state[_PROBLEM] = act(does, run)


def act(does: str, run: Run) -> str:
    """Do one of `_ACTS` to a run; return why it could not be done, else nothing."""
    try:
        _ACTS[does](run)
    except (RunError, NotPermitted, DataError) as error:
        return str(error)
    return ""


def _choose(run: Run) -> None:
    if handed_on_selection().run != run.name:
        choose_run(run.name)


def _pin(run: Run) -> None:
    pin_run(None if handed_on_selection().beside == run.name else run.name)


def _open_mistakes(run: Run) -> None:
    _choose(run)
    st.session_state[CLICK] = run.name, None


def _open_form(what: str, run: Run) -> None:
    trainings.forget_problem(duplicate.FORM)
    st.session_state[_FORM] = what, run.name


_ACTS: dict[str, Callable[[Run], None]] = {
    "choose": _choose,
    "pin": _pin,
    "mistakes": _open_mistakes,
    "stop": trainings.stop,
    "cancel": trainings.stop,
    "resume": trainings.resume,
    "rename": partial(_open_form, "rename"),
    "duplicate": partial(_open_form, "duplicate"),
    "hide": notes.hide,
    "archive": notes.archive,
}


def _draw_form() -> None:
    """Draw the form that is open over the page, if any; it is closed once it has acted."""
    what, name = st.session_state.get(_FORM, ("", ""))
    run = run_list.find_run(name)
    if what not in _TITLES or run is None or is_read_only():
        return
    close = partial(st.session_state.pop, _FORM, None)

    def draw() -> None:
        st.caption(escape_markdown(run_list.title(run)))
        if {"rename": notes.draw_note_form, "duplicate": duplicate.draw_duplicate_form}[what](run):
            close()
            st.rerun()

    st.dialog(_TITLES[what], width="medium" if what == "duplicate" else "small", on_dismiss=close)(draw)()
