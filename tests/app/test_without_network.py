"""A run without a network in every view: all that its predictions say, the maps that lie in it, and what is missing."""

import re
import shutil
from html import unescape

import numpy as np
import pyarrow.parquet as pq
import pytest

from sightline.app.elements.spreadsheets import set_as_csv
from sightline.app.views.layers.upload import _HELD
from sightline.run_store.maps import MapsWriter
from sightline.run_store.predictions_file import classes_table
from sightline.run_store.run import Run
from tests.app.views.test_compare_view import gallery_of
from tests.app_pages import edit_predicted, edit_record, open_page, rows_of

COMMAND = "sightline evaluate --model NAME --weights FILE --dataset 'folder:my data'"
WHY = f"It was made of predictions alone; record its network on the same images with: {COMMAND}"
RIGHT, WRONG = 1, 5  # of a fabricated run; true dog, and true owl taken for a cat


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    """A run of twelve predictions with probabilities, without a network and without features."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    run = shutil.copytree(fabricated, tmp_path / "runs" / "run")
    without = {"network": "none", "without_network": WHY, "layers": [], "mean": [], "std": [], "parameters": 0}
    edit_record(run, dataset="folder:my data", model="", recipe={"predictions": "t.csv"}, **without)
    (run / "model.safetensors").unlink()
    (run / "features.npy").unlink()
    return run


@pytest.fixture
def classes_only(run):
    """The same, of which only the predicted classes are known."""
    predictions = Run(run).predictions()
    table = classes_table(predictions.column("predicted"), predictions.column("label"))
    pq.write_table(table, run / "predictions.parquet")
    return run


@pytest.fixture
def with_network(run, fabricated):
    return shutil.copytree(fabricated, run.parent / "whole")


def text_of(app):
    kinds = ("markdown", "caption", "info", "warning", "subheader")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind)).replace("\\", "")


def maps_of(app):
    bodies = [element.proto.body for element in app.get("html")]
    return [unescape(words) for body in bodies if "map-grid" in body for words in re.findall(r'alt="(.*?)"', body)]


def labels_of(app):
    kinds = ("button", "toggle", "download_button", "file_uploader", "selectbox", "multiselect")
    return {element.proto.label for kind in kinds for element in app.get(kind)}


def bars_of(app):
    return [each for each in app.get("bidi_component") if "bars" in each.proto.component_name]


def write_maps(run, *layers, method="gradcam"):
    for layer in layers:
        for target in ("predicted", "label"):
            writer = MapsWriter(Run(run), method, layer, target, (4, 4))
            writer.write(np.arange(12), np.random.default_rng(0).normal(size=(12, 4, 4)).astype(np.float32))
            writer.finish()


def test_mistakes_are_whole(run):
    app = open_page("mistakes", run="run", show="all")
    assert len(gallery_of(app)) == 12 and "12" in text_of(app)
    assert "Where it looked" not in labels_of(app)
    assert "Not known: the run has no network." in text_of(app)
    assert app.selectbox(key="mistakes_order").value == "most confident first"


@pytest.mark.parametrize("view", ["layers", "trust"])
def test_layers_and_trust_say_what_is_missing_and_how_to_add_it(run, view):
    app = open_page(view, run="run", image=str(WRONG))
    assert "This run has no network." in text_of(app) and "record its network on the same images with:" in text_of(app)
    assert [element.value for element in app.code] == [COMMAND]
    assert not labels_of(app) & {"Measure", "Cover", "Upload an image of your own", "Method"}


def test_a_strangers_command_is_not_offered_for_copying(run):
    edit_record(
        run, without_network="Made elsewhere; mend it with: sightline evaluate; rm -rf ~", dataset="x; rm -rf ~"
    )
    app = open_page("layers", run="run")
    assert [element.value for element in app.code] == [
        "sightline evaluate --model NAME --weights FILE --dataset 'x; rm -rf ~'"
    ]
    edit_record(run, without_network=":red[x] <img src=x> cannot be exported.")
    app = open_page("layers", run="run")
    assert not app.code and ":red[x] <img src=x> cannot be exported." in text_of(app)


def test_an_upload_of_another_run_waits_for_a_run_with_a_network(run):
    app = open_page("layers", {_HELD: ("x.png", b"no image")}, run="run")
    assert not app.error and _HELD in app.session_state


def test_maps_that_lie_in_the_run_are_shown_and_nothing_is_computed(run):
    write_maps(run, "layer4", "conv.2")
    write_maps(run, "layer4", method="layercam")
    app = open_page("layers", run="run", image=str(WRONG))
    assert len(maps_of(app)) == 6  # three targets at two layers
    assert "This run has no network." in text_of(app) and "not checked" not in "".join(maps_of(app))
    assert app.selectbox(key="layers_method").options == ["Grad-CAM", "LayerCAM"]
    assert set(app.multiselect(key="layers_targets").options) == {"predicted", "true", "difference"}
    assert "Precomputed. Whether other classes have the same maps is not known." in text_of(app)
    assert not labels_of(app) & {"Measure", "Cover", "Upload an image of your own"}
    assert not any(label.startswith("All classes") for label in labels_of(app))
    assert len(maps_of(open_page("layers", run="run", image=str(RIGHT)))) == 2  # predicted alone
    app = open_page("layers", run="run", image=str(WRONG), method="layercam", layer="layer4", target="runner-up")
    assert maps_of(app) and all("LayerCAM at layer4, Predicted" in words or "True" in words for words in maps_of(app))


def test_that_other_classes_are_not_known_is_said_only_where_it_is_so(run):
    write_maps(run, "layer4")
    table = pq.read_table(run / "predictions.parquet")
    label = table["label"].to_numpy().copy()
    label[WRONG] = Run(run).predictions().probabilities[WRONG].argsort()[-2]  # now the runner-up is the true class
    pq.write_table(table.set_column(1, "label", [label]), run / "predictions.parquet")
    said = [text_of(open_page("layers", run="run", image=str(image))) for image in (WRONG, RIGHT)]
    assert ["Whether other classes have the same maps is not known." in words for words in said] == [False, True]


def test_what_the_address_asks_for_and_no_map_shows_falls_back_to_what_there_is(run):
    write_maps(run, "layer4")
    app = open_page("layers", run="run", image=str(WRONG), method="integrated_gradients", layer="layer9", all="shown")
    assert all("Grad-CAM at layer4" in words for words in maps_of(app)) and len(maps_of(app)) == 3
    assert "“layer9” (no layer of this network with a map)" in text_of(app)


def test_the_inspector_lays_a_stored_map_over_the_image(run):
    write_maps(run, "layer4")
    app = open_page("mistakes", run="run", image=str(WRONG), map="shown")
    assert "Where it looked" in labels_of(app) and len(maps_of(app)) == 1


def test_damaged_maps_are_named(run):
    write_maps(run, "layer4")
    (run / "maps/gradcam/layer4/predicted.npy").write_bytes(b"no maps")
    app = open_page("layers", run="run", image=str(WRONG))
    assert "No maps: Run run: maps/gradcam/layer4/predicted.npy is damaged" in text_of(app)


def test_predicted_classes_alone_show_no_figure_that_nobody_knows(classes_only):
    app = open_page("mistakes", run="run", show="all", image=str(WRONG))
    items = gallery_of(app)
    assert len(items) == 12 and {item["confidence"] for item in items} == {""}
    assert "nan" not in str(items) and "confidence" not in items[0]["alt"]
    assert app.selectbox(key="mistakes_order").options == ["test order"]
    assert "Only the predicted class is known, no probabilities." in text_of(app)
    assert len(bars_of(app)) == 1  # of the confused pairs
    form = open_page("mistakes", {"filter_form": True}, run="run")
    assert not form.get("slider")
    rows = set_as_csv(Run(classes_only).predictions(), np.arange(2)).decode().splitlines()
    assert rows == ["index,label,predicted,confidence,margin,loss,entropy", "0,cat,dog,,,,", "1,dog,dog,,,,"]


def test_an_order_of_the_address_that_means_nothing_then_is_the_order_of_the_test(classes_only):
    app = open_page("mistakes", run="run", show="all", order="highest-loss-first")
    assert [item["index"] for item in gallery_of(app)] == list(range(12))


def test_compare_counts_right_and_wrong_also_of_predicted_classes_alone(classes_only, with_network):
    edit_predicted(with_network, {0: 0})
    app = open_page("compare", run="run", beside="whole", compared="only-b-right")
    assert [item["index"] for item in gallery_of(app)] == [0]
    assert re.search(r"run is right on 75.0 %, \S+\swhole on 83.3 %", text_of(app)) and "McNemar" in text_of(app)
    assert "**dog**" in text_of(app) and "No map of run: it has no network." in text_of(app)
    assert len(maps_of(app)) == 1
    swapped = open_page("compare", run="whole", beside="run", compared="only-a-right")
    assert [item["index"] for item in gallery_of(swapped)] == [0] and len(maps_of(swapped)) == 1


def test_a_pinned_run_shows_where_it_looked_beside_one_without_a_network(run, with_network):
    app = open_page("layers", run="run", beside="whole", image=str(WRONG))
    assert maps_of(app) and "This run has no network." in text_of(app)
    app = open_page("layers", run="whole", beside="run", image=str(WRONG))
    (grid,) = (element.proto.body for element in app.get("html") if 'class="map-grid' in element.proto.body)
    assert maps_of(app) and "Run run has no network, and no maps were computed ahead of time." in grid
    assert COMMAND not in [element.value for element in app.code]


def test_curves_list_it_with_its_accuracy_and_without_made_up_figures(run):
    edit_record(run, model="my net")
    (run / "metrics.csv").unlink()
    figures = rows_of(open_page(run="run"))["run"]["figures"]
    assert figures.pop("date") != "–"
    assert list(figures.values()) == ["75.0 %", "–", "–", "–", "–", "–", "my net", "folder:my data"]


def test_files_of_a_run_in_two_sizes_are_the_same_images(run, with_network):
    for path, size in ((run, 32), (with_network, 64)):
        predictions = Run(path).predictions()
        table = classes_table(predictions.column("predicted"), predictions.column("label"), tuple("abcdefghijkl"))
        pq.write_table(table, path / "predictions.parquet")
        edit_record(path, fingerprints={"test": f"of {size} pixels"})
    app = open_page("compare", run="run", beside="whole", compared="both-wrong")
    assert [item["index"] for item in gallery_of(app)] == [0, 5, 10]
    table = pq.read_table(with_network / "predictions.parquet")
    pq.write_table(table.set_column(7, "path", [list("lkjihgfedcba")]), with_network / "predictions.parquet")
    assert "was tested on other images" in text_of(open_page("compare", run="run", beside="whole"))


def test_runs_whose_classes_have_other_orders_are_compared_by_the_names(run, with_network):
    """The network of `whole` has its own order: in its maps its codes count, on the page names."""
    order = np.array([2, 0, 1])  # cat is 2, dog 0, owl 1
    for path, codes in ((run, np.arange(3)), (with_network, order)):
        predictions = Run(path).predictions()
        predicted, label = (codes[predictions.column(name)] for name in ("predicted", "label"))
        pq.write_table(classes_table(predicted, label, tuple("abcdefghijkl")), path / "predictions.parquet")
    edit_record(with_network, class_names=["dog", "owl", "cat"], fingerprints={"test": "of another order"})
    edit_predicted(with_network, {0: 2})  # a cat, which it is
    app = open_page("compare", run="run", beside="whole", compared="only-b-right")
    assert [(item["index"], item["true"], item["predicted"]) for item in gallery_of(app)] == [(0, "cat", "dog")]
    (only,) = maps_of(app)
    assert "whole: cat" in only
    app = open_page("compare", run="whole", beside="run", compared="both-wrong")
    assert [item["index"] for item in gallery_of(app)] == [5, 10]


def test_lost_predictions_are_not_to_be_written_again_from_weights_that_are_not_there(run):
    (run / "predictions.parquet").write_bytes(b"no table")
    app = open_page("mistakes", run="run")
    assert "Make the run again." in text_of(app) and "--run" not in text_of(app)
