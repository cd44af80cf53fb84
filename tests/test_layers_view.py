"""The Layers view through AppTest: which maps it shows, what it writes into the address, what it says is missing."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from benchmarks.dashboard_speed import LAYERS, fabricate_run
from run_store.run import Run

DASHBOARD = Path(__file__).parent.parent / "app" / "dashboard.py"
NAMES = ("cat", "dog", "owl")
HOSTILE = ("<img src=x onerror=alert(1)>", ":red[x]", "![x](http://a.b/c.png)")
IMAGES = 12
RIGHT, WRONG = 1, 5  # every fifth prediction of a fabricated run is wrong
LARGE = 128  # pixels: the run keeps thumbnails of 96


@pytest.fixture(scope="module")
def fabricated(tmp_path_factory):
    path = tmp_path_factory.mktemp("fabricated") / "run"
    fabricate_run(path, IMAGES, NAMES, with_model=True)
    return path


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def run(runs, fabricated):
    return Path(shutil.copytree(fabricated, runs / "run"))


@pytest.fixture
def large_run(runs, tmp_path):
    """Its originals lie in tmp_path / "originals"."""
    folder = tmp_path / "originals"
    folder.mkdir()
    paths = tuple(str(folder / f"{index}.png") for index in range(IMAGES))
    pixels = np.random.default_rng(1).integers(0, 256, (LARGE, LARGE, 3), dtype=np.uint8)
    for index, path in enumerate(paths):
        Image.fromarray(np.roll(pixels, 10 * index, axis=1)).save(path)
    fabricate_run(runs / "large", IMAGES, NAMES, side=96, input_size=LARGE, paths=paths, with_model=True)
    return runs / "large"


def open_layers(**query):
    app = AppTest.from_file(str(DASHBOARD), default_timeout=60).switch_page("views/layers.py")
    for key, value in query.items():
        app.query_params[key] = value
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception[0].message
    return app


def reopened(app):
    """The same address in a new session."""
    return open_layers(**{key: app.query_params[key] for key in app.query_params})


def maps_of(app):
    """The text alternatives of the maps, row by row."""
    alternatives = [image.alt for element in app.get("image") for image in element.proto.imgs]
    return [text for text in alternatives if text.startswith("Grad-CAM at ")]


def warnings_of(app):
    return " ".join(element.value.replace("\\", "") for element in app.warning)


def markdown_of(app):
    return "\n".join(element.value for kind in ("markdown", "caption", "warning", "info") for element in app.get(kind))


def address_of(app, key):
    value = app.query_params.get(key, [])
    return value if isinstance(value, list) else [value]


def test_a_wrong_prediction_shows_every_layer_for_predicted_true_and_difference(run):
    maps = maps_of(open_layers(image=str(WRONG)))
    assert [text.split(":")[0] for text in maps] == [
        f"Grad-CAM at {layer}, {row}" for row in ("predicted", "true", "difference") for layer in LAYERS
    ]


def test_a_right_prediction_has_nothing_to_compare_and_shows_one_row(run):
    maps = maps_of(open_layers(image=str(RIGHT), show="all"))
    assert len(maps) == len(LAYERS) and all(", predicted: dog " in text for text in maps)


def test_the_map_says_the_extremes_that_captum_computes(run):
    import torch
    from captum.attr import LayerGradCam

    opened = Run(run)
    model = opened.load_model()
    pixels = opened.to_input(opened.images()[[RIGHT]]).requires_grad_(True)
    expected = LayerGradCam(model, model.layer2).attribute(pixels, target=torch.tensor([2]))
    (text,) = maps_of(open_layers(image=str(RIGHT), show="all", layer="layer2", target="class:owl", sign="signed"))
    said = re.search(r"min (\S+) · max (\S+)", text)
    assert [float(figure) for figure in said.groups()] == pytest.approx(
        [expected.min().item(), expected.max().item()], rel=1e-2
    )


def test_chosen_layers_come_shallow_to_deep_and_survive_in_the_address(run):
    app = open_layers(image=str(WRONG))
    checked(app.button_group(key="layers_layers").set_value(["layer4", "layer2"]).run())
    assert set(address_of(app, "layer")) == {"layer2", "layer4"}
    for shown in (app, reopened(app)):
        layers = [re.search(r"layer\d", text)[0] for text in maps_of(shown)]
        assert layers == ["layer2", "layer4"] * 3
    checked(app.button_group(key="layers_layers").set_value([]).run())
    assert len(maps_of(app)) == 3 * len(LAYERS)  # without a choice there would be an empty page


def test_any_class_can_be_explained_and_survives_in_the_address(run):
    app = open_layers(image=str(WRONG), layer="layer4")
    checked(app.multiselect(key="layers_targets").set_value(["class:cat", "class:dog"]).run())
    assert address_of(app, "target") == ["class:cat", "class:dog"]
    for shown in (app, reopened(app)):
        assert [re.search(r"class: (\w+)", text)[1] for text in maps_of(shown)] == ["cat", "dog"]


def test_classes_named_like_the_other_targets_are_told_apart(runs):
    fabricate_run(runs / "run", IMAGES, ("false", "true", "predicted"), with_model=True)
    app = open_layers(image=str(RIGHT), show="all", layer="layer4")
    checked(app.multiselect(key="layers_targets").set_value(["class:true", "class:predicted", "predicted"]).run())
    assert address_of(app, "target") == ["class:true", "class:predicted", "predicted"]
    rows = [re.search(r"layer4, (\w+: \w+)", text)[1] for text in maps_of(app)]
    assert rows == ["class: true", "class: predicted", "predicted: true"]


def test_sign_cells_colours_and_opacity_survive_in_the_address(run):
    app = open_layers(image=str(WRONG), layer="layer3")
    checked(app.button_group(key="layers_sign").set_value("signed").run())
    checked(app.button_group(key="layers_cells").set_value("true").run())
    checked(app.selectbox(key="layers_colours").set_value("PuOr_r").run())
    checked(app.slider(key="layers_opacity").set_value(85).run())
    wanted = {"sign": "signed", "cells": "true", "colours": "PuOr_r", "opacity": "85", "image": str(WRONG)}
    assert {key: address_of(app, key)[0] for key in wanted} == wanted
    again = reopened(app)
    assert all("; min " in text for text in maps_of(again)) and len(maps_of(again)) == 3
    assert again.button_group(key="layers_cells").value == "true" and again.slider(key="layers_opacity").value == 85
    assert again.selectbox(key="layers_colours").value == "PuOr_r"


def test_colours_of_a_positive_map_give_way_when_it_becomes_signed(run):
    app = open_layers(image=str(WRONG), colours="viridis")
    checked(app.button_group(key="layers_sign").set_value("signed").run())
    assert app.selectbox(key="layers_colours").value == "RdBu_r"


@pytest.mark.parametrize("damage", ["missing", "truncated", "other bytes", "empty"])
def test_damaged_weights_cost_the_maps_and_nothing_else(run, damage):
    weights = run / "model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    if damage != "missing":
        part = {"truncated": content[: len(content) // 2], "other bytes": bytes(range(256)) * 4, "empty": b""}
        weights.write_bytes(part[damage])
    app = open_layers(image=str(WRONG))
    assert "No maps: " in warnings_of(app) and "model.safetensors" in warnings_of(app)
    assert re.search("train .*again", warnings_of(app), re.IGNORECASE)
    assert not maps_of(app) and "taken for" in markdown_of(app)


def test_weights_of_another_number_of_classes_are_refused_in_words(run, tmp_path):
    fabricate_run(tmp_path / "other", IMAGES, (*NAMES, "elk"), with_model=True)
    shutil.copy(tmp_path / "other" / "model.safetensors", run)
    assert "of another model" in warnings_of(open_layers(image=str(WRONG)))


def test_maps_of_large_images_are_computed_from_the_originals(large_run):
    app = open_layers(image=str(WRONG))
    assert len(maps_of(app)) == 3 * len(LAYERS)
    assert f":gray[{LARGE}×{LARGE}]" in markdown_of(app)  # layer1 keeps the input's resolution


def test_without_the_originals_no_map_of_a_thumbnail_is_shown(large_run, tmp_path):
    shutil.rmtree(tmp_path / "originals")
    app = open_layers(image=str(WRONG))
    assert not maps_of(app)
    assert "thumbnails only" in warnings_of(app) and f"{WRONG}.png" in warnings_of(app)


def test_thumbnails_of_unnamed_originals_are_not_explained(runs):
    fabricate_run(runs / "run", IMAGES, NAMES, side=96, input_size=LARGE, with_model=True)
    app = open_layers(image=str(WRONG))
    assert not maps_of(app) and "names no originals" in warnings_of(app)


def test_layers_and_classes_that_do_not_exist_are_named_and_ignored(run):
    app = open_layers(image=str(WRONG), layer=["layer9", "layer1"], target="class::red[gone]", opacity="900", sign="up")
    for value in ("layer9", "class::red[gone]", "900", "up"):
        assert value in warnings_of(app)
    assert len(maps_of(app)) == 3


def test_without_images_the_filters_are_named_as_the_cause(run):
    app = open_layers(true="cat", predicted="owl", confidence_from="0.9999", confidence_to="0.99991")
    assert "No image passes the filters" in markdown_of(app) and not maps_of(app)


def test_hostile_names_are_shown_as_text(runs):
    fabricate_run(runs / "run", IMAGES, HOSTILE, with_model=True)
    app = open_layers(image=str(WRONG), target=[f"class:{name}" for name in HOSTILE], layer="layer4")
    assert len(maps_of(app)) == len(HOSTILE)
    assert not re.search(r"(?<!\\)[<!`$]|(?<!\\):red\\?\[", markdown_of(app))


def test_hostile_layer_names_are_shown_as_text_and_refused_in_words(run):
    record = run / "run.json"
    record.write_text(record.read_text().replace("layer4", ":red[x]"))
    app = open_layers(image=str(WRONG))
    assert "has no layer ':red[x]'" in warnings_of(app) and not maps_of(app)
    assert app.button_group(key="layers_layers").options[-1] == r"\:red\[x\]"


@pytest.mark.parametrize("file", ["images.npy", "predictions.parquet", "run.json"])
def test_a_run_without_its_predictions_says_what_to_do(run, file):
    (run / file).write_bytes(b"other bytes")
    app = open_layers(image=str(WRONG))
    assert not maps_of(app) and "damaged" in "".join(element.value for element in app.subheader)
