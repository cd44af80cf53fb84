"""The Layers view through AppTest: which maps it shows, what it writes into the address, what it says is missing."""

import io
import re
import shutil
import tomllib
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from sightline.app.maps import compute
from sightline.app.views.layers import upload
from sightline.app.views.layers.upload import HowSeen, read_upload
from sightline.explain.attribution.methods import LAYER_METHODS, PIXEL_METHODS
from sightline.image_data import DataError
from sightline.image_data.decode import decode_image
from sightline.image_data.resize import Resize
from sightline.run_store.maps import MapsWriter
from sightline.run_store.run import Run
from tests.app_pages import checked, edit_record, open_page
from tests.fabricated import LAYERS, ROOT, fabricate_run, keep_thumbnails, speak_against

NAMES = ("cat", "dog", "owl")
HOSTILE = ("<img src=x onerror=alert(1)>", ":red[x]", "![x](http://a.b/c.png)")
IMAGES = 12
RIGHT, WRONG = 1, 5  # every fifth prediction of a fabricated run is wrong
LARGE = 128  # pixels: the run keeps thumbnails of 96


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
    keep_thumbnails(runs / "large", paths, LARGE)
    return runs / "large"


def open_layers(popover=False, **query):
    return open_page("layers", {"layers_popover": popover, "layers_appearance": True}, **query)


def reopened(app):
    """The same address in a new session."""
    return open_layers(**{key: app.query_params[key] for key in app.query_params})


def maps_of(app):
    """The text alternatives of the maps, row by row, as a browser would read them."""
    return [unescape(text) for body in grids_of(app)[:1] for text in re.findall(r'(?:alt|aria-label)="(.*?)"', body)]


def grids_of(app):
    """The HTML of the grid, and of all classes where these are shown."""
    bodies = [element.proto.body for element in app.get("html")]
    return [body for body in bodies if body.startswith('<div class="map-')]


def findings_of(app):
    """Word and explanation of each badge."""
    found = re.findall(r'<span class="finding[^>]*>(.*?)<span class="reason">(.*?)</span>', grids_of(app)[0])
    return [(unescape(name), unescape(words)) for name, words in found]


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
        f"Grad-CAM at {layer}, {row}" for row in ("Predicted", "True", "Difference") for layer in LAYERS
    ]


def test_a_right_prediction_is_held_against_its_runner_up(run):
    maps = maps_of(open_layers(image=str(RIGHT), show="all"))
    assert len(maps) == 3 * len(LAYERS) and "Predicted: dog " in maps[0]
    runner_up = re.search(r"Runner-up: (\w+) ", maps[len(LAYERS)])[1]
    assert f"Difference: dog − {runner_up};" in maps[-1] and runner_up != "dog"


def test_the_map_says_the_extremes_that_captum_computes(run):
    import torch
    from captum.attr import LayerGradCam

    opened = Run(run)
    model = opened.load_model()
    pixels = opened.to_input(opened.images()[[RIGHT]]).requires_grad_(True)
    expected = LayerGradCam(model, model.layer2).attribute(pixels, target=torch.tensor([2]))
    (text,) = maps_of(open_layers(image=str(RIGHT), show="all", layer="layer2", target="class:owl", sign="signed"))
    said = re.search(r"; (\S+) to (\S+)$", text)
    assert [float(figure.replace("−", "-")) for figure in said.groups()] == pytest.approx(
        [expected.min().item(), expected.max().item()], rel=1e-2
    )


def test_chosen_layers_come_shallow_to_deep_and_survive_in_the_address(run):
    app = open_layers(image=str(WRONG), popover=True)
    checked(app.multiselect(key="layers_layers").set_value(["layer4", "layer2"]).run())
    assert set(address_of(app, "layer")) == {"layer2", "layer4"}
    for shown in (app, reopened(app)):
        layers = [re.search(r"layer\d", text)[0] for text in maps_of(shown)]
        assert layers == ["layer2", "layer4"] * 3
    checked(app.multiselect(key="layers_layers").set_value([]).run())
    assert len(maps_of(app)) == 3 * len(LAYERS)  # without a choice there would be an empty page


def test_any_class_can_be_explained_and_survives_in_the_address(run):
    app = open_layers(image=str(WRONG), layer="layer4")
    checked(app.multiselect(key="layers_targets").set_value(["class:cat", "class:dog"]).run())
    assert address_of(app, "target") == ["class:cat", "class:dog"]
    for shown in (app, reopened(app)):
        assert [re.search(r"Class: (\w+)", text)[1] for text in maps_of(shown)] == ["cat", "dog"]


def test_classes_named_like_the_other_targets_are_told_apart(runs):
    fabricate_run(runs / "run", IMAGES, ("false", "true", "predicted"), with_model=True)
    app = open_layers(image=str(RIGHT), show="all", layer="layer4")
    checked(app.multiselect(key="layers_targets").set_value(["class:true", "class:predicted", "predicted"]).run())
    assert address_of(app, "target") == ["class:true", "class:predicted", "predicted"]
    rows = [re.search(r"layer4, (\w+: \w+)", text)[1] for text in maps_of(app)]
    assert rows == ["Class: true", "Class: predicted", "Predicted: true"]


def test_sign_cells_colours_and_opacity_survive_in_the_address(run):
    app = open_layers(image=str(WRONG), layer="layer3")
    checked(app.button_group(key="layers_sign").set_value("signed").run())
    checked(app.button_group(key="layers_cells").set_value("true").run())
    checked(app.selectbox(key="layers_colours").set_value("PuOr_r").run())
    checked(app.slider(key="layers_opacity").set_value(85).run())
    wanted = {"sign": "signed", "cells": "true", "colours": "PuOr_r", "opacity": "85", "image": str(WRONG)}
    assert {key: address_of(app, key)[0] for key in wanted} == wanted
    again = reopened(app)
    assert all(" to " in text for text in maps_of(again)) and len(maps_of(again)) == 3
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
    assert f"<span>{LARGE}×{LARGE}</span>" in grids_of(app)[0]  # layer1 keeps the input's resolution


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
    app = open_layers(true="cat", predicted="owl", range="confidence:0.9999..0.99991")
    assert "No image passes the filters" in markdown_of(app) and not maps_of(app)


def test_hostile_names_are_shown_as_text(runs):
    fabricate_run(runs / "run", IMAGES, HOSTILE, with_model=True)
    app = open_layers(image=str(WRONG), target=[f"class:{name}" for name in HOSTILE], layer="layer4")
    assert len(maps_of(app)) == len(HOSTILE)
    assert not re.search(r"(?<!\\)[<!`$]|(?<!\\):red\\?\[", markdown_of(app))


def test_hostile_layer_names_are_shown_as_text_and_refused_in_words(run):
    record = run / "run.json"
    record.write_text(record.read_text().replace("layer4", ":red[x]"))
    app = open_layers(image=str(WRONG), popover=True)
    assert "has no layer ':red[x]'" in warnings_of(app) and not maps_of(app)
    assert not re.search(r"(?<!\\)[<!`$]|(?<!\\):red\\?\[", markdown_of(app))


@pytest.mark.parametrize("file", ["images.npy", "predictions.parquet", "run.json"])
def test_a_run_without_its_predictions_says_what_to_do(run, file):
    (run / file).write_bytes(b"other bytes")
    app = open_layers(image=str(WRONG))
    assert not maps_of(app) and "damaged" in "".join(element.value for element in app.subheader)


def test_any_layer_with_a_map_can_be_added_and_is_listed_with_its_size(run):
    app = open_layers(image=str(WRONG), popover=True, layer="layer2.0.bn2")
    assert {"layer2.0.bn2 · 16×16", "layer4 · 4×4", "conv1 · 32×32"} <= set(
        app.multiselect(key="layers_layers").options
    )
    assert [re.search(r"at (\S+),", text)[1] for text in maps_of(app)] == ["layer2.0.bn2"] * 3


def test_the_network_is_not_asked_for_its_layers_until_somebody_wants_to_choose(run, monkeypatch):
    from sightline.explain.attribution import grids

    monkeypatch.setattr(grids, "map_layers", None)
    assert len(maps_of(open_layers(image=str(WRONG)))) == 3 * len(LAYERS)


def test_more_layers_than_fit_side_by_side_are_counted(run):
    layers = [f"layer{stage}.{block}.conv{number}" for stage in (1, 2, 3) for block in (0, 1) for number in (1, 2)]
    app = open_layers(image=str(WRONG), layer=layers, target="predicted")
    assert len(maps_of(app)) == 8 and "the first 8 of 12" in warnings_of(app)


@pytest.mark.parametrize("method", LAYER_METHODS)
def test_every_layer_method_shows_its_maps_and_survives_in_the_address(run, method):
    app = open_layers(image=str(WRONG), layer=["layer2", "layer4"])
    checked(app.selectbox(key="layers_method").set_value(method).run())
    for shown in (app, reopened(app)):
        maps = maps_of(shown)
        assert len(maps) == 6 and all(text.startswith(f"{LAYER_METHODS[method].title} at layer") for text in maps)
    assert app.button_group(key="layers_sign").disabled == (not LAYER_METHODS[method].signed)


@pytest.mark.parametrize("method", PIXEL_METHODS)
def test_a_pixel_method_has_one_column_at_the_size_of_the_input(run, method):
    app = open_layers(image=str(WRONG), method=method, layer="layer4")
    maps = maps_of(app)
    assert [re.search(r"at (\S+), (\S+):", text).groups() for text in maps] == [
        ("input", row) for row in ("Predicted", "True", "Difference")
    ]
    assert "<span>32×32</span>" in grids_of(app)[0] and not [item for item in app.toggle if "All classes" in item.label]
    checked(app.selectbox(key="layers_method").set_value("gradcam").run())
    assert len(maps_of(app)) == 3 and "layer4" in maps_of(app)[0]  # the chosen layer is not forgotten


@pytest.fixture
def slow(monkeypatch):
    """A pixel method that is seen three times, up to a half of each class, and then computed."""
    real = compute.watch

    def watch(key, work, look):
        for done, total in ((0, 1), (1, 4), (2, 4)):
            look(done, total)
        return real(key, work, look)

    monkeypatch.setattr(compute, "watch", watch)


def test_a_slow_method_says_how_far_it_is_and_nothing_of_that_is_left_in_the_end(run, slow, monkeypatch):
    shares = []
    monkeypatch.setattr(DeltaGenerator, "progress", lambda self, value, text=None: shares.append((value, text)) or self)
    app = open_layers(image=str(WRONG), method="occlusion")
    words = [text for value, text in shares if text]
    assert words[:2] == ["Occlusion: starting", "Occlusion: 1 of 12 passes"]  # a quarter of the first of three classes
    assert words[2].startswith("Occlusion: 2 of 12 passes, ") and words[2].endswith(" left")
    assert len(maps_of(app)) == 3 and not [button for button in app.button if button.label == "Stop"]


def test_what_was_stopped_stays_so_until_somebody_starts_it_again(run):
    app = open_page("layers", {"maps_stopped": {("run", WRONG, "occlusion")}}, image=str(WRONG), method="occlusion")
    assert "No maps: Occlusion was stopped." in warnings_of(app) and not grids_of(app)
    checked(app.run())
    assert "Occlusion was stopped" in warnings_of(app)
    checked(app.selectbox(key="layers_method").set_value("gradcam").run())
    assert len(maps_of(app)) == 3 * len(LAYERS)
    checked(app.selectbox(key="layers_method").set_value("occlusion").run())
    checked(app.button(key="maps_restart_run").click().run())
    assert len(maps_of(app)) == 3 and not app.warning


def test_the_difference_of_a_method_that_is_not_linear_is_the_map_of_the_difference(run):
    import torch

    from sightline.explain.attribution.engine import layer_attributions

    opened = Run(run)
    label, predicted = (int(opened.predictions().column(name)[WRONG]) for name in ("label", "predicted"))
    pixels = opened.to_input(opened.images()[[WRONG]])
    codes = torch.tensor([predicted]), torch.tensor([label])
    expected = layer_attributions(opened.load_model(), pixels, ["layer3"], codes[0], "layercam", minus=codes[1])
    (text,) = maps_of(open_layers(image=str(WRONG), method="layercam", layer="layer3", target="difference"))
    assert float(re.search(r"max (\S+?)(;|$)", text)[1]) == pytest.approx(expected["layer3"].max().item(), rel=1e-2)


def test_show_sets_the_opacity_and_the_opacity_says_what_is_shown(run):
    app = open_layers(image=str(WRONG), layer="layer4")
    for show, opacity in (("map", "100"), ("input", "0")):
        checked(app.button_group(key="layers_show").set_value(show).run())
        assert address_of(app, "opacity") == [opacity] and f"--opacity:{int(opacity) / 100:g};" in grids_of(app)[0]
    checked(app.slider(key="layers_opacity").set_value(35).run())
    assert app.button_group(key="layers_show").value == "overlay" and "--opacity:0.35;" in grids_of(app)[0]


def test_a_shared_scale_changes_the_weaker_maps_of_a_row_and_their_numbers_stay(run):
    app = open_layers(image=str(WRONG), target="predicted")
    own, said = pictures_of(app), maps_of(app)
    checked(app.button_group(key="layers_scale").set_value("row").run())
    assert address_of(app, "scale") == ["row"] and maps_of(app) == said
    highest = [float(re.search(r"max (\S+?)(;|$)", text)[1].replace("−", "-")) for text in said]
    strongest = int(np.argmax(highest))
    for place, (before, after) in enumerate(zip(own, pictures_of(app), strict=True)):
        assert (before == after) == (place == strongest or highest[place] <= 0)


def pictures_of(app):
    return re.findall(r'<img alt=".*?" src="(.*?)"', grids_of(app)[0])


def test_what_is_found_on_a_map_can_be_reached_without_a_mouse_and_nothing_else_is_said(run):
    """Weights below zero leave nothing positive for the owl: its map is blank, and nothing is found on the cat's."""
    speak_against(run, NAMES.index("owl"))
    app = open_layers(image=str(WRONG), layer="layer4", target=["predicted", "true"])
    cat, owl = maps_of(app)
    assert re.search(r"Predicted: cat .*; max \S+$", cat) and re.search(r"True: owl .*; max \S+; blank$", owl)
    (words,) = [words for name, words in findings_of(app) if name == "blank"]
    assert "all evidence is against the class" in words
    assert grids_of(app)[0].count('class="finding ') == len(findings_of(app)) == 1


def test_whether_maps_tell_classes_apart_is_judged_by_the_two_likeliest_whatever_is_shown(run):
    """Two classes with nearly the same weights have the same map, also in the row of a third."""
    from safetensors.torch import load_file, save_file

    opened = Run(run)
    predicted = int(opened.predictions().column("predicted")[WRONG])
    order = np.argsort(-opened.predictions().probabilities[WRONG].astype(float))
    third = NAMES[order[2]]
    weights = load_file(run / "model.safetensors")
    weights["fc.weight"][int(order[1])] = weights["fc.weight"][predicted]
    save_file(weights, run / "model.safetensors")
    app = open_layers(image=str(WRONG), layer="layer4", target=f"class:{third}", sign="signed")
    assert [name for name, _ in findings_of(app)] == ["same for all"]
    assert "two likeliest classes correlate by 1.00" in findings_of(app)[0][1]


def test_a_map_that_is_not_finite_says_where_it_arose_and_the_input_stays(run):
    from safetensors.torch import load_file, save_file

    weights = load_file(run / "model.safetensors")
    weights["layer3.0.conv1.weight"][0] = float("nan")
    save_file(weights, run / "model.safetensors")
    app = open_layers(image=str(WRONG), layer="layer4")
    assert [name for name, _ in findings_of(app)] == ["not finite"] * 3
    assert "It arose in layer3.0.conv1." in findings_of(app)[0][1]
    assert not pictures_of(app) and "--input:url(data:image/png" in grids_of(app)[0]


def test_all_classes_at_the_deepest_layer_come_likeliest_first(run):
    app = open_layers(image=str(WRONG), layer=["layer1", "layer4"])
    checked(app.toggle(key="layers_all_classes").set_value(True).run())
    assert address_of(app, "classes") == ["all"]
    for shown in (app, reopened(app)):
        texts = [unescape(text) for text in re.findall(r'(?:alt|aria-label)="(.*?)"', grids_of(shown)[1])]
        shares = [float(re.search(r"(\S+)\s%", text)[1]) for text in texts]
        assert len(texts) == len(NAMES) and shares == sorted(shares, reverse=True)
        assert all(" at layer4, " in text for text in texts)


def precompute(run, method="gradcam", targets=("predicted", "label"), value=7.0):
    """As `sightline precompute` does, but with maps that no network would return."""
    for layer, side in zip(LAYERS, (32, 16, 8, 4), strict=True):
        for target in targets:
            writer = MapsWriter(Run(run), method, layer, target, (side, side))
            ramp = np.linspace(-1, value, side * side, dtype=np.float32).reshape(side, side)
            writer.write(np.arange(IMAGES), np.stack([ramp * (image + 1) for image in range(IMAGES)]))
            writer.finish()


def test_maps_computed_ahead_of_time_are_shown_and_named(run):
    app = open_layers(image=str(WRONG))
    assert re.search(r"Computed in \d+\.\d\d s\.", markdown_of(app))
    precompute(run)
    app = open_layers(image=str(WRONG), target=["predicted", "true", "difference"])
    assert all(text.endswith(f"max {7 * (WRONG + 1)}") for text in maps_of(app)[: 2 * len(LAYERS)])
    assert all("0 to 0; blank" in text for text in maps_of(app)[2 * len(LAYERS) :])  # both maps are the same here


def test_maps_computed_ahead_of_time_need_no_model(runs):
    fabricate_run(runs / "run", IMAGES, NAMES[:2])
    precompute(runs / "run")
    app = open_layers(image=str(WRONG))
    assert len(maps_of(app)) == 3 * len(LAYERS) and "Precomputed." in markdown_of(app)
    assert not app.warning and "Computed in" not in markdown_of(app)


def test_what_was_not_computed_ahead_of_time_is_said_beside_what_was(runs):
    fabricate_run(runs / "run", IMAGES, NAMES)
    precompute(runs / "run", targets=("predicted",))
    app = open_layers(image=str(WRONG))
    assert "Not all maps: " in warnings_of(app) and "model.safetensors" in warnings_of(app)
    assert sum("; no map" in text for text in maps_of(app)) == 2 * len(LAYERS)


def test_maps_of_another_network_are_named(run):
    precompute(run)
    for kind in ("npy", "scale.npy"):
        shutil.copy(run / "maps/gradcam/layer4" / f"predicted.{kind}", run / "maps/gradcam/layer1")
        (run / "maps/gradcam/layer1" / f"label.{kind}").unlink()
    app = open_layers(image=str(WRONG))
    assert "of another network" in warnings_of(app) and "sightline precompute" in warnings_of(app)


def test_damaged_maps_are_named_and_computed_again(run):
    precompute(run)
    for file in (run / "maps").rglob("*.npy"):
        file.write_bytes(b"other bytes")
    app = open_layers(image=str(WRONG))
    assert len(pictures_of(app)) and "sightline precompute" in warnings_of(app)


def uploaded(app, name, content):
    return checked(app.file_uploader[0].set_value((name, content, "image/png")).run())


def encoded(size=(50, 40), format="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(3).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(
        stream, format, **options
    )
    return stream.getvalue()


def test_an_upload_is_decoded_once_for_a_network(run, monkeypatch):
    decoded = []
    real = upload.decode_image
    monkeypatch.setattr(upload, "decode_image", lambda *arguments: decoded.append(arguments) or real(*arguments))
    app = uploaded(open_layers(), "my.png", encoded())
    checked(app.selectbox(key="layers_method").set_value("hirescam").run())
    assert "my\\.png" in markdown_of(app) and len(decoded) == 1
    edit_record(run, input_size=48)
    checked(app.run())
    edit_record(run, resize={"rule": "squash"})
    checked(app.run())
    checked(app.toggle(key="layers_fit").set_value(True).run())  # decoded as it is
    assert [how for _, *how in decoded] == [[32, Resize()], [48, Resize()], [48, Resize("squash")], []]
    uploaded(app, "other.png", encoded((60, 60)))
    assert len(decoded) == 5


@pytest.mark.parametrize(
    "size, resize, words",
    [
        ((60, 45), Resize(), "The middle 45×45 of 60×45 pixels is seen, as 32×32."),
        ((45, 60), Resize(share=0.8), "The middle 36×36 of 45×60 pixels is seen, as 32×32."),
        ((60, 45), Resize("squash"), "All of 60×45 pixels is seen, squashed into 32×32."),
        ((45, 45), Resize(), "All of 45×45 pixels is seen, as 32×32."),
    ],
)
def test_what_is_cut_off_an_upload_is_said(run, size, resize, words):
    edit_record(run, resize=vars(resize))
    app = uploaded(open_layers(), "my.png", encoded(size))
    assert words in markdown_of(app)
    is_whole = size[0] == size[1]
    assert [toggle.label for toggle in app.toggle if toggle.key == "layers_fit"] == ["Fit the whole image in"][
        is_whole:
    ]


def test_a_turned_photograph_is_measured_as_it_is_seen(run):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    app = uploaded(open_layers(), "my.jpg", encoded((60, 45), "JPEG", exif=exif))
    assert "of 45×60 pixels is seen" in markdown_of(app)


def test_a_whole_image_is_fitted_in_on_bands_of_what_the_network_takes_for_zero(run):
    mean = [0.2, 0.4, 0.6]
    edit_record(run, mean=mean)
    stream = io.BytesIO()
    Image.new("RGB", (64, 32), (250, 10, 20)).save(stream, "PNG")
    app = uploaded(open_layers(), "wide.png", stream.getvalue())
    assert "The middle 32×32 of 64×32 pixels is seen" in markdown_of(app)
    checked(app.toggle(key="layers_fit").set_value(True).run())
    assert "All of 64×32 pixels is seen, fitted into 32×32." in markdown_of(app)
    expected = np.full((32, 32, 3), (51, 102, 153), np.uint8)
    expected[8:24] = (250, 10, 20)
    how = HowSeen(32, fit=(51, 102, 153))
    np.testing.assert_array_equal(read_upload("wide.png", stream.getvalue(), how).pixels, expected)
    opened = Run(run)
    p = opened.load_model()(opened.to_input(expected[None])).softmax(1)[0]
    assert f"Predicted: {NAMES[int(p.argmax())]} {100 * p.max():.1f}" in maps_of(app)[0]


def test_an_upload_that_the_network_has_no_finite_answer_to_is_taken_for_nothing(run):
    from safetensors.torch import load_file, save_file

    weights = load_file(run / "model.safetensors")
    weights["fc.bias"][0] = float("inf")
    save_file(weights, run / "model.safetensors")
    app = uploaded(open_layers(image=str(WRONG)), "a.png", encoded())
    assert "a.png cannot be shown to the network: its answer is not finite" in app.error[0].value.replace("\\", "")
    assert f"**Image {WRONG}**" in markdown_of(app)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_an_uploaded_image_is_explained_as_the_model_sees_it(run, format):
    content = encoded(format=format)
    app = uploaded(open_layers(image=str(WRONG)), f"my.{format.lower()}", content)
    opened = Run(run)
    pixels = decode_image(io.BytesIO(content), 32)
    expected = opened.load_model()(opened.to_input(pixels[None])).softmax(1)[0]
    first, second = (NAMES[code] for code in expected.argsort(descending=True)[:2])
    maps = maps_of(app)
    assert f"Predicted: {first} {100 * expected.max():.1f}\xa0%" in maps[0]
    assert f"Runner-up: {second} " in maps[len(LAYERS)] and f"Difference: {first} − {second}" in maps[-1]
    assert f"taken for** **{first}" in markdown_of(app) or f":gray[taken for] **{first}**" in markdown_of(app)
    assert "address does not carry it" in markdown_of(app) and "my" not in str(dict(app.query_params))
    checked(app.button(key="layers_back").click().run())
    assert f"**Image {WRONG}**" in markdown_of(app)


def test_rows_that_an_upload_does_not_have_are_left_out(run):
    app = uploaded(open_layers(image=str(WRONG), target=["true", "class:owl"], layer="layer4"), "a.png", encoded())
    assert [re.search(r"layer4, (\w+: \w+)", text)[1] for text in maps_of(app)] == ["Class: owl"]


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("notes.png", b"not an image at all", "no PNG, JPEG or WebP image"),
        ("half.png", encoded((200, 200))[:9000], "truncated"),
        ("large.png", (6_000, 5_000), "more than 25 million pixels"),
        ("bomb.png", (14_000, 14_000), "more than 25 million pixels"),  # which Pillow itself refuses to open
        ("moving.png", encoded(format="GIF"), "no PNG, JPEG or WebP image"),
        ("empty.png", b"", "no PNG, JPEG or WebP image"),
        ("<b>:red[x].png", b"text", "no PNG, JPEG or WebP image"),
    ],
)
def test_an_upload_that_is_no_image_is_refused_in_one_sentence(run, name, content, words):
    if isinstance(content, tuple):
        stream = io.BytesIO()
        Image.new("1", content).save(stream, "PNG")
        content = stream.getvalue()
    app = uploaded(open_layers(image=str(WRONG)), name, content)
    (error,) = app.error
    assert words in error.value.replace("\\", "") and len(error.value) < 200
    assert not re.search(r"(?<!\\)[<!`$]|(?<!\\):red\\?\[", error.value)
    assert len(maps_of(app)) == 3 * len(LAYERS) and f"**Image {WRONG}**" in markdown_of(app)
    assert not checked(app.run()).error  # said once


def test_the_server_takes_as_much_as_the_control():
    settings = tomllib.loads((ROOT / "app" / ".streamlit" / "config.toml").read_text())
    assert settings["server"]["maxUploadSize"] == upload.MEGABYTES


def test_an_upload_larger_than_the_limit_is_refused():
    with pytest.raises(DataError, match="big.png could not be shown: it is larger than 20 MB"):
        read_upload("big.png", bytes(20 * 2**20 + 1), HowSeen(32))


def test_without_its_weights_a_run_says_why_an_upload_cannot_be_shown(run):
    (run / "model.safetensors").unlink()
    app = uploaded(open_layers(image=str(WRONG)), "a.png", encoded())
    assert "model.safetensors" in app.error[0].value.replace("\\", "") and "taken for" in markdown_of(app)


def test_mistakes_shows_the_map_of_what_was_predicted_on_demand(run):
    app = open_page("mistakes", image=str(WRONG))
    assert not maps_of(app)
    app.toggle(key="mistakes_map").set_value(True).run()
    (only,) = maps_of(checked(app))
    assert only.startswith(f"Grad-CAM at {LAYERS[-1]}, Predicted: cat ") and app.query_params["map"] == "shown"
    (layer,) = maps_of(open_page("mistakes", image=str(WRONG), map="shown", layer=LAYERS[1], method="layercam"))
    assert layer.startswith(f"LayerCAM at {LAYERS[1]}, Predicted: cat ")
    app.toggle(key="mistakes_map").set_value(False).run()
    assert not maps_of(checked(app)) and "map" not in app.query_params


def test_mistakes_without_weights_says_that_there_is_no_map_and_shows_the_image(run):
    (run / "model.safetensors").unlink()
    app = open_page("mistakes", image=str(WRONG), map="shown")
    assert any("No map" in caption.value for caption in app.caption) and app.get("image")
