"""The list of runs: what a look reads, and what it takes for granted where there are many."""

import os
import shutil

import pytest

from sightline.app.runs import look, run_list
from sightline.run_store.files import is_locked
from sightline.run_store.note import RunNote, write_note
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from tests.app_pages import checked, edit_record, open_page, rows_of, table_of

MANY = 8


@pytest.fixture
def runs(tmp_path, monkeypatch, fabricated):
    """Eight runs, run-7 the newest; two are read fully, and the files of two are looked at, in turn."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(look, "FULLY_READ", 2)
    monkeypatch.setattr(look, "LOOKED_AT", 2)
    for number in range(MANY):
        path = shutil.copytree(fabricated, tmp_path / "runs" / f"run-{number}")
        edit_record(path, created=f"2026-01-0{number + 1}T00:00:00Z")
    return tmp_path / "runs"


def states():
    return {listed.name: listed.state for listed in run_list.look().runs}


def test_nothing_is_made_anew_while_nothing_changes(runs):
    first = run_list.look()
    assert all(run_list.look() is first for _ in range(2 * MANY))
    assert [listed.name for listed in first.runs] == [f"run-{number}" for number in reversed(range(MANY))]


def test_a_change_inside_a_run_is_seen_after_each_had_its_turn_and_only_that_run_is_read_again(runs):
    before = run_list.look().by_name
    write_note(runs / "run-3", RunNote(name="The best"))
    turns = MANY // 2 + 1
    for _ in range(turns):
        after = run_list.look().by_name
    assert run_list.titles()["run-3"] == "The best"
    assert [name for name in after if after[name] is not before[name]] == ["run-3"]


def test_a_run_that_is_not_complete_is_looked_at_every_time(runs):
    (runs / "run-0" / "predictions.parquet").unlink()
    edit_record(runs / "run-0", state="running")
    fresh = runs / "training"
    shutil.copytree(runs / "run-0", fresh)
    assert states()["training"] == "interrupted"
    with RunWriter.reopen(fresh, Run(fresh).record):
        assert is_locked(fresh) and states()["training"] == "running"
    assert states()["training"] == "interrupted"


def test_of_many_runs_the_newest_are_read_and_of_the_others_the_one_that_is_opened(runs):
    for name in ("run-7", "run-6", "run-5"):
        (runs / name / "predictions.parquet").write_bytes(b"no table")
    assert [name for name, state in states().items() if state == "damaged"] == ["run-7", "run-6"]
    app = open_page("mistakes", run="run-5")
    assert "predictions.parquet cannot be read" in "".join(app.markdown[-1].value).replace("\\", "")


def test_a_run_that_goes_and_one_that_comes_are_seen_at_once(runs):
    run_list.look()
    shutil.rmtree(runs / "run-4")
    os.replace(runs / "run-2", runs / "exp")
    assert "run-4" not in states() and {"exp"} <= states().keys() and "run-2" not in states()


def test_a_run_that_loses_its_record_is_no_run(runs):
    run_list.look()
    (runs / "run-4" / "run.json").unlink()
    for _ in range(MANY):
        run_list.look()
    assert "run-4" not in states()


def test_a_nested_run_is_chosen_by_its_path_and_its_thumbnails_have_an_address(runs, fabricated):
    shutil.copytree(fabricated, runs / "exp 1" / "seed0")
    app = open_page("mistakes", run="exp 1/seed0")
    assert app.selectbox(key="shell_run").value == "exp 1/seed0" and not app.warning
    gallery = next(one.proto for one in app.get("bidi_component") if "gallery" in one.proto.component_name)
    assert "/app/static/thumb/exp%201%2Fseed0/" in (gallery.json or gallery.mixed.json)


def test_the_table_shows_the_first_runs_of_its_order_and_the_chosen_one_and_can_show_more(runs, monkeypatch):
    monkeypatch.setattr("sightline.app.views.curves.run_panel.MOST_ROWS", 3)
    app = open_page("curves", run="run-1", runs=["run-0"])
    assert list(rows_of(app)) == ["run-7", "run-6", "run-5", "run-1"]
    assert table_of(app)["foot"] == "4 of 8 runs" and table_of(app)["more"] == "Show 3 more"
    app.session_state["runs_table_rows"] = 6
    assert list(rows_of(checked(app.run()))) == ["run-7", "run-6", "run-5", "run-4", "run-3", "run-2", "run-1"]
    app = open_page("curves", run="run-1", sort="run")
    assert list(rows_of(app)) == ["run-0", "run-1", "run-2"] and table_of(app)["order"] == "run"
