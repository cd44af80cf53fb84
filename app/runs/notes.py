"""Rename a run, say something about it, hide it or archive it."""

from dataclasses import replace

import streamlit as st

from sightline.app.permissions import check_writable
from sightline.app.runs import loaders, run_list
from sightline.report.words.text import escape_markdown
from sightline.run_store.note import MOST_NAME, MOST_TEXT, RunNote, write_note
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def draw_note_form(run: Run) -> bool:
    """Draw the form that renames a run and says something about it; tell whether it was sent and written."""
    try:
        note = loaders.note(run)
        with st.form(f"note_{run.name}", border=False):
            name = st.text_input("Name", note.name, placeholder=run.name, max_chars=MOST_NAME)
            text = st.text_area("Note", note.text, max_chars=MOST_TEXT)
            if st.form_submit_button("Save", type="primary"):
                save(run, replace(note, name=" ".join(name.split()), text=text.strip()))
                return True
    except RunError as error:
        st.error(escape_markdown(str(error)))
    return False


def hide(run: Run) -> None:
    """Leave a run out of charts and pickers, or bring it back: its row stays in the table. Raises as `save`."""
    note = loaders.note(run)
    save(run, replace(note, hidden=not note.hidden))


def archive(run: Run) -> None:
    """Leave a run out of the table too, or bring it back; nothing is deleted or moved. Raises as `save`."""
    note = loaders.note(run)
    save(run, replace(note, archived=not note.archived))


def save(run: Run, note: RunNote) -> None:
    """Write the note of a run. Raises RunError where it cannot be written, NotPermitted where none may."""
    check_writable()
    write_note(run.path, note)
    run_list.expect_change(run.name)
