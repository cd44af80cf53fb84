"""What people say about runs, through AppTest: names, notes, hidden runs, and the editor."""

import json
import re
import shutil

import pytest

from sightline.app.elements.introduction import COOKIE
from tests.app_pages import charts_of, checked, curves_of, open_page


@pytest.fixture
def runs(tmp_path, monkeypatch, fabricated):
    """Complete runs a, b and c of one test split; b is called <b>bold</b>, c is hidden."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    for name in "abc":
        shutil.copytree(fabricated, tmp_path / "runs" / name)
    say(tmp_path / "runs" / "b", name="<b>bold</b>", text="tried <i>twice</i>")
    say(tmp_path / "runs" / "c", hidden=True)
    return tmp_path / "runs"


def say(run, **note):
    (run / "note.json").write_text(json.dumps(note))


def open_curves(editor=False, **query):
    return open_page(state={"notes": editor, "curves_runs": True}, **query)


def html_of(app, name):
    (body,) = (
        element.proto.body for element in app.get("html") if f'class="{name}"' in element.proto.body.replace("'", '"')
    )
    return body


def listed(app):
    """The names in the table, as they are written there."""
    return [re.sub(r"<.*?>", "", name) for name in re.findall(r"<th scope='row'>(.*?)</th>", html_of(app, "run-table"))]


def test_a_run_is_shown_by_the_name_that_people_gave_it(runs):
    app = open_curves()
    assert "<b>bold</b>" in [run["title"] for run in curves_of(app)["runs"]]  # which the browser writes as text
    assert "tried &lt;i&gt;twice&lt;/i&gt;" in html_of(app, "run-table")
    assert sorted(app.selectbox(key="shell_run").options) == ["<b>bold</b>", "a"]
    assert open_curves(run="a").selectbox(key="shell_run").select("b").run().query_params["run"] == "b"


def test_two_runs_of_the_same_name_are_told_apart(runs):
    for name in "ab":
        say(runs / name, name="  best\nrun ")
    assert sorted(open_curves().selectbox(key="shell_run").options) == ["best run (a)", "best run (b)"]


def test_a_hidden_run_is_in_no_list_until_somebody_asks(runs):
    app = open_curves()
    assert len(listed(app)) == 2 and app.multiselect(key="curves_shown").options == ["<b>bold</b>", "a"]
    app.toggle(key="curves_hidden").set_value(True).run()
    assert len(listed(app)) == 3 and app.toggle(key="curves_hidden").label == "1 hidden"


def test_a_hidden_run_opens_by_its_address(runs):
    app = open_curves(run="c")
    assert app.selectbox(key="shell_run").value == "c" and not app.warning


def test_hidden_runs_open_where_there_are_no_others(runs):
    for name in "abc":
        say(runs / name, hidden=True)
    assert len(charts_of(open_curves())) == 2


def test_a_damaged_note_is_named_in_the_table_and_cannot_be_overwritten(runs):
    (runs / "a" / "note.json").write_text("{")
    app = open_curves(editor=True)
    app.selectbox(key="notes_run").select("a").run()
    assert "Run a: note.json is not valid JSON. Mend or remove it." in html_of(app, "run-table")
    assert r"note\.json is not valid JSON" in app.error[0].value and not app.text_input
    assert (runs / "a" / "note.json").read_text() == "{"


def test_the_editor_writes_what_was_typed(runs):
    app = open_curves(editor=True)
    app.selectbox(key="notes_run").select("a").run()
    app.text_input[0].set_value(" the  best ")
    app.text_area[0].set_value("seed 3")
    checked(app.button(key="FormSubmitter:note_a-Save").click().run())
    assert json.loads((runs / "a" / "note.json").read_text()) == {"name": "the best", "text": "seed 3", "hidden": False}
    assert "the best" in app.selectbox(key="shell_run").options and "seed 3" in html_of(app, "run-table")


def test_what_cannot_be_written_is_said(runs, monkeypatch):
    app = open_curves(editor=True)
    app.selectbox(key="notes_run").select("a").run()
    app.text_input[0].set_value("x")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    checked(app.button(key="FormSubmitter:note_a-Save").click().run())
    assert r"The note of run a cannot be written \(Permission denied\)" in app.error[0].value
    assert sorted(file.name for file in (runs / "a").iterdir()) == sorted(
        file.name for file in (runs / "c").iterdir() if file.name != "note.json"
    )


def test_the_introduction_stays_away_once_it_is_dismissed(runs):
    app = open_curves()
    assert introduction_of(app)
    app.session_state[COOKIE] = True
    assert not introduction_of(app.run())


def introduction_of(app):
    return [element for element in app.get("bidi_component") if "introduction" in element.proto.component_name]
