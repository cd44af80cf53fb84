"""note.json: what people say about a run."""

import pytest

from sightline.run_store.note import RunNote, write_note
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

NOTE = RunNote("Künstler 🎨", "two\nlines", hidden=True)


def test_a_note_survives_the_file_and_an_empty_one_leaves_none(tmp_path):
    assert Run(tmp_path).note() == RunNote()
    write_note(tmp_path, NOTE)
    assert Run(tmp_path).note() == NOTE
    write_note(tmp_path, RunNote())
    assert list(tmp_path.iterdir()) == []


def test_what_is_missing_is_empty_and_what_is_foreign_is_passed_over(tmp_path):
    (tmp_path / "note.json").write_text('{"hidden": true, "colour": "blue"}')
    assert Run(tmp_path).note() == RunNote(hidden=True)


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", "3", '{"name": 1}', '{"hidden": "yes"}', '{"text": null}', r'{"name": "\ud800"}']
)
def test_a_damaged_note_names_the_run_and_what_to_do(tmp_path, content):
    (tmp_path / "note.json").write_text(content)
    with pytest.raises(RunError, match=rf"Run {tmp_path.name}: note.json .*\. Mend or remove it\."):
        Run(tmp_path).note()


def test_where_nothing_can_be_written_a_sentence_says_so(tmp_path):
    with pytest.raises(RunError, match="The note of run gone cannot be written"):
        write_note(tmp_path / "gone", NOTE)
