"""Calibration in Mistakes through AppTest: which images it is of, what it says, and what a threshold makes the set."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from sightline.app.elements.filters import in_words
from sightline.app.views.mistakes.calibration import chosen_of, range_of
from sightline.report.address.selection import Selection
from sightline.report.drawing.calibration_chart import bin_words, others_of
from sightline.report.words.calibration import error_words, says_words
from sightline.run_store.calibration import Bin, Calibration, Kept
from sightline.run_store.predictions import Filter, Range
from sightline.run_store.run import Run
from tests.app_pages import open_page

TABLE = {"mistakes_table": "Calibration"}


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(fabricated.parent))
    return Run(fabricated)


def calibration(confidence, right):
    return Calibration.of(np.array(confidence, np.float32), np.array(right, bool))


def chart_of(app: AppTest):
    found = [element.proto for element in app.get("bidi_component") if "calibration" in element.proto.component_name]
    return json.loads(found[0].json or found[0].mixed.json) if found else None


def said_by(app):
    return "\n".join(str(element.value) for kind in ("markdown", "caption") for element in app.get(kind))


def open_calibration(run, **query):
    return open_page("mistakes", TABLE, run=run.name, **query)


def test_it_is_of_all_images_right_or_wrong(run):
    app = open_calibration(run)
    chart, predictions = chart_of(app), run.predictions()
    assert sum(one["share"] for one in chart["bins"]) == pytest.approx(1)
    assert chart["points"][-1][:2] == [1, pytest.approx(predictions.accuracy)] and chart["points"][-1][3] == 0
    assert chart["chosen"] == len(chart["points"]) - 1 and chart["bin"] == -1
    assert "Of 12 images, right or wrong." in said_by(app)


def test_it_follows_every_filter_but_the_confidence_and_the_outcome(run):
    app = open_calibration(run, true="cat", show="right", range=["confidence:0.2..", "loss:..100"])
    assert "Of 4 images that pass the other filters, right or wrong." in said_by(app)
    selection = Selection(label="cat", columns=(("confidence", Range(0.2)), ("loss", Range(high=100))))
    assert others_of(run.predictions(), selection) == Filter("all", 0, None, (("loss", Range(high=100)),))


def test_a_threshold_in_the_address_is_marked_and_its_images_are_the_set(run):
    confidence = np.sort(run.predictions().column("confidence"))
    threshold = float(confidence[4:6].mean())
    app = open_calibration(run, show="all", range=f"confidence:..{threshold:.12g}")
    chart = chart_of(app)
    assert chart["points"][chart["chosen"]][3] == 5  # images up to it
    assert "**5**" in said_by(app)


@pytest.mark.parametrize("asked", [None, Range(0.2, 0.7), Range(0.2), Range(high=2.0)])
def test_what_is_no_threshold_or_keeps_nothing_marks_none(asked):
    assert chosen_of(calibration([0.2, 0.7], [1, 1]), asked) is None


def test_a_threshold_marks_what_it_keeps():
    assert chosen_of(calibration([0.2, 0.7], [1, 1]), Range(high=0.5)) == Kept(0.5, 1, 1, 1)


def test_a_click_on_a_bin_asks_for_its_images_and_for_no_others():
    apart = calibration([0.35, 0.45, 0.5], [1, 1, 0])
    assert range_of(apart, apart.bins[1]) == Range(0.4, 0.5)
    on_the_edge = calibration([0.4, 0.45], [1, 1])  # 0.4 belongs to the bin below
    asked = range_of(on_the_edge, on_the_edge.bins[1])
    assert asked == Range(0.45, 0.5)
    assert (on_the_edge.confidence >= asked.low).tolist() == [False, True]


def test_a_bin_whose_only_images_are_as_sure_as_its_end_can_be_chosen_and_is_marked(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path))
    file = shutil.copytree(fabricated, tmp_path / "run") / "predictions.parquet"
    table = pq.read_table(file)
    confidence = pa.array(np.resize(np.float32([0.5, 0.6]), len(table)))
    pq.write_table(table.set_column(table.column_names.index("confidence"), "confidence", confidence), file)
    app = open_calibration(Run(tmp_path / "run"), show="all", range="confidence:0.6..0.6")
    chart = chart_of(app)
    assert chart["bin"] == len(chart["bins"]) - 1 == 1


@pytest.mark.parametrize(
    "unknown, said",
    [(12, "How sure the model was is known of none of these images."),
     (2, "Of 10 images, right or wrong; of 2 others the confidence is not known.")],
)  # fmt: skip
def test_confidences_that_nobody_knows_are_said(tmp_path, monkeypatch, fabricated, unknown, said):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path))
    file = shutil.copytree(fabricated, tmp_path / "run") / "predictions.parquet"
    table = pq.read_table(file)
    confidence = table["confidence"].to_numpy().copy()
    confidence[:unknown] = np.nan
    column = table.column_names.index("confidence")
    pq.write_table(table.set_column(column, "confidence", pa.array(confidence)), file)
    app = open_calibration(Run(tmp_path / "run"))
    assert said in said_by(app) and (chart_of(app) is None) == (unknown == 12)


def test_the_words_say_how_sure_how_right_and_what_chance_makes():
    too_sure = calibration([0.9] * 50, [1] * 25 + [0] * 25)
    assert "".join(says_words(too_sure)) == "On average 90.0 % sure, and right on 50.0 %: too sure."
    assert error_words(too_sure).startswith("Expected calibration error 40.0 % (")
    assert "chance makes up to" in error_words(too_sure)
    fair = calibration([0.5] * 50, [1] * 25 + [0] * 25)
    assert says_words(fair)[-1] == ": as often as it says."
    assert "Expected calibration error 0.0 % (0.0–" in error_words(fair) and "no more than chance" in error_words(fair)
    assert says_words(calibration([0.5] * 4, [1] * 4))[-1] == ": not sure enough."


def test_a_bin_in_words_has_the_interval_of_its_accuracy():
    # Wilson's interval of 3 of 4, by hand as in the tests of Compare
    assert bin_words(Bin(0.8, 0.9, 4, 3, 0.85)) == "4 images 80–90 % sure: right on 75.0 % (30.1–95.4 %), says 85.0 %"


@pytest.mark.parametrize(
    "asked, words",
    [(Range(0.9), "confidence ≥ 90 %"), (Range(high=0.9999124), "confidence ≤ 99.9912 %"),
     (Range(0.6, 0.7), "confidence 60 %–70 %")],
)  # fmt: skip
def test_a_chip_has_as_many_digits_as_a_threshold_needs(asked, words):
    assert in_words("confidence", asked) == words
