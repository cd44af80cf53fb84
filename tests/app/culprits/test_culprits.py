"""Which training images say so? In Mistakes and Layers, through AppTest: the training images are written by hand."""

from dataclasses import replace

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sightline.app.culprits.search import _start
from sightline.app.elements.thumbnails import ROUTES
from sightline.app.permissions import NotPermitted
from sightline.app.runs import processes
from sightline.report.drawing.pictures import png
from sightline.run_store.culprits import Culprits, TrainingImages, write_culprits
from sightline.run_store.hashes import weights_hash
from sightline.run_store.run import Run
from tests.app.test_app import address_of, gallery_of, html_of, text_of
from tests.app_pages import edit_record, open_page

# Of the mistakes 0 (a cat), 5 (an owl) and 10 (a dog): rank, training image and similarity. Image 4 is kept no picture.
BEHIND = {0: [(7, 0.9), (3, 0.75)], 5: [(3, 0.5)], 10: [(3, 0.625), (1, 0.25)]}
LABELS = np.array([0, 1, 2, 1, 0, 1, 2, 1], np.int16)
SUSPICIOUS = 3  # labelled dog, taken for an owl with 87.5 %
MAP = np.array([[0.5, -0.25], [0.25, 0.25]], np.float16)


def culprits(run, **changes):
    rows = [(image, rank, *found) for image, ten in BEHIND.items() for rank, found in enumerate(ten, 1)]
    index, rank, train_index, similarity = (np.array(column) for column in zip(*rows, strict=True))
    named = np.unique(train_index)
    thumbnail = np.full(len(LABELS), -1, np.int64)
    thumbnail[named] = np.arange(len(named))
    is_suspicious = np.arange(len(LABELS)) == SUSPICIOUS
    predicted = np.where(is_suspicious, 2, LABELS).astype(np.int16)
    confidence = np.full(len(LABELS), 0.875, np.float32)
    training = TrainingImages(LABELS, predicted, confidence, is_suspicious, thumbnail)
    found = Culprits(
        "layer4", True, weights_hash(run), training, index, rank.astype(np.int16), train_index,
        similarity.astype(np.float32), LABELS[train_index], "a", 1.0,
    )  # fmt: skip
    return replace(found, **changes)


def write(run, **changes):
    found = culprits(run, **changes)
    pictures = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.full((3, 32, 32, 3), 100, np.uint8)
    maps = np.stack([np.stack([MAP, MAP[::-1]])] * len(found.index))
    write_culprits(run, found, np.zeros((len(LABELS), 4), np.float16), pictures, maps)


@pytest.fixture
def calls(monkeypatch):
    calls = []
    monkeypatch.setattr(processes, "start", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(processes, "stop", lambda *arguments: calls.append(arguments))
    return calls


def pair_of(app):
    (pair,) = (html for html in html_of(app).splitlines() if "map-pair" in html)
    return pair


def tiles_of(app):
    """What the gallery of training images shows: [the label, the figure, the mark], by training image."""
    (gallery,) = (
        found for place in range(2) if (found := gallery_of(app, place))["label"] == "Training images behind this one"
    )
    return gallery["selected"], {
        item["index"]: (item["true"], item["confidence"], item["mark"]) for item in gallery["items"]
    }


@pytest.mark.parametrize("view", ["mistakes", "layers"])
def test_the_training_images_behind_a_mistake_are_tiles_with_label_similarity_and_doubt(run, view):
    write(run)
    app = open_page(view, image="0")
    assert "Which training images say so?" in text_of(app)
    selected, tiles = tiles_of(app) if view == "mistakes" else tiles_alone(app)
    assert selected == 7 and tiles == {7: ("dog", "0.90", ""), 3: ("dog", "0.75", "label?")}


def tiles_alone(app):
    gallery = gallery_of(app)
    return gallery["selected"], {
        item["index"]: (item["true"], item["confidence"], item["mark"]) for item in gallery["items"]
    }


def test_a_mark_says_in_words_what_it_means(run):
    write(run)
    items = gallery_of(open_page("layers", image="5"))["items"]
    assert items[0]["alt"] == (
        "Training image 3: labelled dog, similarity 0.50. The label dog is suspicious, by confident learning "
        "(Northcutt 2021) likely wrong: the model takes the image for owl, 88 %."
    )


def test_layers_shows_both_maps_of_the_first_on_one_scale_and_says_that_they_are_exact(run):
    write(run)
    app = open_page("layers", image="0")
    pair = pair_of(app)
    assert pair.count("<figure") == 2 and pair.count("max 0.5") == 4  # in the caption and in the text alternative
    assert "Image 0" in pair and "Training image 7 · dog" in pair
    said = text_of(app)
    assert "labelled dog" in said and "speaks for dog rather than cat" in said and "Exact:" in said
    assert pair_of(open_page("layers", image="0", sign="signed")).count("−0.25 to 0.5") == 4


def test_another_head_is_said_to_be_of_first_order(run):
    write(run, exact=False)
    assert "First order: this network's head is not pooling" in text_of(open_page("layers", image="0"))


def test_the_address_says_which_training_image_is_looked_at(run):
    write(run)
    app = open_page("layers", image="0", culprit="3")
    assert tiles_alone(app)[0] == 3 and "Training image 3 · dog" in html_of(app)
    assert "is suspicious" in text_of(app).replace("\\", "")
    assert tiles_alone(open_page("layers", image="0", culprit="1"))[0] == 7  # it is not behind this one
    app = open_page("layers", image="0", culprit="many")
    assert "culprit “many”" in text_of(app).replace("\\", "") and tiles_alone(app)[0] == 7


def test_mistakes_shows_the_maps_only_once_one_is_chosen(run):
    write(run)
    assert "map-pair" not in html_of(open_page("mistakes", image="0"))
    app = open_page("mistakes", image="0", culprit="7")
    assert "map-pair" in html_of(app) and address_of(app)["culprit"] == "7" and "Exact:" in text_of(app)


def test_pictures_of_training_images_have_an_address_that_goes_with_the_files(run):
    write(run)
    url = gallery_of(open_page("layers", image="0"))["items"][0]["url"]
    browser = TestClient(Starlette(routes=ROUTES))
    answer = browser.get(url)
    assert answer.content == png(np.full((32, 32, 3), 200, np.uint8)) and "immutable" in answer.headers["cache-control"]
    assert browser.get(f"/sightline{url}").status_code == 200  # below server.baseUrlPath
    assert browser.get(url.replace("/2.png", "/3.png")).status_code == 404
    write(run, exact=False)
    assert browser.get(url).status_code == 404


def test_where_nobody_looked_a_button_looks_for_them(run, calls):
    app = open_page("layers", image="0")
    assert "keeps the ten behind each mistake" in text_of(app)
    button = app.button(key="layers_influence_button")
    assert button.label == "Find the training images"
    button.click().run()
    assert calls == [(("influence", run.path), "sightline.explain.influence", "--run", str(run.path.absolute()))]


def test_in_mistakes_what_looks_alike_comes_first_until_they_are_found(run):
    app = open_page("mistakes", image="0")
    assert "Looks alike to the model" in text_of(app) and "Which training images say so?" not in text_of(app)
    app.segmented_control(key="mistakes_alike_False").set_value("Training images").run()
    assert app.button(key="mistakes_influence_button").label == "Find the training images"


def test_a_search_says_how_far_it_is_and_can_be_stopped(run, calls, monkeypatch):
    key = ("influence", run.path)
    monkeypatch.setattr(processes, "is_running", lambda asked: asked == key)
    monkeypatch.setattr(processes, "progress", lambda asked: processes.ProgressBar(0.25, "training images", "00:30"))
    app = open_page("layers", image="0")
    (bar,) = app.get("progress")
    assert (bar.proto.value, bar.proto.text) == (25, "Looking for them: training images · about 30 seconds left")
    app.button(key="layers_influence_stop").click().run()
    assert calls == [(key,)]


def test_the_reason_of_a_search_that_failed_is_on_the_page(run, monkeypatch):
    monkeypatch.setattr(processes, "failure", lambda key: key[0] == "influence" and "The data set is gone. [x]")
    assert [error.value for error in open_page("layers", image="0").error] == [
        "They could not be found. The data set is gone\\. \\[x\\]"
    ]


ELSEWHERE = {
    "a server that only shows": ({}, {"SIGHTLINE_READ_ONLY": "1"}, "only shows runs"),
    "images that no page reads": ({"dataset": "folder:/etc"}, {}, "Images and weights are read below"),
    "a program": ({"dataset": "data.py:images"}, {}, "which would be run here"),
    "an unknown data set": ({"dataset": "planted-forms"}, {}, "Unknown data set"),
    "a training elsewhere": ({"fingerprints": {"test": "b"}}, {}, "trained elsewhere"),
}


@pytest.mark.parametrize(("changes", "environment", "says"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_a_page_may_not_look_for_is_a_sentence_and_the_command(run, monkeypatch, changes, environment, says):
    edit_record(run.path, **changes)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app = open_page("layers", image="0")
    assert says in text_of(app).replace("\\", "") and not [
        key for key in app.button if key.key == "layers_influence_button"
    ]
    commands = [code.value for code in app.code if "influence" in code.value]
    named = " --dataset SOURCE" if "trained elsewhere" in says else ""
    assert commands == [f"sightline influence --run {run.path}{named}"]


def test_nothing_is_read_that_no_page_may_read_whatever_the_page_has_offered(run, monkeypatch):
    edit_record(run.path, dataset="folder:/etc")
    with pytest.raises(NotPermitted):
        _start(Run(run.path))
    assert not processes.is_running(("influence", run.path))


def test_stale_and_damaged_files_are_a_sentence_with_the_button_that_mends_them(run):
    write(run, weights="0" * 64)
    app = open_page("layers", image="0")
    assert "is stale" in text_of(app) and app.button(key="layers_influence_button")
    (run.path / "training.parquet").write_bytes(b"damaged")
    for view in ("layers", "mistakes"):
        app = open_page(view, image="0")
        assert "training.parquet is damaged" in text_of(app).replace("\\", "") and app.button(
            key=f"{view}_influence_button"
        )


def test_lost_maps_and_pictures_are_a_sentence(run):
    write(run)
    (run.path / "train_thumbnails.npy").unlink()
    assert "train_thumbnails.npy is missing" in text_of(open_page("layers", image="0")).replace("\\", "")
    (run.path / "culprit_maps.npy").unlink()
    assert "culprit_maps.npy is missing" in text_of(open_page("layers", image="0")).replace("\\", "")


def test_a_run_without_a_network_has_none(run):
    edit_record(run.path, network="none", without_network="Its model was not recorded.")
    app = open_page("mistakes", image="0")
    assert "Which training images" not in text_of(app) and "Looks alike to the model" in text_of(app)
