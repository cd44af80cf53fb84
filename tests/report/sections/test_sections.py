"""What the sections of a report read from a run: of a run whose figures are known."""

import importlib.metadata
import math
import re
import shutil
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sightline.report.address.typed import AskedError
from sightline.report.asked import ask
from sightline.report.page import SECTIONS, make_report
from sightline.report.sections.calibration import calibration
from sightline.report.sections.classes import classes
from sightline.report.sections.curves import MOST_EPOCHS, curves
from sightline.report.sections.images import images
from sightline.report.sections.origin import origin, without_folders
from sightline.report.sections.summary import summary
from sightline.run_store import files
from sightline.run_store.hashes import weights_hash
from sightline.run_store.note import RunNote, write_note
from sightline.run_store.run import Run
from tests.app_pages import edit_predicted, edit_record
from tests.fabricated import fabricate_run
from tests.histories import keep_history
from tests.odd_runs import make_odd_run
from tests.written_patterns import FIRST, write


@pytest.fixture
def run(tmp_path, fabricated):
    """A copy of the run of 12 images, of which 0, 5 and 10 are wrong."""
    return Run(shutil.copytree(fabricated, tmp_path / "run"))


def test_the_summary_says_accuracy_mistakes_confusion_gap_and_pattern(run):
    write(run, FIRST)
    (found,) = summary(ask(run))["runs"]
    said = " ".join(found.sentences)
    assert found.figures[:2] == (("75.0 %", "right (46.8–91.1 %)"), ("3", "mistakes in 12 test images"))
    assert "**75.0 %** of 12 test images are right (46.8–91.1 %); 3 mistakes." in said
    assert "Among the most confused: **cat** taken for **dog**" in said
    assert "of 3 mistakes is an image taken for" in said
    assert "On average **" in said and "Pattern 1: " in said
    assert "**19.5 points** lie between" in said  # 96 % on training images; of 76.5 % of 12 the interval ends at 91 %


def test_a_damaged_file_costs_the_summary_its_own_sentence_alone(run):
    whole = summary(ask(run))["runs"][0].sentences
    (run.path / files.METRICS).write_text("no metrics")
    (run.path / files.PATTERNS).write_text("no patterns")
    damaged = summary(ask(Run(run.path)))["runs"][0].sentences
    assert {*damaged} <= {*whole} and len(damaged) >= 3


def test_of_two_runs_each_has_its_figures_and_it_is_said_which_is_better(run, tmp_path):
    other = Run(shutil.copytree(run.path, tmp_path / "other"))
    edit_predicted(other.path, {0: 0})
    found = summary(ask(run, other))
    a, b = found["runs"]
    assert found["verdict"].startswith("**run** is right on 75.0 %, **other** on 83.3 %: 8.3 points less.")
    assert "McNemar's exact test, p = 1.000" in found["verdict"]  # one image, of which either could have been right
    assert (a.figures[1][0], b.figures[1][0]) == ("3", "2")
    assert (a.shown.title, b.shown.title) == ("run", "other")


def test_classes_are_listed_worst_first_with_wilsons_interval_and_what_they_are_taken_for(run):
    found = classes(ask(run))
    # 0 is a cat, 5 an owl, 10 a dog: three of four images of each class are right
    assert [(row.name, row.right, row.images, interval) for row, _, interval in found["rows"]] == [
        (name, 3, 4, "30.1–95.4 %") for name in ("cat", "dog", "owl")
    ]
    assert [pair[:3] for pair in found["pairs"]] == [("cat", "dog", 1), ("dog", "owl", 1), ("owl", "cat", 1)]
    assert found["matrix"]["names"] == ("cat", "dog", "owl") and not found["matrix"]["leads"]


def test_of_more_classes_than_a_matrix_can_show_pairs_alone_are_listed(tmp_path):
    make_odd_run(tmp_path / "run", "a thousand classes", with_model=False)
    found = classes(ask(Run(tmp_path / "run")))
    assert found["matrix"] is None and found["rows"] == [] and len(found["pairs"]) == 20


def test_the_calibration_is_of_all_classes_and_confidences_whatever_the_set_is(run):
    (whole,) = calibration(ask(run))["runs"]
    (asked,) = calibration(ask(run, query="true=cat&predicted=dog&range=confidence:0.9.."))["runs"]
    assert whole.chart == asked.chart and "Of 12 images, right or wrong." in whole.words


def test_a_long_training_is_listed_in_a_hundred_of_its_epochs_with_the_first_and_the_last(run):
    lines = [f"{epoch},1,0.5,1,0.5,0.1,1" for epoch in range(1, 1001)]
    head = (run.path / files.METRICS).read_text().split("\n")[0]
    (run.path / files.METRICS).write_text("\n".join([head, *lines, ""]))
    table = curves(ask(run))["table"]
    assert table["head"] == ["epoch", "train loss", "test loss", "train accuracy", "test accuracy"]
    assert [table["rows"][place][0] for place in (0, -1)] == ["1", "1000"]
    assert len(table["rows"]) == MOST_EPOCHS and table["epochs"] == 1000
    assert table["rows"][0][1:] == ["1.000", "1.000", "50.0", "50.0"]


def test_a_checkout_that_nobody_installed_makes_reports_too(run, monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert origin(ask(run))["version"] == "from a checkout"


def test_after_an_epoch_no_hash_of_other_weights_is_named(run):
    keep_history(run.path)
    assert "weights (SHA-256)" in dict(origin(ask(run))["about"])
    assert "weights (SHA-256)" not in dict(origin(ask(replace(run, epoch=2)))["about"])


def test_an_order_that_the_run_does_not_know_is_neither_claimed_nor_taken(run):
    table = pq.read_table(run.path / files.PREDICTIONS)
    unknown = pa.array([math.nan] * len(table), pa.float32())
    table = table.set_column(table.column_names.index("confidence"), "confidence", unknown)
    pq.write_table(table, run.path / files.PREDICTIONS)
    assert "of the set, test order" in images(ask(run))["said"]
    with pytest.raises(AskedError, match="known of no image of the run. Under order may stand: .*test-order"):
        ask(run, query="order=learned-last-first")


def test_the_origin_names_weights_address_and_command_and_no_folder(run):
    edit_record(run.path, dataset="folder:/home/somebody/pets", recipe={"learning_rate": 0.05, "run": "/home/x/run"})
    found = origin(ask(Run(run.path), query="true=cat", command="sightline report --run runs/run"))
    about = dict(found["about"])
    assert about["weights (SHA-256)"] == [weights_hash(run)] and about["data"] == ["folder:pets"]
    assert found["settings"] == [("learning rate", ["0.05"])]
    assert found["address"] == "/mistakes?run=run&true=cat" and found["command"] == "sightline report --run runs/run"
    assert "/home/" not in str(found)


@pytest.mark.parametrize(
    ("dataset", "shown"),
    [
        ("folder:/home/me/pets/", "folder:pets"), ("folder:C:\\me\\pets", "folder:pets"), ("/data/x.csv", "x.csv"),
        ("folder:.data", "folder:.data"), ("hf:me/pets", "hf:me/pets"), ("", ""),
    ],
)  # fmt: skip
def test_of_where_a_data_set_lay_its_last_folder_alone_is_shown(dataset, shown):
    assert without_folders(dataset) == shown


def test_why_there_is_nothing_to_show_is_said_once(run):
    (run.path / files.PREDICTIONS).unlink()
    html = make_report(ask(Run(run.path))).html
    assert len(re.findall('<p class="why">Run run has lost', html)) == 1
    assert '<section id="origin"' in html and '<section id="classes"' not in html


def test_a_hostile_run_makes_texts(tmp_path):
    hostile = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    fabricate_run(tmp_path / "run", 12, (hostile, "{{ 7 * 7 }}", "javascript:alert(3)"))
    write_note(tmp_path / "run", RunNote(name=hostile, text=hostile))
    edit_record(
        tmp_path / "run", recipe={"learning_rate": hostile}, packages={hostile: hostile}, dataset=hostile,
        device=hostile, model=hostile, git_commit=hostile,
    )  # fmt: skip
    html = make_report(ask(Run(tmp_path / "run"), command=hostile)).html
    assert "<img src=x" not in html and "<script>alert" not in html and "49" not in re.findall("<h2.*", html)
    assert html.count("<script>") == 1 and html.count("</script>") == 1 + html.count('<script type="application/json">')


def test_every_section_has_a_template_and_a_name_of_its_own():
    names = [section.name for section in SECTIONS]
    assert len({*names}) == len(names) and {"summary", "curves", "classes", "calibration", "origin"} <= {*names}
    assert names[:2] == ["check", "summary"] and names[-1] == "origin"
