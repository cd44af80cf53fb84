"""A second run pinned beside the first, through AppTest: every view but Curves and Compare says what it sees."""

import re
import shutil
from html import unescape

import pytest

from tests.app_pages import checked, edit_predicted, edit_record, open_page
from tests.fabricated import fabricate_run


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
    assert ":gray[second:] :orange[:material/close:] **owl**" in text_of(open_view("mistakes"))
    assert ":gray[second:] :green[:material/check:] **dog**" in text_of(open_view("mistakes", image="1", show="all"))


def test_layers_shows_where_the_pinned_run_looked_at_the_same_layers(runs):
    first, second = maps_of(open_view("layers", layer="layer4", target="predicted"))
    assert len(first) == len(second) == 1
    assert "at layer4, Predicted: dog" in first[0] and "at layer4, Predicted: owl" in second[0]


def test_a_run_that_saw_other_images_is_not_shown_beside(runs):
    edit_record(runs / "second", fingerprints={"test": "other"})
    for view, grids in (("mistakes", 0), ("layers", 1)):
        app = open_view(view)
        assert "second, pinned, was tested on other images." in text_of(app) and len(maps_of(app)) == grids


def test_a_run_without_predictions_is_not_shown_beside(runs):
    (runs / "second" / "predictions.parquet").unlink()
    app = open_view("layers")
    assert "second, pinned, has no predictions" in text_of(app) and len(maps_of(app)) == 1


def test_a_pinned_run_whose_network_cannot_be_read_says_so_under_the_maps_of_the_first(runs):
    (runs / "second" / "model.safetensors").write_bytes(b"other bytes")
    app = open_view("layers", layer="layer4", target="predicted")
    assert "No maps: Run second" in app.warning[0].value and len(maps_of(app)) == 1


def test_a_network_without_the_chosen_layers_shows_its_own(runs):
    shutil.rmtree(runs / "second")
    fabricate_run(runs / "second", 12, ("cat", "dog", "owl"), model="torchvision:squeezenet1_1", with_model=True)
    edit_record(runs / "second", layers=["features.3", "features.7"])
    app = open_view("layers", layer="layer4", target="predicted")
    first, second = maps_of(app)
    assert "at layer4" in first[0] and ["at features.3" in second[0], "at features.7" in second[1]] == [True, True]
    assert "It has not all of these layers." in text_of(app)


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
