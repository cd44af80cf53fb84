"""A set of images, through AppTest: maps over its tiles, and how large these are."""

import json

import pytest

from sightline.run_store.run import Run
from tests.app_pages import checked, open_page
from tests.fabricated import fabricate_run
from tests.written_patterns import write_maps


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path))
    fabricate_run(tmp_path / "one", 12)
    return Run(tmp_path / "one")


def gallery_of(app):
    element = next(each for each in app.get("bidi_component") if "gallery" in each.proto.component_name)
    return json.loads(element.proto.json or element.proto.mixed.json)


def said_by(app):
    return " ".join(element.value for element in app.caption).replace("\\", "")


def test_stored_maps_lie_over_every_tile_once_asked_for_and_a_caption_says_whose(run):
    write_maps(run)
    app = open_page("mistakes")
    assert not any("over" in item for item in gallery_of(app)["items"])
    app = checked(app.toggle(key="gallery_maps").set_value(True).run())
    assert app.query_params["tiles"] == "maps"
    assert all(item["over"].startswith("data:image/png") for item in gallery_of(app)["items"])
    assert "Grad-CAM at layer4, of the predicted class" in said_by(app)


def test_where_no_maps_are_stored_a_sentence_says_how_they_come(run):
    app = open_page("mistakes", tiles="maps")
    assert not any("over" in item for item in gallery_of(app)["items"])
    assert "No maps are stored." in said_by(app) and f"sightline precompute --run {run.path}" in said_by(app)


def test_maps_that_cannot_be_read_are_a_sentence(run):
    write_maps(run)
    (run.path / "maps" / "gradcam" / "layer4" / "predicted.npy").write_bytes(b"damaged")
    app = open_page("mistakes", tiles="maps")
    assert "predicted.npy" in said_by(app) and not any("over" in item for item in gallery_of(app)["items"])


def test_tiles_have_the_size_that_was_chosen(run):
    app = open_page("mistakes")
    assert gallery_of(app)["size"] == "medium"
    app = checked(app.segmented_control(key="gallery_size").set_value("large").run())
    assert gallery_of(app)["size"] == "large"
