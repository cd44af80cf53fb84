"""Runs in a folder, and in folders of experiments in it: found, named by their path, grouped, newest first."""

import json
import os
import shutil

import pytest

from sightline.run_store import listing
from sightline.run_store.listing import RunFinder
from sightline.run_store.run import list_runs


@pytest.fixture
def root(fabricated, tmp_path):
    """Make runs by name and time: root("exp/seed0", "2026-01-01")."""

    def make(name, created):
        path = tmp_path / "runs" / name
        path.mkdir(parents=True)
        record = json.loads((fabricated / "run.json").read_text()) | {"created": created}
        (path / "run.json").write_text(json.dumps(record))
        return path

    make.path = tmp_path / "runs"
    return make


def names(path):
    return [run.name for run in list_runs(path)]


def test_runs_of_an_experiment_are_named_by_their_path_and_stand_together_where_the_newest_stands(root):
    ages = {"a": "03", "exp/0": "01", "exp/1": "04", "exp/deep/er": "02", "b": "05", "exp/2": "00"}
    for name, created in ages.items():
        root(name, created)
    assert names(root.path) == ["b", "exp/1", "exp/0", "exp/2", "a", "exp/deep/er"]
    assert [run.path for run in list_runs(root.path)][1] == root.path / "exp" / "1"


def test_what_lies_in_a_run_in_a_hidden_folder_or_too_deep_is_no_run_of_the_list(root):
    root("run", "01")
    root("run/copy", "02")
    root(".trash/run", "03")
    root("a/b/c/run", "04")
    root("a/b/c/d/run", "05")
    assert names(root.path) == ["a/b/c/run", "run"]


def test_a_link_to_a_run_and_to_an_experiment_is_followed_and_one_that_leads_back_is_not(root, tmp_path):
    run = root("exp/run", "01")
    (root.path / "linked").symlink_to(run)
    (root.path / "other").symlink_to(shutil.copytree(root.path / "exp", tmp_path / "elsewhere"))
    (root.path / "exp" / "back").symlink_to(root.path)
    assert sorted(names(root.path)) == ["exp/run", "linked", "other/run"]


def test_links_below_the_root_are_not_followed_as_they_come_with_a_strangers_files(root, tmp_path):
    root("exp/run", "01")
    (tmp_path / "private").mkdir()
    shutil.copytree(root.path / "exp" / "run", tmp_path / "private" / "run")
    for name, target in {"seen": tmp_path / "private" / "run", "all": tmp_path, "twin": "run"}.items():
        (root.path / "exp" / name).symlink_to(target)
    assert names(root.path) == ["exp/run"]


@pytest.mark.parametrize("target", ["odd", "n" * 300, "run/run.json/x"], ids=["itself", "too long", "through a file"])
def test_a_link_that_leads_nowhere_hides_no_run(root, target):
    root("run", "01")
    (root.path / "odd").symlink_to(target)
    assert names(root.path) == ["run"]


def test_a_folder_of_very_many_folders_hides_no_run_of_another(root, monkeypatch):
    monkeypatch.setattr(listing, "MOST_IN_ONE", 20)
    monkeypatch.setattr(listing, "MOST_FOLDERS", 100)
    for number in range(200):
        (root.path / "hostile" / str(number)).mkdir(parents=True)
    expected = {f"exp{number}/run" for number in range(20)}
    for name in expected:
        root(name, "01")
    assert set(names(root.path)) == expected


def test_a_disk_of_other_folders_is_not_walked_for_ever(root, monkeypatch):
    monkeypatch.setattr(listing, "MOST_FOLDERS", 10)
    for number in range(20):
        (root.path / f"photos {number}" / "more").mkdir(parents=True)
    root("run", "01")
    assert "run" in names(root.path)


def later(*folders):
    """Let folders look as if they had changed long ago, but each at another time."""
    for place, folder in enumerate(folders):
        os.utime(folder, (place, place))


def test_runs_that_come_and_go_are_seen_and_the_rest_is_not_looked_for_again(root, monkeypatch):
    first, second = root("exp/0", "01"), root("1", "02")
    (root.path / "empty").mkdir()
    finder = RunFinder(root.path)
    later(root.path, root.path / "exp", root.path / "empty")
    before = finder.look()
    with monkeypatch.context() as patch:
        patch.setattr(listing, "_folders", lambda folder: pytest.fail(f"{folder} has not changed"))
        assert finder.look() is before
    (root.path / "empty" / "run.json").write_text("{}")  # a run may get its record a moment after its folder
    assert {found.name for found in finder.look()} == {"exp/0", "1", "empty"}
    shutil.rmtree(second)
    assert {found.name for found in finder.look()} == {"exp/0", "empty"}
    (first / "run.json").unlink()
    finder.forget(str(first))
    assert {found.name for found in finder.look()} == {"empty"}
