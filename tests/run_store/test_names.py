"""Names of runs: what they may hold, and that nothing is written under another."""

from pathlib import Path

import pytest

from sightline.run_store.files import safe_name
from sightline.run_store.names import check_folder_name, check_text
from sightline.run_store.note import RunNote, write_note
from sightline.run_store.record import RunError
from tests.fabricated import fabricate_run


@pytest.mark.parametrize("name", ["run 1", "Größe", "😀👩‍👧", "نام", "می‌خواهم", "a" * 255, "é" * 127, "=1+1", "-run"])
def test_names_in_any_language_are_taken(name):
    check_folder_name(name)


@pytest.mark.parametrize(
    ("name", "says"),
    [("a\0b", "U+0000"), ("a\nb", "U+000A"), ("\x7f", "U+007F"), ("a\x9bb", "U+009B"), ("a\u2028b", "U+2028"),
     ("a\u202eb", "U+202E"), ("a\u200fb", "U+200F"), ("\u2067a", "U+2067"), ("a\udcffb", "U+DCFF"),
     ("😀" * 64, "256 bytes")],
)  # fmt: skip
def test_a_run_is_not_written_under_a_name_that_does_something(tmp_path, name, says):
    with pytest.raises(RunError, match=says.replace("+", r"\+")):
        fabricate_run(tmp_path / name, 4)
    assert not list(tmp_path.iterdir())


def test_a_note_may_have_lines_and_no_other_invisible_characters(tmp_path):
    write_note(tmp_path, RunNote("name", "two\r\nlines\tand more"))
    for note in (RunNote("a\0b"), RunNote("a\nb"), RunNote("", "a\u202eb")):
        with pytest.raises(RunError, match="holds the invisible character U\\+"):
            write_note(tmp_path, note)
    assert "lines" in (tmp_path / "note.json").read_text()


def test_what_is_allowed_is_said_with_what_it_is():
    check_text("a\nb", "It", allowed="\n")
    with pytest.raises(RunError, match="It holds"):
        check_text("a\nb", "It")
    check_folder_name(Path("runs/x").name)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["😀" * 90 + "a" * 300], "a" * 200),
        (["é" * 300], "é" * 100),
        (["aé" * 100], "aé" * 66 + "a"),
        (["a/b", "c\0"], "a-b_c"),
    ],
)
def test_the_name_of_a_download_fits_into_a_folder(words, name):
    assert safe_name(*words) == name
