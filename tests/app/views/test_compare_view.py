"""The Compare view through AppTest: which images it shows, what it says, and which runs it refuses."""

import json
import re
import shutil
from html import unescape
from urllib.parse import parse_qsl

import pytest

from tests.app_pages import edit_predicted, edit_record, open_page
from tests.fabricated import fabricate_run

NAMES = ("cat", "dog", "owl")
IMAGES = 12  # true cat dog owl cat …; of a fabricated run 0, 5 and 10 are wrong: the class after the true one


@pytest.fixture
def runs(tmp_path, monkeypatch, fabricated):
    """Runs old and new: the new one takes image 0 for a cat, which it is, 1 for an owl, and 5 for a dog."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    shutil.copytree(fabricated, tmp_path / "runs" / "old")
    edit_predicted(shutil.copytree(fabricated, tmp_path / "runs" / "new"), {0: 0, 1: 2, 5: 1})
    return tmp_path / "runs"


def open_compare(**query):
    return open_page("compare", **query)


def component_of(app, name):
    found = [element.proto for element in app.get("bidi_component") if name in element.proto.component_name]
    return [json.loads(proto.json or proto.mixed.json) for proto in found]


def gallery_of(app):
    return component_of(app, "gallery")[0]["items"]


def text_of(app):
    return "\n".join(
        str(element.value) for kind in ("markdown", "caption", "info", "warning") for element in app.get(kind)
    )


def maps_of(app):
    bodies = [element.proto.body for element in app.get("html")]
    return [unescape(words) for body in bodies if "map-grid" in body for words in re.findall(r'alt="(.*?)"', body)]


def dotted(name):
    return rf':color\[●\]{{foreground="#\w{{6}}"}}\u00a0{name}'


def test_a_is_named_before_b_in_the_sets_the_words_and_the_maps(runs):
    app = open_compare(run="new", beside="old")
    a, b, *others = app.segmented_control(key="compare_change").options
    assert re.fullmatch(f"Only {dotted('new')} right 1", a) and re.fullmatch(f"Only {dotted('old')} right 1", b)
    assert others == ["Both wrong 2", "Both right 8"]
    assert [(item["index"], item["wrong"]) for item in gallery_of(app)] == [(0, False)]
    said = text_of(app)
    assert re.search(f"{dotted('new')} is right on 75.0 %, {dotted('old')} on 75.0 %: as many.", said)
    assert re.search(f"Orange: {dotted('new')} makes more such mistakes than {dotted('old')}; blue: fewer.", said)
    assert "p = 1.000" in said
    assert re.search(r"None of the \d pairs of classes that either run confuses differ by more than", said)
    new, old = maps_of(app)
    assert "new: cat" in new and "old: dog" in old


def test_the_larger_one_sided_set_is_shown_until_another_is_chosen(runs):
    edit_predicted(runs / "new", {2: 0, 4: 0})  # which only the old run has right, as image 1
    app = open_compare(run="new", beside="old")
    assert app.segmented_control(key="compare_change").value == "only B right"
    assert sorted(item["index"] for item in gallery_of(app)) == [1, 2, 4]
    assert "compared" not in app.query_params
    app.segmented_control(key="compare_change").set_value("only A right").run()
    assert [item["index"] for item in gallery_of(app)] == [0] and app.query_params["compared"] == "only-a-right"
    app.button(key="swap_runs").click().run()
    assert [item["index"] for item in gallery_of(app)] == [0] and app.query_params["compared"] == "only-b-right"


def test_a_tile_has_the_true_class_and_below_it_what_a_and_b_predict(runs):
    (item,) = gallery_of(open_compare(run="new", beside="old", compared="only-b-right"))
    assert (item["index"], item["true"]) == (1, "dog")
    assert [(guess["name"], guess["wrong"]) for guess in item["guesses"]] == [("owl", True), ("dog", False)]
    assert item["alt"] == "Image 1: true dog, new predicts owl, old predicts dog"


def test_the_layer_of_both_maps_stands_in_the_address_and_leaves_the_layers_view_as_it_is(runs):
    app = open_compare(run="new", beside="old", layer="layer4")
    app.selectbox(key="compare_layer").select("layer2").run()
    assert app.query_params == {"run": "new", "beside": "old", "layer": "layer4", "at": "layer2"}
    assert [alt.split(",")[0] for alt in maps_of(app)] == ["Grad-CAM at layer2"] * 2


def test_a_layer_that_no_run_has_is_the_deepest_one(runs):
    assert "Grad-CAM at layer4" in maps_of(open_compare(run="new", beside="old", at="layer9"))[0]


def test_the_probabilities_of_both_runs_stand_below_the_maps(runs):
    bars = component_of(open_compare(run="new", beside="old"), "bars")[-1]["bars"]
    assert [len(bar["runs"]) for bar in bars] == [2, 2, 2] and bars[0]["label"] == "cat"


def test_each_class_has_both_accuracies_and_the_true_class_of_an_image_leads_to_its_images(runs):
    app = open_compare(run="new", beside="old", compared="both-right")
    app.segmented_control(key="compare_table").set_value("By class").run()
    bars = component_of(app, "bars")[0]["bars"]
    assert [len(bar["runs"]) for bar in bars] == [2, 2, 2]
    assert "correction for all of them): none of 3." in text_of(app)
    app.button(key="compare_true").click().run()
    assert app.query_params["true"] == "cat" and {item["true"] for item in gallery_of(app)} == {"cat"}


def test_the_mistakes_of_each_run_are_a_click_away(runs):
    app = open_compare(run="new", beside="old", show="all", range="loss:9..")
    links = [link.proto for link in app.get("page_link") if "mistake" in link.proto.label]
    words = [re.sub(r":color.*?}\u00a0", "", link.label) for link in links]
    assert words == ["3 mistakes of new →", "3 mistakes of old →"]
    assert [link.query_string for link in links] == ["run=new&beside=old", "run=old&beside=new"]


def test_what_is_chosen_stands_in_the_address(runs, fabricated):
    shutil.copytree(fabricated, runs / "other")
    app = open_compare(run="new", beside="other")
    app.segmented_control(key="compare_change").set_value("both wrong").run()
    assert sorted(item["index"] for item in gallery_of(app)) == [5, 10]
    app.selectbox(key="shell_second").select("old").run()
    assert app.query_params == {
        "run": "new",
        "beside": "old",
        "compared": "both-wrong",
        "image": "10",
    }  # as it was shown
    app.button(key="swap_runs").click().run()
    assert not app.exception
    assert app.query_params == {"run": "old", "beside": "new", "compared": "both-wrong", "image": "10"}


def test_a_swap_holds_also_where_the_second_run_is_nobodys_choice(runs, fabricated):
    shutil.copytree(fabricated, runs / "other")
    app = open_compare(run="new")
    second = app.selectbox(key="shell_second").value
    app.button(key="swap_runs").click().run()
    assert (app.query_params["run"], app.query_params["beside"]) == (second, "new")


def test_the_filters_by_class_hold_and_the_ones_of_a_single_run_do_not(runs):
    query = {"run": "new", "beside": "old", "compared": "both-right", "true": "cat", "show": "wrong"}
    app = open_compare(**query, range="confidence:2..")
    assert sorted(item["index"] for item in gallery_of(app)) == [3, 6, 9]
    assert [app.button(key="chip_0").label] == [r"true\: cat"]
    app.button(key="chip_0").click().run()
    assert len(gallery_of(app)) == 8 and "range" in app.query_params


def test_a_set_without_images_says_so(runs):
    assert "There is no such image." in text_of(open_compare(run="new", beside="old", true="owl"))


def test_a_run_with_another_test_split_is_refused_in_words(runs):
    edit_record(runs / "old", fingerprints={"test": "other"})
    app = open_compare(run="new", beside="old")
    assert "old was tested on other images than new" in app.warning[0].value
    assert not maps_of(app) and app.selectbox(key="shell_second").value == "old"


def test_by_default_it_is_a_run_on_the_same_images(runs, fabricated):
    edit_record(shutil.copytree(fabricated, runs / "a"), fingerprints={"test": "other"}, created="2027-01-01T00:00:00Z")
    app = open_compare(run="new")
    assert app.selectbox(key="shell_second").value == "old" and not app.warning


def test_the_link_to_the_view_names_both_runs(runs):
    app = open_page()
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert links["Compare"] in ("run=old&beside=new", "run=new&beside=old") and "beside" not in links["Layers"]


def test_a_single_run_says_what_is_needed(runs):
    shutil.rmtree(runs / "old")
    assert "Choose a second run" in open_compare(run="new").info[0].value


def test_a_run_without_predictions_is_explained(runs):
    (runs / "new" / "predictions.parquet").unlink()
    assert r"new has lost its predictions\.parquet" in text_of(open_compare(run="new", beside="old"))


@pytest.mark.parametrize("images, names", [(IMAGES - 3, NAMES), (IMAGES, ("cat", "dog"))])
def test_runs_that_only_claim_the_same_split_are_a_sentence(runs, images, names):
    shutil.rmtree(runs / "old")
    fabricate_run(runs / "old", images, names)
    assert "Runs new and old do not have the same images" in text_of(open_compare(run="new", beside="old"))


def test_a_run_without_weights_still_shows_the_other_ones_map(runs):
    (runs / "old" / "model.safetensors").unlink()
    app = open_compare(run="new", beside="old")
    (only,) = maps_of(app)
    assert "new: cat" in only and "No map of old" in text_of(app)


def link_in_header(app, view):
    """Where the link leads, as keys and values."""
    link = next(link.proto for link in app.get("page_link") if link.proto.label == view)
    return dict(parse_qsl(link.query_string))


def test_layers_opened_from_compare_goes_through_its_set_and_leads_back_to_it(runs):
    opened = link_in_header(open_compare(run="new", beside="old", compared="both-wrong", image="10"), "Layers")
    app = open_page("layers", **opened)
    assert "**Image 10**" in text_of(app) and "not in this set" not in text_of(app)
    steps = [app.button(key=f"inspector_step_{step}") for step in (-1, 1)]
    next(button for button in steps if not button.disabled).click().run()
    assert app.query_params["image"] == "5"
    back = link_in_header(app, "Compare")
    app = open_compare(**back)
    assert sorted(item["index"] for item in gallery_of(app)) == [5, 10] and "**Image 5**" in text_of(app)


def test_what_is_opened_from_mistakes_goes_through_its_set_again(runs):
    query = {"run": "new", "beside": "old", "set": "compared", "compared": "both-right"}
    assert "set" not in link_in_header(open_page("mistakes", **query), "Layers")
    assert link_in_header(open_compare(run="new"), "Layers")["beside"] == "old"  # which Compare showed, unasked
