"""With more classes than a matrix can show, a search and the most confused pairs take its place."""

import json
import shutil

import pytest

from sightline.app.views.mistakes.overview import MANY_PAIRS, MOST_ROWS
from sightline.report.drawing.matrix import MOST_DRAWN
from tests.app_pages import charts_of, edit_predicted, open_page
from tests.fabricated import fabricate_run

CLASSES = 1000
IMAGES = (
    2 * CLASSES
)  # classes 0, 5, 10 … have two images, both taken for the class after theirs; of others all are right


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for name, classes in (("many", CLASSES), ("drawn", MOST_DRAWN)):
        fabricate_run(root / name, IMAGES, tuple(f"class {code}" for code in range(classes)), side=8)
    return root


@pytest.fixture
def open_run(runs, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(runs))

    return lambda run, view="mistakes", **query: open_page(view, run=run, **query)


def bars_of(app):
    """Label, and what it is taken for → cells of the list of pairs or classes, which is the first one."""
    lists = [element for element in app.get("bidi_component") if "bars" in element.proto.component_name]
    return {(bar["label"], bar["taken_for"]): bar["cells"] for bar in json.loads(lists[0].proto.json)["bars"]}


def has_matrix(app):
    return any("matrix" in element.proto.component_name for element in app.get("bidi_component"))


def test_a_thousand_classes_have_a_search_and_pairs_in_place_of_the_matrix(open_run):
    app = open_run("many")
    assert not has_matrix(app)
    assert app.selectbox(key="mistakes_label").options[5] == "class 5 · 2"
    assert list(bars_of(app).items())[:2] == [(("class 0", "class 1"), ["2"]), (("class 5", "class 6"), ["2"])]
    assert len(bars_of(app)) == MANY_PAIRS


def test_a_class_that_was_searched_narrows_set_and_pairs(open_run):
    app = open_run("many")
    app.selectbox(key="mistakes_label").select(995).run()
    assert not app.exception and app.query_params["true"] == "class 995"
    assert bars_of(app) == {("class 995", "class 996"): ["2"]}
    assert bars_of(open_run("many", predicted="class 1")) == {("class 0", "class 1"): ["2"]}


def test_of_many_classes_the_worst_are_listed(open_run):
    app = open_run("many")
    app.segmented_control(key="mistakes_table").set_value("By class").run()
    assert len(bars_of(app)) == MOST_ROWS and bars_of(app)["class 0", ""] == ["0 %", "–", "2"]
    assert f"The {MOST_ROWS} of lowest recall." in [caption.value for caption in app.caption]


def test_a_hundred_classes_have_a_matrix(open_run):
    app = open_run("drawn")
    assert has_matrix(app)


def test_compare_lists_the_pairs_that_changed_in_place_of_the_matrix(open_run, runs):
    edit_predicted(shutil.copytree(runs / "many", runs / "other"), {0: 0})
    app = open_run("other", "compare", beside="many")
    assert not has_matrix(app) and bars_of(app) == {("class 0", "class 1"): ["−1"]}
    shutil.rmtree(runs / "other")


def test_curves_opens(open_run):
    assert len(charts_of(open_run("many", "curves"))) == 2
