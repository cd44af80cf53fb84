"""A second run pinned beside the first, through AppTest: every view but Curves and Compare says what it sees."""

import io
import re
import shutil
from html import unescape

import numpy as np
import pytest

from sightline.app.elements.run_label import run_label
from sightline.app.maps.files import maps_npz
from sightline.report.drawing.cells import Cell, Whose
from sightline.report.drawing.map_settings import MapSettings
from sightline.report.drawing.sides import Side
from sightline.report.drawing.subject import split_image
from sightline.run_store.maps import MapsWriter
from sightline.run_store.run import Run
from tests.app_pages import checked, edit_predicted, edit_record, open_page
from tests.fabricated import fabricate_run, speak_against

PIXELS = np.zeros((8, 8, 3), np.uint8)
SETTINGS = MapSettings("gradcam", ("layer4",), ("predicted",), "own", "positive", "smooth", "inferno", 60)


@pytest.fixture
def runs(tmp_path, monkeypatch, fabricated):
    """Runs first and second: image 0, a cat, is a dog to the first one (as fabricated), and an owl to the second."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    shutil.copytree(fabricated, tmp_path / "runs" / "first")
    edit_predicted(shutil.copytree(fabricated, tmp_path / "runs" / "second"), {0: 2})
    return tmp_path / "runs"


def open_view(view, **query):
    return open_page(view, **({"run": "first", "beside": "second", "image": "0"} | query))


def text_of(app):
    return "\n".join(str(element.value) for kind in ("markdown", "caption") for element in app.get(kind))


def image_of(app):
    """The primary image that the page shows."""
    return re.search(r"\*\*Image (\d+)\*\*", text_of(app))[1]


def maps_of(app):
    """A list a grid of the alternative texts of its maps."""
    bodies = [element.proto.body for element in app.get("html")]
    return [
        [unescape(words) for words in re.findall(r'alt="(.*?)"', body)] for body in bodies if 'class="map-grid' in body
    ]


def test_mistakes_says_what_the_pinned_run_takes_the_image_for(runs):
    second = run_label(Run(runs / "second"))
    assert f"{second}: :orange[:material/close:] **owl**" in text_of(open_view("mistakes"))
    assert f"{second}: :green[:material/check:] **dog**" in text_of(open_view("mistakes", image="1", show="all"))


def reasons_of(app):
    """What stands in the rows of the grid that have no maps."""
    (grid,) = (element.proto.body for element in app.get("html") if 'class="map-grid' in element.proto.body)
    return [unescape(words) for words in re.findall(r'<p class="why">(.*?)</p>', grid)]


def rows_of(app):
    """Layer, target and run of each map, in the order of reading."""
    (grid,) = maps_of(app)
    return [re.match(r"Grad-CAM at (\S+), (\S+) · (\S+):", words).groups() for words in grid]


def test_the_rows_of_two_runs_stand_in_one_grid_one_after_the_other_and_both_explain_the_same_targets(runs):
    """Image 1, a dog, is taken for one by both: held against the runner-up. Image 0, a cat, by neither for a cat."""
    for image, rival in (("0", "True"), ("1", "Runner-up")):
        app = open_view("layers", layer=["layer1", "layer4"], image=image, show="all")
        wanted = [(target, run) for target in ("Predicted", rival, "Difference") for run in ("first", "second")]
        assert rows_of(app) == [(layer, *row) for row in wanted for layer in ("layer1", "layer4")]
    (grid,) = maps_of(open_view("layers", layer="layer4", target="predicted"))
    assert "Predicted · first: dog" in grid[0] and "Predicted · second: owl" in grid[1]


def test_each_row_has_the_dot_of_its_run(runs):
    app = open_view("layers", layer="layer4", target="predicted")
    (grid,) = (element.proto.body for element in app.get("html") if 'class="map-grid' in element.proto.body)
    dots = re.findall(r'style="background:(#\w+)"[^>]*></i>(\w+)<', grid)
    assert [name for _, name in dots] == ["first", "second"] and dots[0][0] != dots[1][0]


def test_every_row_is_computed_by_its_own_network(runs):
    """The second run's head speaks against every class: nothing positive is left at its last layer."""
    speak_against(runs / "second", 0, 1, 2)
    (grid,) = maps_of(open_view("layers", layer="layer4", target="predicted", image="1", show="all"))
    assert not grid[0].endswith("; blank") and grid[1].endswith("; blank")


def test_the_image_under_the_maps_is_that_of_the_first_run_whatever_is_pinned(runs):
    np.save(runs / "second" / "images.npy", np.zeros((12, 32, 32, 3), np.uint8))
    alone, beside = (
        next(element.proto.body for element in app.get("html") if 'class="map-grid' in element.proto.body)
        for app in (open_page("layers", run="first", image="0"), open_view("layers"))
    )
    image = re.search(r"--input:url\((.*?)\)", alone)[1]
    assert beside.count(image) == 1 and len(image) > 1000


def test_runs_and_classes_share_a_scale_within_a_layer(runs):
    speak_against(runs / "second", 0, 1, 2)  # whose maps would have the strongest colours on a scale of their own
    layers = {"layer": ["layer1", "layer4"], "target": ["predicted", "true"], "sign": "signed"}
    app = open_view("layers", **layers, scale="layer")
    (grid,) = maps_of(app)
    ends = [max(abs(float(end.replace("−", "-"))) for end in re.search(r"; (\S+) to (\S+?)(;|$)", words).groups()[:2])
            for words in grid]  # fmt: skip
    html = next(element.proto.body for element in app.get("html") if 'class="map-grid' in element.proto.body)
    said = [float(number) for number in re.findall(r'class="scale">up to (\S+?)<', html)]
    assert said == pytest.approx([max(ends[0::2]), max(ends[1::2])], rel=1e-2)


def test_what_the_pinned_run_cannot_show_is_said_in_its_row_and_the_first_ones_maps_stay(runs):
    edit_record(runs / "second", fingerprints={"test": "other"})
    app = open_view("mistakes")
    assert "second, pinned, was tested on other images." in text_of(app)
    app = open_view("layers", layer="layer4", target="predicted")
    assert reasons_of(app) == ["It was tested on other images."] and rows_of(app) == [("layer4", "Predicted", "first")]


def test_a_run_without_predictions_says_so_in_its_row(runs):
    (runs / "second" / "predictions.parquet").unlink()
    app = open_view("layers", layer="layer4", target="predicted")
    (why,) = reasons_of(app)
    assert why.startswith("It has no predictions") and len(maps_of(app)[0]) == 1


@pytest.mark.parametrize(("damaged", "other"), [("second", "first"), ("first", "second")])
def test_a_run_whose_network_cannot_be_read_says_so_in_its_row(runs, damaged, other):
    (runs / damaged / "model.safetensors").write_bytes(b"other bytes")
    app = open_view("layers", layer="layer4", target="predicted")
    (why,) = reasons_of(app)
    assert why.startswith(f"Run {damaged}") and rows_of(app) == [("layer4", "Predicted", other)]


def test_a_run_that_was_stopped_says_so_in_its_row_and_can_be_started_again(runs):
    query = {"run": "first", "beside": "second", "image": "0", "method": "occlusion", "target": "predicted"}
    app = open_page("layers", {"maps_stopped": {("second", 0, "occlusion")}}, **query)
    assert reasons_of(app) == ["Occlusion was stopped."] and len(maps_of(app)[0]) == 1
    checked(app.button(key="maps_restart_second").click().run())
    assert not reasons_of(app) and len(maps_of(app)[0]) == 2


def other_network(runs):
    shutil.rmtree(runs / "second")
    fabricate_run(runs / "second", 12, ("cat", "dog", "owl"), model="torchvision:squeezenet1_1", with_model=True)
    edit_record(runs / "second", layers=["features.3", "features.7"])


def test_a_network_without_the_chosen_layers_shows_its_own_deepest_ones_by_name(runs):
    other_network(runs)
    app = open_view("layers", layer=["layer3", "layer4"], target="predicted")
    assert [layer for layer, _, _ in rows_of(app)] == ["layer3", "layer4", "features.3", "features.7"]
    html = next(element.proto.body for element in app.get("html") if 'class="map-grid' in element.proto.body)
    assert re.findall(r'class="at own">(\S+)', html) == ["features.3", "features.7"]


def test_a_layer_that_only_the_first_run_has_is_a_gap_in_the_row_of_the_second(runs):
    """Of the second run there are maps of layer4 alone, computed ahead of time."""
    writer = MapsWriter(Run(runs / "second"), "gradcam", "layer4", "predicted", (4, 4))
    writer.write(np.arange(12), np.ones((12, 4, 4), np.float32))
    writer.finish()
    (runs / "second" / "model.safetensors").unlink()
    edit_record(runs / "second", network="none")
    app = open_view("layers", layer=["layer1", "layer4"], target="predicted")
    html = next(element.proto.body for element in app.get("html") if 'class="map-grid' in element.proto.body)
    assert rows_of(app) == [
        ("layer1", "Predicted", "first"),
        ("layer4", "Predicted", "first"),
        ("layer4", "Predicted", "second"),
    ]
    assert html.count(">no such layer</span>") == 1


def test_both_runs_leave_in_one_file(runs):
    sides = [
        Side(Run(runs / name), split_image(Run(runs / name).predictions(), 0, PIXELS), SETTINGS, ("layer4",), whose)
        for name, whose in (("first", Whose("first", "#000000", False)), ("second", Whose("second", "#ffffff", True)))
    ]
    cells = [[Cell("layer4", side.rows[0], np.full((4, 4), number, np.float32))] for number, side in enumerate(sides)]
    content = np.load(io.BytesIO(maps_npz(cells, sides)), allow_pickle=False)
    assert (content["layer4/predicted"] == 0).all() and (content["beside/layer4/predicted"] == 1).all()
    assert (str(content["run"]), str(content["beside/run"])) == ("first", "second")
    assert (int(content["predicted"]), int(content["beside/predicted"])) == (1, 2)


def test_the_second_run_is_pinned_and_let_go_at_the_top(runs):
    app = open_view("mistakes")
    assert app.selectbox(key="shell_second").value == "second"
    app.selectbox(key="shell_second").set_value(None).run()
    assert "beside" not in app.query_params and "second" not in text_of(app)


@pytest.mark.parametrize("view", ["mistakes", "layers", "compare"])
def test_the_image_stays_when_another_run_or_none_is_pinned(runs, view):
    app = open_view(view, image="4", show="all")
    for name in (None, "second"):
        app.selectbox(key="shell_second").set_value(name).run()
        assert checked(app).query_params["image"] == "4" and "**Image 4**" in text_of(app)


def test_the_first_image_of_a_set_stays_where_another_second_run_makes_another_set(runs, fabricated):
    edit_predicted(shutil.copytree(fabricated, runs / "third"), {0: 0, 5: 2})
    app = open_page("compare", run="first", beside="third", compared="both-wrong")
    shown = image_of(app)
    app.selectbox(key="shell_second").set_value("second").run()
    assert checked(app).query_params["image"] == shown == image_of(app)


def test_an_image_outside_the_set_is_said_to_be(runs):
    assert "**Image 4** :gray[not in this set]" in text_of(open_view("mistakes", image="4"))
    assert "not in this set" not in text_of(open_view("mistakes", image="5"))


@pytest.mark.parametrize("image", [{}, {"image": "10"}])
def test_the_runs_swap_at_the_top_and_the_image_stays(runs, image):
    app = open_page("mistakes", run="first", beside="second", **image)
    shown = image_of(app)
    app.button(key="swap_runs").click().run()
    assert [checked(app).query_params[key] for key in ("run", "beside")] == ["second", "first"]
    assert image_of(app) == shown == "10"
    app.selectbox(key="shell_run").select("first").run()  # which is B
    assert [checked(app).query_params[key] for key in ("run", "beside")] == ["first", "second"]
