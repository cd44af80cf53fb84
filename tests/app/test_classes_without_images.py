"""A class of the model has no test image: every view, and what is computed for it, does without it."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.explain import precompute
from sightline.explain.judging.localisation import choose_mosaics
from sightline.explain.judging.sample import draw_sample
from sightline.model_zoo import build_model
from sightline.run_store.run import Run
from sightline.training.foreign.imported_model import ImportConfig, import_model
from tests.app_pages import edit_record, open_page
from tests.image_files import save

CLASSES = ("ape", "bee", "cat", "dog", "emu")  # of ape, cat and dog there are eight images each


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A run of random weights; bee has an empty folder, of emu there is not even that."""
    root = tmp_path_factory.mktemp("evaluated")
    numbers = np.random.default_rng(0)
    for name in ("ape", "cat", "dog"):
        for k in range(8):
            pixels = numbers.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            save(Image.fromarray(pixels), root / "photos" / "test" / name / f"{k}.png")
    (root / "photos" / "test" / "bee").mkdir()
    (root / "names.txt").write_text("\n".join(CLASSES))
    torch.manual_seed(0)
    torch.save(build_model("resnet18_narrow", len(CLASSES)).state_dict(), root / "weights.pt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_DATA", str(root / "data"))
        import_model(
            ImportConfig(
                model="resnet18_narrow",
                weights=root / "weights.pt",
                dataset=f"folder:{root / 'photos'}",
                classes=root / "names.txt",
                mean=(0.5,) * 3,
                std=(0.25,) * 3,
                run=root / "runs" / "old",
                device="cpu",
            )
        )
    return root / "runs" / "old"


@pytest.fixture
def runs(evaluated, tmp_path, monkeypatch):
    """Two such runs, old and new."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    for name in ("old", "new"):
        shutil.copytree(evaluated, tmp_path / "runs" / name)
    edit_record(tmp_path / "runs" / "new", created="2027-01-01T00:00:00Z")
    return tmp_path / "runs"


def test_its_figures_are_unknown_and_those_of_others_are_as_ever(evaluated):
    predictions = Run(evaluated).predictions()
    figures = predictions.per_class().set_index("class")
    assert figures["support"].to_dict() == {"ape": 8, "bee": 0, "cat": 8, "dog": 8, "emu": 0}
    assert figures["recall"].isna().to_dict() == {name: name in ("bee", "emu") for name in CLASSES}
    confusion = predictions.confusion.dense()
    assert confusion.shape == (5, 5) and confusion.sum() == 24
    assert not confusion[1].any()


@pytest.mark.parametrize("view", ["curves", "mistakes", "layers", "trust", "compare"])
@pytest.mark.parametrize("query", [{}, {"true": "bee"}, {"predicted": "emu"}, {"true": "bee", "predicted": "emu"}])
def test_every_view_opens(runs, view, query):
    open_page(view, run="new", **query)


def test_a_map_can_be_drawn_for_it(runs):
    app = open_page("layers", run="new", image="3", target="class:bee")
    assert not app.error


def test_the_table_of_classes_shows_that_it_has_no_image(runs):
    app = open_page("mistakes", run="new")
    app.segmented_control(key="mistakes_table").set_value("By class").run()
    assert not app.exception
    lists = [element for element in app.get("bidi_component") if "bars" in element.proto.component_name]
    bars = {bar["label"]: bar["cells"] for bar in json.loads(lists[0].proto.json)["bars"]}
    assert bars["bee"][0] == bars["emu"][0] == "–" and bars["bee"][2] == "0" and bars["ape"][2] == "8"


def test_its_maps_are_precomputed(runs, call_main):
    code, said = call_main(precompute, "--run", runs / "new", "--layers", "layer4")
    assert code == 0 and "24 images" in said, said


def test_what_trust_measures_on_are_images_that_there_are(evaluated):
    sample = draw_sample(Run(evaluated), 24)
    assert sorted(sample.rows) == [*range(24)] and sample.mosaics.shape == (0, 4)  # of four classes, all right
    labels = np.array([0, 2, 3, 5]).repeat(2)  # of classes 1 and 4 there is none
    rows = choose_mosaics(labels, labels, np.linspace(0.5, 1, 8), 20)
    assert (np.sort(labels[rows], axis=1) == [0, 2, 3, 5]).all()
