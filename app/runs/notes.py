"""Rename a run, say something about it, or leave it out of the lists."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import streamlit as st

from sightline.app.elements.popover import close_popover, draw_popover
from sightline.app.elements.text import escape_markdown
from sightline.app.permissions import check_writable, is_read_only
from sightline.app.runs import loaders
from sightline.run_store.note import MOST_NAME, MOST_TEXT, RunNote, write_note
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_NOTES, _RUN = "notes", "notes_run"


def draw_note_editor(runs: Sequence[Run], titles: Mapping[str, str]) -> None:
    """Draw the form that renames, annotates or hides a run; nothing where visitors only look.

    titles: of the runs, by name.
    """
    if is_read_only():
        return
    place = draw_popover("Rename, note, hide", _NOTES, icon=":material/edit:", type="tertiary", width=180)
    if not place.open:
        return
    with place:
        name = st.selectbox("Run", [run.name for run in runs], format_func=titles.__getitem__, key=_RUN)
        run = next(run for run in runs if run.name == name)
        try:
            _draw_form(run, loaders.note(run))
        except RunError as error:
            st.error(escape_markdown(str(error)))


def _draw_form(run: Run, note: RunNote) -> None:
    """Draw the form of one run. Raises RunError where the note cannot be written."""
    with st.form(f"note_{run.name}", border=False):
        name = st.text_input("Name", note.name, placeholder=run.name, max_chars=MOST_NAME)
        text = st.text_area("Note", note.text, max_chars=MOST_TEXT)
        hidden = st.checkbox("Leave it out of lists and charts", note.hidden)
        if st.form_submit_button("Save", type="primary"):
            save(run.path, RunNote(" ".join(name.split()), text.strip(), hidden))
            close_popover(_NOTES)
            st.rerun()


def save(path: Path, note: RunNote) -> None:
    """Write the note of the run at `path`. Raises RunError where it cannot be written, NotPermitted where none may."""
    check_writable()
    write_note(path, note)
