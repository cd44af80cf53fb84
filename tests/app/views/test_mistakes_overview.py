"""The confusion and the tables of Mistakes: of the images that pass the filters."""

import json

import numpy as np
import pyarrow as pa
import pytest

from sightline.app.views.mistakes.overview import class_bars, pair_bars, taken_for_bars
from sightline.report.address.selection import Selection
from sightline.report.words.classes import scope_words
from sightline.run_store.predictions import Predictions, Range
from sightline.run_store.run import Run
from tests.app_pages import open_page

NAMES = ("cat", "dog", "owl")
LABELS = [0, 0, 0, 1, 1, 2, 2]
PREDICTED = [0, 1, 1, 1, 2, 1, 2]
CAMERAS = ["left", "left", "right", "left", "right", "right", "left"]
LEFT, SURE = ("camera", "left"), ("confidence", Range(0.5))


@pytest.fixture
def seven():
    columns = {
        "index": pa.array(range(7)),
        "label": pa.array(LABELS, pa.int16()),
        "predicted": pa.array(PREDICTED, pa.int16()),
        "confidence": pa.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2]),
        "camera": pa.array(CAMERAS),
    }
    return Predictions(NAMES, pa.table(columns), None)


def cells_of(bars):
    return [(bar.label, bar.cells) for bar in bars]


def test_classes_are_listed_by_how_many_images_are_wrongly_taken_for_them(seven):
    # taken for dog: 4 images, of which 1 is a dog; for owl: 2, of which 1 is one; for cat: 1, which is one
    bars = taken_for_bars(seven, Selection(predicted="owl"))
    assert cells_of(bars) == [("dog", ("3", "25 %")), ("owl", ("1", "50 %"))]
    assert [(bar.id, bar.value, bar.selected) for bar in bars] == [("1", 1, False), ("2", pytest.approx(1 / 3), True)]


def test_tables_count_the_images_that_pass_the_filters_whatever_class_they_ask_for(seven):
    left = Selection(columns=(LEFT,), label="owl")  # images 0, 1, 3 and 6
    assert cells_of(taken_for_bars(seven, left)) == [("dog", ("1", "50 %"))]
    assert cells_of(class_bars(seven, left)) == [
        ("cat", ("50 %", "100 %", "2")), ("dog", ("100 %", "50 %", "1")), ("owl", ("100 %", "100 %", "1")),
    ]  # fmt: skip
    sure = Selection(columns=(SURE,))  # images 0 to 3
    assert [(bar.label, bar.taken_for, bar.cells) for bar in pair_bars(seven, sure)] == [("cat", "dog", ("2",))]
    assert cells_of(class_bars(seven, sure))[-1] == ("owl", ("–", "–", "0"))


def test_tables_say_of_which_images_they_are_unless_of_all(seven):
    assert scope_words(seven, Selection(columns=(LEFT,), label="cat")) == (
        "Of the 4 images that pass the filters, right or wrong."
    )
    assert scope_words(seven, Selection(columns=(("confidence", Range(0.9)),))).startswith("Of the 1 image that passes")
    assert scope_words(seven, Selection(label="cat", outcome="all")) == ""
    assert scope_words(seven, Selection(columns=(("altitude", Range(5)),))) == ""  # there is no such column


@pytest.fixture
def open_mistakes(sixty, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(sixty))
    return lambda **query: open_page("mistakes", run="run", **query)


def surest(sixty):
    """The confidence that three quarters of the images do not reach."""
    return float(np.quantile(Run(sixty / "run").predictions().column("confidence"), 0.75))


def bars_of(app):
    lists = [element for element in app.get("bidi_component") if "bars" in element.proto.component_name]
    return json.loads(lists[0].proto.json)["bars"]


@pytest.mark.parametrize("table", ["Most confused", "By class", "Taken for"])
def test_every_table_follows_a_range_and_says_so(open_mistakes, sixty, table):
    app = open_mistakes()
    app.segmented_control(key="mistakes_table").set_value(table).run()
    everything = bars_of(app)
    assert everything and not any("that pass the filters" in caption.value for caption in app.caption)
    app = open_mistakes(range=f"confidence:{surest(sixty)}..")
    app.segmented_control(key="mistakes_table").set_value(table).run()
    assert bars_of(app) != everything
    assert [caption.value for caption in app.caption if "pass the filters, right or wrong" in caption.value]
