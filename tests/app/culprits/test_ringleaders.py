"""The training images behind most mistakes, as a set of their own in Mistakes, through AppTest."""

import csv
import io

import numpy as np
import pytest

from sightline.app.elements.spreadsheets import ringleaders_as_csv
from sightline.app.runs import loaders, processes
from sightline.app.views.mistakes.ringleaders import _choose
from tests.app.culprits.test_culprits import write
from tests.app.test_app import address_of, gallery_of, text_of
from tests.app_pages import open_page


def tiles_of(app):
    gallery = gallery_of(app)
    assert gallery["label"] == "Training images behind most of the set"
    return [(item["index"], item["true"], item["confidence"], item["mark"]) for item in gallery["items"]]


def test_the_training_images_behind_most_mistakes_come_first_with_their_number_and_doubt(run):
    write(run)
    app = open_page("mistakes", behind="set")
    assert tiles_of(app) == [(3, "dog", "3", "label?"), (1, "dog", "1", ""), (7, "dog", "1", "")]
    assert "**3** :gray[training images behind 3 mistakes, 1 with a suspicious label]" in text_of(app)


def test_a_filter_narrows_them_to_those_behind_its_mistakes(run):
    write(run)
    app = open_page("mistakes", behind="set", true="dog", show="all")
    assert tiles_of(app) == [(1, "dog", "1", ""), (3, "dog", "1", "label?")]
    assert "training images behind 1 mistake of 4 images, 1 with" in text_of(app)
    assert "Among these images is no mistake behind" in text_of(open_page("mistakes", behind="set", show="right"))


def test_those_behind_right_answers_that_were_asked_for_are_not_counted(run):
    write(run, index=np.array([0, 0, 5, 11, 11]))  # 11 is right
    app = open_page("mistakes", behind="set", show="all")
    assert tiles_of(app) == [(3, "dog", "2", "label?"), (7, "dog", "1", "")]
    assert "training images behind 2 mistakes of 12 images" in text_of(app)


def test_a_button_leads_there_and_back_and_keeps_the_image(run):
    assert "mistakes_behind" not in [button.key for button in open_page("mistakes").button]
    write(run)
    app = open_page("mistakes", image="5")
    app.button(key="mistakes_behind").click().run()
    assert address_of(app)["behind"] == "set" and address_of(app)["image"] == "5"
    app.button(key="mistakes_behind").click().run()
    assert "behind" not in address_of(app) and gallery_of(app)["label"] == "Images of the current set"


def test_a_training_image_that_is_chosen_brings_a_mistake_that_it_is_behind(run, monkeypatch):
    write(run)
    changes = {}
    monkeypatch.setattr("sightline.app.views.mistakes.ringleaders.change_selection", changes.update)
    event = type("Event", (), {"pick": 1, "open": None})
    monkeypatch.setattr("streamlit.session_state", {"mistakes_ringleaders": event})
    _choose(loaders.culprits(run), np.array([5, 10, 0]))
    assert changes == {"culprit": 1, "image": 10}


def test_the_list_is_a_table_that_a_training_can_leave_out(run):
    write(run)
    predictions = loaders.predictions(run).with_columns({"pattern": np.array(["1"] * 6 + ["2"] * 6, dtype=object)})
    written = ringleaders_as_csv(predictions, loaders.culprits(run), np.array([0, 5, 10])).decode()
    assert list(csv.DictReader(io.StringIO(written))) == [
        {"train_index": "3", "label": "dog", "pattern": "1", "similarity": "0.75", "mistakes": "3",
         "suspicious": "yes"},
        {"train_index": "1", "label": "dog", "pattern": "2", "similarity": "0.25", "mistakes": "1", "suspicious": ""},
        {"train_index": "7", "label": "dog", "pattern": "1", "similarity": "0.9", "mistakes": "1", "suspicious": ""},
    ]  # fmt: skip
    without = ringleaders_as_csv(loaders.predictions(run), loaders.culprits(run), np.array([5])).decode()
    assert without.splitlines()[1] == "3,dog,,0.5,1,yes"


def test_training_without_them_is_started_for_all_mistakes_and_a_command_for_some(run, monkeypatch):
    write(run)
    calls = []
    monkeypatch.setattr(processes, "start", lambda *arguments: calls.append(arguments))
    app = open_page("mistakes", behind="set")
    assert app.selectbox(key="ringleaders_left_out").options == ["all 3"]
    app.button(key="mistakes_prove_button").click().run()
    words = ("--run", str(run.path), "--culprits", "3")
    assert calls == [(("proof", run.path), "sightline.training.prove", *words)]
    app = open_page("mistakes", behind="set", true="dog")
    assert [code.value for code in app.code] == [f"sightline prove --run {run.path} --without FILE.csv"]


@pytest.mark.parametrize("name", ["culprits.parquet", "training.parquet"])
def test_damaged_files_leave_the_set_as_it_is(run, name):
    write(run)
    (run.path / name).write_bytes(b"damaged")
    app = open_page("mistakes", behind="set")
    assert gallery_of(app)["label"] == "Images of the current set"
    assert f"{name} is damaged" in text_of(app).replace("\\", "")
