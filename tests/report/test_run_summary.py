"""What a notebook shows of a run: a few lines that hold no script, whatever the run is."""

import json
import shutil

import pytest

import sightline
from sightline.run_store.run import Run
from tests.report.test_of_run import Parsed

LINES = {
    "Accuracy": "75.0 % of 12 test images (95 % interval 46.8–91.1 %)",  # Wilson's, by hand: 9 of 12
    "Mistakes": "3",
    "Epochs": "20; test accuracy in the last 76.5 %",  # fabricated as 0.8 − 0.7 / 20
    "Data": "fabricated, 3 classes",
    "Model": "resnet18_narrow, 700\u202f000 parameters",
}


@pytest.fixture
def copied(fabricated, tmp_path):
    return shutil.copytree(fabricated, tmp_path / "pets")


def change(run, **fields):
    file = run / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_a_run_is_told_in_a_few_lines(copied):
    found = sightline.run_summary(Run(copied))
    assert (found.title, found.state, dict(found.lines), found.problems) == ("pets", "complete", LINES, ())
    shown = Run(copied)._repr_html_()
    texts = [text.strip() for text in Parsed(shown).texts]
    assert [text for line in LINES.items() for text in line] == [text for text in texts if text][2:]
    assert len(shown) < 1500 and repr(Run(copied)) == f"Run(path={copied!r}, name='pets', epoch=None)"


def test_where_its_data_lay_is_nobody_elses_business(copied):
    change(copied, dataset="folder:/home/somebody/pets")
    assert dict(sightline.run_summary(Run(copied)).lines)["Data"] == "folder:pets, 3 classes"


def test_it_has_the_name_that_people_gave_it_and_the_epoch(copied):
    (copied / "note.json").write_text(json.dumps({"name": "The best one"}))
    assert sightline.run_summary(Run(copied, epoch=3)).title == "The best one after epoch 3"


def test_a_run_that_goes_on_tells_its_last_epoch(copied):
    (copied / "predictions.parquet").unlink()
    change(copied, state="running", recipe={"epochs": 30})
    found = sightline.run_summary(Run(copied))
    assert found.state == "interrupted" and found.problems == ()
    assert dict(found.lines)["Epochs"] == "20 of 30; test accuracy in the last 76.5 %"
    assert not {"Accuracy", "Mistakes"} & dict(found.lines).keys()


@pytest.mark.parametrize("name", ["run.json", "predictions.parquet", "metrics.csv", "images.npy", "note.json"])
def test_a_damaged_run_says_so(copied, name):
    (copied / name).write_bytes(b"\x00 nonsense")
    found = sightline.run_summary(Run(copied))
    shown = Run(copied)._repr_html_()
    assert any(name in problem for problem in found.problems) == (name != "note.json")  # which costs the run nothing
    assert all(problem.split(":")[0] in shown for problem in found.problems)
    assert (found.state == "damaged") == (name not in ("note.json", "metrics.csv"))
    if name == "metrics.csv":
        assert dict(found.lines).items() == {name: words for name, words in LINES.items() if name != "Epochs"}.items()


def test_where_there_is_no_run_that_is_said(tmp_path):
    shown = Run(tmp_path / "none")._repr_html_()
    assert f"There is no run in {tmp_path / 'none'}." in shown
    assert "There is no run" in Run(tmp_path / "n\0ne")._repr_html_()


def test_a_hostile_run_is_text(copied):
    hostile = '</td><script>alert(1)</script><img src=x onerror="alert(2)">{{ 7 * 7 }}'
    change(copied, model=hostile, dataset=hostile + 4000 * "x", class_names=[hostile, "dog", "owl"])
    (copied / "note.json").write_text(json.dumps({"name": hostile}))
    shown = Run(copied)._repr_html_()
    assert {tag for tag, _ in Parsed(shown).elements} == {"p", "strong", "bdi", "table", "tr", "th", "td"}
    assert hostile in " ".join(Parsed(shown).texts) and len(shown) < 3000


def test_a_name_that_is_no_text_is_shown(copied):
    named = copied.rename(copied.parent / "b\udcffd")
    Run(named)._repr_html_().encode()
