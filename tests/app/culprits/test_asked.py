"""The training images behind a right answer: asked of the network of a run that was really trained."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from sightline.explain.influence import influence
from sightline.explain.why.influence import culprits_of
from sightline.run_store.culprits import (
    culprit_maps,
    read_culprits,
    training_features,
    training_thumbnails,
    write_culprits,
)
from sightline.run_store.run import Run
from tests.app.culprits.test_culprits import pair_of, tiles_alone
from tests.app.test_app import html_of, text_of
from tests.app_pages import open_page


@pytest.fixture(scope="module")
def looked_for(tiny_run, session_data_dir, tmp_path_factory):
    """A run whose training images behind mistakes are found. To be copied."""
    run = Run(shutil.copytree(tiny_run, tmp_path_factory.mktemp("asked") / "run"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_DATA", str(session_data_dir))
        influence(run)
    return run.path


@pytest.fixture
def run(looked_for, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return Run(shutil.copytree(looked_for, tmp_path / "runs" / "run"))


def right_answer(run):
    return int(np.flatnonzero(~run.predictions().wrong)[0])


def test_behind_a_right_answer_stand_the_training_images_that_the_network_names(run):
    image, found = right_answer(run), read_culprits(run)
    expected = culprits_of(run, run.load_model(), found, image)
    app = open_page("layers", image=str(image), show="all")
    selected, tiles = tiles_alone(app)
    assert list(tiles) == expected.train_index.tolist() and selected == expected.train_index[0]
    shown = np.array([float(similarity) for _, similarity, _ in tiles.values()])
    assert np.allclose(shown, expected.similarity, atol=0.0051)
    predicted = run.record.class_names[run.predictions().column("predicted")[image]]
    assert {label for label, _, _ in tiles.values()} == {predicted}
    largest = re.findall(r"<span>max ([\d.e-]+)</span>", pair_of(app))
    assert np.allclose([float(one) for one in largest], expected.maps[0].max(axis=(1, 2)), rtol=0.01)


def test_without_all_pictures_the_command_writes_what_is_alike(run):
    image, found = right_answer(run), read_culprits(run)
    features, pictures, maps = (read(run, found) for read in (training_features, training_thumbnails, culprit_maps))
    thumbnail = found.training.thumbnail.copy()
    thumbnail[~np.isin(np.arange(len(thumbnail)), found.train_index)] = -1
    few = replace(found, training=replace(found.training, thumbnail=thumbnail))
    write_culprits(run, few, features[:], pictures[:], maps[:])
    app = open_page("layers", image=str(image), show="all")
    assert len(tiles_alone(app)[1]) == 10 and "map-pair" not in html_of(app)
    assert "keeps too little of its training images" in text_of(app)
    assert f"sightline influence --run {run.path} --images {image}" in [code.value for code in app.code]


def test_lost_features_are_a_sentence(run):
    (run.path / "train_features.npy").unlink()
    app = open_page("layers", image=str(right_answer(run)), show="all")
    assert "train_features.npy is missing" in text_of(app).replace("\\", "")


def test_more_features_than_a_page_may_read_are_a_sentence(run, monkeypatch):
    monkeypatch.setattr("sightline.app.culprits.behind.MOST_VALUES", 1000)
    image = right_answer(run)
    app = open_page("layers", image=str(image), show="all")
    said = text_of(app).replace("\\", "")
    assert "too many to be compared on a page" in said and f"--images {image}" in said
