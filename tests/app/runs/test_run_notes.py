"""What people say about runs, through AppTest: names, notes, runs that are hidden or archived, and the form."""

import json
import shutil

import pytest

from sightline.app.elements.introduction import COOKIE
from sightline.app.runs import run_list
from sightline.app.views.curves import run_panel
from sightline.run_store.run import Run
from tests.app_pages import charts_of, checked, curves_of, open_page, rows_of


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


def open_curves(form=None, **query):
    state = {"curves_runs": True} | ({"runs_table_form": form} if form else {})
    return open_page(state=state, **query)


def act(does, run):
    return run_panel.act(does, Run(run, run.name))


def test_a_run_is_shown_by_the_name_that_people_gave_it(runs):
    app = open_curves()
    assert "<b>bold</b>" in [run["title"] for run in curves_of(app)["runs"]]  # which the browser writes as text
    row = rows_of(app)["b"]
    assert row["title"] == "<b>bold</b>" and row["notes"] == ["tried <i>twice</i>"]
    assert sorted(app.selectbox(key="shell_run").options) == ["<b>bold</b>", "a"]
    assert open_curves(run="a").selectbox(key="shell_run").select("b").run().query_params["run"] == "b"


def test_two_runs_of_the_same_name_are_told_apart(runs):
    for name in "ab":
        say(runs / name, name="  best\nrun ")
    assert sorted(open_curves().selectbox(key="shell_run").options) == ["best run (a)", "best run (b)"]


def test_a_hidden_run_is_out_of_charts_and_pickers_and_stays_in_the_table(runs):
    app = open_curves()
    assert app.multiselect(key="curves_shown").options == ["<b>bold</b>", "a"]
    assert sorted(app.selectbox(key="shell_run").options) == ["<b>bold</b>", "a"]
    assert {name: row["left_out"] for name, row in rows_of(app).items()} == {"a": "", "b": "", "c": "hidden"}
    assert act("hide", runs / "c") == ""
    assert len(open_curves().multiselect(key="curves_shown").options) == 3
    assert not (runs / "c" / "note.json").exists()


def test_an_archived_run_is_out_of_the_table_too_until_somebody_asks_and_nothing_of_it_is_lost(runs):
    before = {file.name: file.read_bytes() for file in (runs / "b").iterdir()}
    assert act("archive", runs / "b") == ""
    app = open_curves()
    assert sorted(rows_of(app)) == ["a", "c"] and app.multiselect(key="curves_shown").options == ["a"]
    assert app.toggle(key="curves_archive").label == "1 archived"
    app.toggle(key="curves_archive").set_value(True).run()
    row = rows_of(app)["b"]
    assert row["left_out"] == "archived" and ["archive", "Take out of the archive"] in row["menu"]
    assert act("archive", runs / "b") == ""
    app = open_curves()
    assert sorted(rows_of(app)) == ["a", "b", "c"] and "curves_archive" not in [toggle.key for toggle in app.toggle]
    after = {file.name: file.read_bytes() for file in (runs / "b").iterdir()}
    note = json.loads(after.pop("note.json"))
    assert note == json.loads(before.pop("note.json")) | {"hidden": False, "archived": False} and after == before


@pytest.mark.parametrize("kind", ["hidden", "archived"])
def test_a_run_that_is_left_out_opens_by_its_address(runs, kind):
    say(runs / "c", **{kind: True})
    app = open_curves(run="c")
    assert app.selectbox(key="shell_run").value == "c" and not app.warning and "c" in rows_of(app)


def test_runs_that_are_left_out_open_where_there_are_no_others(runs):
    for name in "abc":
        say(runs / name, hidden=True)
    assert len(charts_of(open_curves())) == 2


def test_one_of_many_runs_is_out_of_the_lists_at_once(runs, monkeypatch):
    """Of many runs, each look at the folder asks a few only, in turn, whether their files have changed."""
    monkeypatch.setattr("sightline.app.runs.look.LOOKED_AT", 1)
    assert len(run_list.look().shown) == 2
    for name in "ab":
        assert act("hide", runs / name) == ""
        assert run_list.look().by_name[name].note.hidden


def test_a_damaged_note_is_named_in_the_table_and_cannot_be_overwritten(runs):
    (runs / "a" / "note.json").write_text("{")
    app = open_curves(("rename", "a"))
    assert "Run a: note.json is not valid JSON. Mend or remove it." in rows_of(app)["a"]["notes"]
    assert r"note\.json is not valid JSON" in app.error[0].value and not app.text_input
    for does in ("hide", "archive"):
        assert "note.json is not valid JSON" in act(does, runs / "a")
    assert (runs / "a" / "note.json").read_text() == "{"


def test_the_form_writes_what_was_typed_and_closes(runs):
    say(runs / "c", hidden=True, text="old")
    app = open_curves(("rename", "c"))
    app.text_input[0].set_value(" the  best ")
    app.text_area[0].set_value("seed 3")
    checked(app.button(key="FormSubmitter:note_c-Save").click().run())
    note = {"name": "the best", "text": "seed 3", "hidden": True, "archived": False}
    assert json.loads((runs / "c" / "note.json").read_text()) == note
    assert rows_of(app)["c"]["title"] == "the best" and rows_of(app)["c"]["notes"] == ["seed 3"]
    assert not app.text_area


def test_what_cannot_be_written_is_said(runs, monkeypatch):
    app = open_curves(("rename", "a"))
    app.text_input[0].set_value("x")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    checked(app.button(key="FormSubmitter:note_a-Save").click().run())
    assert r"The note of run a cannot be written \(Permission denied\)" in app.error[0].value
    assert "The note of run a cannot be written (Permission denied)" in act("archive", runs / "a")
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
