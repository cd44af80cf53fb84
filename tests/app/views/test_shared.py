"""What do they share? In Mistakes, through AppTest: maps written by hand, whose hot place and colour are known."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from sightline.app.maps.shared import means_of
from sightline.report.drawing.means import MOST_AVERAGED
from sightline.run_store.maps import MapsWriter
from sightline.run_store.run import Run
from tests.app.test_app import html_of
from tests.app_pages import edit_record, open_page
from tests.fabricated import fabricate_run

OWLS = (2, 5, 8, 11)  # of the true class: hot in one corner, where they are red


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return Run(Path(shutil.copytree(fabricated, tmp_path / "runs" / "run")))


def write(run, layer="layer4"):
    images = np.load(run.path / "images.npy")
    images[list(OWLS), :8, :8] = (230, 20, 20)
    np.save(run.path / "images.npy", images)
    maps = np.ones((len(images), 4, 4), np.float32)
    maps[list(OWLS)] = 0
    maps[list(OWLS), 0, 0] = 2
    writer = MapsWriter(run, "gradcam", layer, "predicted", (4, 4))
    writer.write(np.arange(len(images)), maps)
    writer.finish()


def shared_of(app):
    return next((html for html in html_of(app).splitlines() if 'class="shared"' in html), "")


def test_a_class_shares_its_mean_image_its_mean_map_and_what_is_attended_in_it(run):
    write(run)
    said = shared_of(open_page("mistakes", true="owl", show="all"))
    assert "What do they share?" in said and "Mean image and map of all of them, Grad-CAM at layer4." in said
    assert said.count('<img src="data:image/png') == 2 and said.count('class="over"') == 1  # the mean image, twice
    attended, of_all = said.split("In all test images")
    assert "top left, red stands out" in attended and "top left" not in of_all and "stands out" in of_all


@pytest.mark.parametrize("query", [{}, {"show": "right"}, {"show": "all"}, {"true": "owl"}, {"value": "camera:left"}])
def test_nothing_is_said_of_all_images_of_an_outcome_alone_or_of_one_image(run, query):
    write(run)
    assert not shared_of(open_page("mistakes", **query))  # one owl is wrong; there is no camera


def test_the_mean_is_that_of_the_pixels_whatever_the_order_of_the_set(run):
    write(run)
    first, again = (means_of(run, np.array(rows), "gradcam", "layer4") for rows in (OWLS, OWLS[::-1]))
    assert first == again and first.images == 4
    assert 0 < first.attended.size < 0.2 and first.attended.place[0] < 0.3 > first.attended.place[1]


def test_of_many_images_some_are_averaged_and_their_number_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    fabricate_run(tmp_path / "runs" / "many", 2600, ("cat", "dog"), side=8)
    run = Run(tmp_path / "runs" / "many")
    assert means_of(run, np.arange(1300), "gradcam", "layer4").images == 434 <= MOST_AVERAGED  # every third
    assert means_of(run, np.arange(500), "gradcam", "layer4").images == 500
    said = shared_of(open_page("mistakes", true="cat", show="all"))
    assert "434 of 1\u202f300" in said


@pytest.mark.parametrize(("pixels", "of_images", "with_maps"), [(2**20, 12, 12), (12 * 32**2, 12, 3), (1, 1, 1)])
def test_of_large_images_or_maps_fewer_are_averaged(run, monkeypatch, pixels, of_images, with_maps):
    monkeypatch.setattr("sightline.report.drawing.means.MOST_PIXELS", pixels)
    assert means_of(run, np.arange(12), "gradcam", "layer4").images == of_images
    writer = MapsWriter(run, "gradcam", "layer4", "predicted", (64, 64))  # twice the side of the images
    writer.write(np.arange(12), np.ones((12, 64, 64), np.float32))
    writer.finish()
    assert means_of(Run(run.path), np.arange(12), "gradcam", "layer4").images == with_maps


def test_without_maps_the_mean_image_stands_alone_with_a_sentence_how_maps_come(run):
    said = shared_of(open_page("mistakes", true="owl", show="all"))
    assert said.count("<img") == 1 and "Mean image of all of them." in said
    assert "No maps are stored." in said and f"sightline precompute --run {run.path}" in said
    edit_record(run.path, network="none", without_network="Its model was not recorded.")
    assert "precompute" not in shared_of(open_page("mistakes", true="owl", show="all"))


def test_maps_of_another_layer_are_taken_where_the_last_has_none(run):
    write(run, "layer2")
    assert "Grad-CAM at layer2" in shared_of(open_page("mistakes", true="owl", show="all"))


@pytest.mark.parametrize("name", ["predicted.npy", "predicted.scale.npy"])
def test_damaged_maps_are_a_sentence_beside_the_mean_image(run, name):
    write(run)
    (run.path / "maps" / "gradcam" / "layer4" / name).write_bytes(b"damaged")
    said = shared_of(open_page("mistakes", true="owl", show="all"))
    assert said.count("<img") == 1 and "predicted.npy is damaged" in said and "sightline precompute" in said


def test_maps_that_are_written_again_are_shown_at_once(run):
    write(run)
    before = means_of(run, np.array(OWLS), "gradcam", "layer4")
    maps = np.zeros((12, 4, 4), np.float32)
    maps[:, 3, 3] = 1
    writer = MapsWriter(run, "gradcam", "layer4", "predicted", (4, 4))
    writer.write(np.arange(12), maps)
    writer.finish()
    assert means_of(Run(run.path), np.array(OWLS), "gradcam", "layer4").attended.place != before.attended.place
