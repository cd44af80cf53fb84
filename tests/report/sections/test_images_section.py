"""The images of a report: which maps stand beside each, and what is said where there are none."""

import base64
import io
import json
import re
import shutil
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

from sightline.explain.attribution.methods import PIXEL_METHODS
from sightline.report.asked import ask
from sightline.report.page import make_report
from sightline.report.sections.images import images
from sightline.run_store.maps import MapsWriter, remove_maps
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from tests.app_pages import edit_predicted, edit_record
from tests.fabricated import LAYERS, fabricate_run

SIZES = {"layer1": (8, 8), "layer2": (8, 8), "layer3": (4, 4), "layer4": (2, 2)}


def write_maps(path, value_of, layers=LAYERS, targets=("predicted", "label"), sizes=SIZES):
    """Write Grad-CAM maps that are 1 in one corner and, in the other, what `value_of(target, image)` says."""
    run = Run(path)
    rows = np.arange(len(run.images()))
    for target in targets:
        for layer in layers:
            values = np.zeros((len(rows), *sizes[layer]), np.float32)
            values[:, 0, 0] = 1
            values[:, -1, -1] = [value_of(target, row) for row in rows]
            writer = MapsWriter(run, "gradcam", layer, target, sizes[layer])
            writer.write(rows, values)
            writer.finish()


@pytest.fixture
def run(tmp_path, fabricated):
    """A run whose images 0, 5 and 10 of 12 are wrong, with stored maps, whose maximum says which map it is."""
    path = shutil.copytree(fabricated, tmp_path / "run")
    write_maps(path, lambda target, row: row + (2 if target == "predicted" else 20))
    return path


@pytest.fixture
def no_torch(monkeypatch):
    """Let nobody load a network."""
    monkeypatch.setattr(Run, "load_model", lambda self: pytest.fail("The network was loaded."))


def shown(path, query="", **options):
    return images(ask(Run(path), query=query, **options))


def pixels_of(uri):
    kind, _, content = uri.partition(";base64,")
    return kind, np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def test_each_mistake_has_the_stored_maps_of_both_its_classes_at_every_layer(run, no_torch):
    facts = shown(run)
    assert facts["problems"] == []
    assert list(facts["targets"].values()) == ["Predicted", "True"]
    assert list(facts["layers"]) == list(LAYERS)
    by_title = {image["title"]: image for image in facts["shown"]}
    assert set(by_title) == {"Image 0", "Image 5", "Image 10"}
    maps = by_title["Image 5"]["maps"]
    assert [(one["target"], one["at"]) for one in maps] == [
        (target, layer) for target in ("predicted", "rival") for layer in LAYERS
    ]
    assert [one["extremes"] for one in maps] == ["max 7"] * 4 + ["max 25"] * 4


def test_an_image_is_kept_once_and_without_losses_where_it_is_small(run):
    html = make_report(ask(Run(run))).html
    uris = re.findall(r'src="(data:image/png;base64,[^"]*)"', html)
    pixels = Run(run).images()[[0, 5, 10]]
    inputs = [found for uri in uris if (found := pixels_of(uri)[1]).shape == (32, 32, 3)]
    assert {found.tobytes() for found in inputs} == {image.tobytes() for image in pixels}
    assert len(inputs) == 3
    assert "not lossless" not in html


def test_a_large_image_is_webp_and_the_page_says_so(tmp_path):
    fabricate_run(tmp_path / "large", 10, side=224, input_size=224)
    report = make_report(ask(Run(tmp_path / "large"))).html
    assert "data:image/webp" in report
    assert "not lossless" in report


def test_a_map_is_painted_smooth_or_in_its_true_cells(run):
    (smooth,) = {pixels_of(one["uri"])[1].shape for one in shown(run)["shown"][0]["maps"]}
    assert smooth == (64, 64, 3)
    true = shown(run, "cells=true")["shown"][0]["maps"]
    assert [pixels_of(one["uri"])[1].shape[:2] for one in true[:4]] == list(SIZES.values())


def test_what_was_not_computed_ahead_of_time_is_computed_now_and_is_what_the_engine_computes(fabricated, tmp_path):
    from torch import tensor

    from sightline.explain.attribution.engine import layer_attributions

    path = shutil.copytree(fabricated, tmp_path / "run")
    facts = shown(path)
    opened = Run(path)
    predictions = opened.predictions()
    model = opened.load_model()
    for image in facts["shown"]:
        row = int(image["title"].split()[1])
        codes = tensor([[int(predictions.column(name)[row]) for name in ("predicted", "label")]])
        maps = layer_attributions(model, opened.to_input(opened.images()[[row]]), LAYERS, codes)
        said = [float(one["extremes"].split()[1].replace("−", "-")) for one in image["maps"]]
        expected = [float(maps[layer][0, place].max()) for place in range(2) for layer in LAYERS]
        assert said == pytest.approx(expected, rel=0.01)


def test_a_right_image_is_held_against_its_runner_up(run):
    facts = shown(run, "show=right", images=2)
    assert facts["targets"] == {"predicted": "Predicted", "rival": "Runner-up"}
    assert [len(image["maps"]) for image in facts["shown"]] == [8, 8]


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion", "gradcam++"])
def test_other_methods_and_targets_that_were_asked_for_are_computed(fabricated, tmp_path, method):
    path = shutil.copytree(fabricated, tmp_path / "run")
    targets = ["predicted", "class:owl", "difference"]
    facts = shown(path, urlencode({"method": method, "target": targets}, doseq=True), images=1)
    maps = facts["shown"][0]["maps"]
    assert facts["problems"] == []
    assert len(maps) == 3 * (1 if method in PIXEL_METHODS else 4)
    assert all(one["uri"] for one in maps)
    assert list(facts["targets"]) == targets


def test_a_run_without_maps_and_network_shows_its_images_and_says_why(fabricated, tmp_path):
    path = shutil.copytree(fabricated, tmp_path / "run")
    edit_record(path, network="none")
    facts = shown(path)
    assert len(facts["shown"]) == 3
    assert not facts["has_maps"]
    assert facts["problems"] == ["No maps: Run run has no network, and no maps were computed ahead of time."]
    assert "no maps were computed ahead of time" in make_report(ask(Run(path))).html


def test_without_a_network_stored_maps_are_shown_as_far_as_they_go(run, no_torch):
    edit_record(run, network="none")
    facts = shown(run, "show=all")
    assert {len(image["maps"]) for image in facts["shown"]} == {4, 8}
    assert facts["problems"] == []


def test_damaged_maps_and_no_network_are_a_sentence(run):
    (run / "maps/gradcam/layer2/predicted.npy").write_bytes(b"nonsense")
    edit_record(run, network="none")
    facts = shown(run)
    assert not facts["has_maps"]
    assert len(facts["shown"]) == 3
    assert "layer2" in facts["problems"][0]


def test_damaged_maps_are_computed_again(run):
    (run / "maps/gradcam/layer2/predicted.npy").write_bytes(b"nonsense")
    facts = shown(run)
    assert facts["problems"] == []
    assert [len(image["maps"]) for image in facts["shown"]] == [8] * 3


def test_maps_of_another_network_are_not_mixed_with_new_ones(run):
    remove_maps(run)
    write_maps(run, lambda target, row: 3, layers=["layer4"], targets=["predicted"], sizes={"layer4": (5, 5)})
    facts = shown(run)
    assert "of another network" in facts["problems"][0]
    assert facts["problems"][0].startswith("Not all maps: ")


def test_missing_originals_are_a_sentence_and_the_thumbnails_stay(tmp_path):
    paths = tuple(str(tmp_path / f"{number}.png") for number in range(10))
    fabricate_run(tmp_path / "run", 10, side=96, input_size=128, paths=paths, with_model=True)
    facts = shown(tmp_path / "run")
    assert facts["shown"]
    assert not facts["has_maps"]
    assert "a map needs the original" in facts["problems"][0]


def test_the_chosen_image_is_shown_first_where_it_would_not_be_among_the_first(run):
    def said(query, most):
        asked = ask(Run(run), query=f"show=all&order=test-order&{query}", images=most)
        return images(asked)["said"].split(", with")[0], asked.shown_rows.tolist()

    assert said("", 24) == ("12 images of the set, test order", list(range(12)))
    assert said("image=1", 2) == ("The first 2 of 12 images of the set, test order", [0, 1])
    chosen = "2 of 12 images of the set, the chosen one before the others, test order"
    assert said("image=9", 2) == (chosen, [9, 0])
    assert said("image=9&true=dog", 2)[1] == said("true=dog", 2)[1]  # not of the set


def test_how_far_computing_is_is_told(fabricated, tmp_path):
    path = shutil.copytree(fabricated, tmp_path / "run")
    told = []
    images(ask(Run(path), query="method=occlusion&show=all", progress=lambda *far: told.append(far)))
    assert told == [(0, 12), (4, 12), (8, 12)]


def test_an_empty_set_is_a_sentence_and_no_images_asked_for_no_section(run):
    facts = shown(run, "true=cat&predicted=owl&show=right")
    assert facts["problems"] == ["No image passes the filters: the set is empty."]
    assert shown(run, images=0) is None


def test_no_predictions_are_a_sentence_in_place(run):
    (run / "predictions.parquet").unlink()
    with pytest.raises(RunError, match="^Run run has lost its predictions"):
        images(ask(Run(run)))
    assert "Run run has lost its predictions" in make_report(ask(Run(run))).html


def test_two_runs_stand_side_by_side_with_what_b_takes_it_for(run, tmp_path, no_torch):
    other = shutil.copytree(run, tmp_path / "other")
    remove_maps(other)
    write_maps(other, lambda target, row: 100 + row)
    edit_predicted(other, {5: 2})  # dog taken for owl by both: `other` takes an owl for an owl
    facts = images(ask(Run(run), Run(other)))
    image = next(one for one in facts["shown"] if one["title"] == "Image 5")
    assert [guess["whose"].title for guess in image["guesses"]] == ["run", "other"]
    assert [guess["predicted"] for guess in image["guesses"]] == ["cat", "owl"]
    rows = [(one["target"], one["whose"].title) for one in image["maps"] if one["at"] == "layer1"]
    assert rows == [("predicted", "run"), ("predicted", "other"), ("rival", "run"), ("rival", "other")]


def test_b_without_maps_costs_a_nothing(run, tmp_path, no_torch):
    other = shutil.copytree(run, tmp_path / "other")
    remove_maps(other)
    edit_record(other, network="none")
    facts = images(ask(Run(run), Run(other)))
    assert facts["problems"] == ["No maps, other: Run other has no network, and no maps were computed ahead of time."]
    assert {one["whose"].title for image in facts["shown"] for one in image["maps"]} == {"run"}


def test_findings_and_support_are_said_of_maps_and_kinds(run):
    remove_maps(run)
    write_maps(run, lambda target, row: 1, sizes=dict.fromkeys(LAYERS, (1, 1)))
    facts = shown(run)
    assert {one["finding"] for image in facts["shown"] for one in image["maps"]} == {"flat"}
    assert [one["support"].name for one in facts["supports"]] == ["not measured"] * 4


def test_a_map_that_is_not_finite_is_no_picture_but_said(run):
    remove_maps(run)
    write_maps(run, lambda target, row: np.nan)
    html = make_report(ask(Run(run))).html
    assert 'class="finding"' in html
    assert all(one["uri"] == "" for image in shown(run)["shown"] for one in image["maps"])
    assert 'src=""' not in html


def test_what_a_stranger_calls_a_class_stays_text(tmp_path):
    name = "<img src=x onerror=alert(1)>"
    fabricate_run(tmp_path / "run", 10, (name, '"><script>', "owl"))
    html = make_report(ask(Run(tmp_path / "run"))).html
    assert name not in html
    assert '"><script>' not in html.replace('<script type="application/json">', "")


def test_where_there_are_masks_each_map_says_what_it_lies_on(run):
    masks = np.zeros((12, 32, 32), np.uint8)
    masks[:, 16:, 16:] = 1
    np.save(run / "masks.npy", masks)
    one = shown(run)["shown"][0]["maps"][2]
    (share,) = one["shares"]
    assert share["name"] == "object"
    assert float(share["share"].split()[0]) > 50  # all but the 1 in the other corner lies there
    assert json.dumps(one["shares"])  # plain numbers and texts
