"""Every view through AppTest: runs at the edges of what a run can be, and runs that change while they are looked at."""

import json
import os
import shutil

import pytest

from sightline.run_store.record import RunRecord
from sightline.run_store.writer import RunWriter
from tests.app_pages import charts_of, checked, edit_record, open_page
from tests.fabricated import fabricate_run
from tests.odd_runs import ODD_RUNS, make_odd_run

VIEWS = ("curves", "mistakes", "layers", "patterns", "trust", "compare")
# Each odd run in the views that its oddity concerns most; Mistakes draws its predictions, its matrix and its names.
SHOWN_IN = {
    "one class": VIEWS,
    "one image": ("curves", "mistakes", "layers", "compare"),
    "no mistakes": ("mistakes", "compare"),
    "nothing but mistakes": ("mistakes", "trust"),
    "a thousand classes": ("curves", "mistakes", "layers", "compare"),
    "long names": ("mistakes", "trust"),
    "names without a space": ("mistakes", "layers"),
    "arabic names": ("mistakes", "compare"),
    "emoji": ("mistakes", "curves"),
    "markup": VIEWS,
}
NAMES = ("cat", "dog", "owl")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


@pytest.fixture(scope="session")
def odd_runs(tmp_path_factory):
    """Name → a run directory; not to be changed."""
    folder = tmp_path_factory.mktemp("odd")
    for name in ODD_RUNS:
        make_odd_run(folder / name, name)
    return folder


def copy_run(source, target, **changes):
    edit_record(shutil.copytree(source, target), **changes)


def again(app):
    """The answer to the same address, now."""
    return checked(app.run())


def said_by(app):
    """All that the page says, without its escapes."""
    kinds = ("markdown", "caption", "info", "warning", "error", "subheader")
    texts = [str(element.value) for kind in kinds for element in app.get(kind)]
    texts += [element.proto.body for element in app.get("html") if not element.proto.body.lstrip().startswith("<style")]
    return "\n".join(texts).replace("\\", "")


def components_of(app, name):
    found = [element.proto for element in app.get("bidi_component") if name in element.proto.component_name]
    return [json.loads(proto.json or proto.mixed.json) for proto in found]


def images_of(app):
    return [item["index"] for item in components_of(app, "gallery")[0]["items"]]


def has_maps(app):
    return any('class="map-grid' in element.proto.body for element in app.get("html"))


def test_every_odd_run_is_shown():
    assert SHOWN_IN.keys() == ODD_RUNS.keys()


@pytest.mark.parametrize(("name", "view"), [(name, view) for name, views in SHOWN_IN.items() for view in views])
def test_a_view_shows_an_odd_run_without_a_complaint(runs, odd_runs, name, view):
    shutil.copytree(odd_runs / name, runs / "now")
    copy_run(odd_runs / name, runs / "before", created="2025-01-01T00:00:00Z")
    app = open_page(view, run="now", beside="before", show="all", compared="both-wrong")
    assert not app.warning and not app.error
    if view == "curves":
        assert len(charts_of(app)) == 2
    elif view == "mistakes":
        assert len(images_of(app)) == min(24, ODD_RUNS[name][0])
    elif view == "layers":
        assert has_maps(app)
    elif view == "patterns":
        assert "What do the mistakes share?" in said_by(app)
    elif view == "trust":
        assert "Not measured yet" in said_by(app)
    elif name in ("one class", "no mistakes"):
        assert "There is no such image." in said_by(app)
    else:
        assert images_of(app) and has_maps(app)


@pytest.mark.parametrize("name", ["one class", "no mistakes"])
def test_a_run_without_mistakes_says_so_and_what_to_choose(runs, odd_runs, name):
    shutil.copytree(odd_runs / name, runs / "now")
    app = open_page("mistakes")
    assert [info.value for info in app.info] == ["No test image was predicted wrong: choose “Right” or “All”."]
    app.segmented_control(key="mistakes_outcome").set_value("right")
    assert len(images_of(again(app))) == 24 and not app.info


def test_a_run_of_nothing_but_mistakes_says_so_where_the_hits_are_asked_for(runs, odd_runs):
    shutil.copytree(odd_runs / "nothing but mistakes", runs / "now")
    app = open_page("mistakes", show="right")
    assert [info.value for info in app.info] == ["No test image was predicted right: choose “Wrong” or “All”."]


def test_a_run_of_one_image_is_counted_in_the_singular_and_looks_like_no_other(runs, odd_runs):
    shutil.copytree(odd_runs / "one image", runs / "now")
    said = said_by(open_page("mistakes"))
    assert "**1** :gray[of 1 mistake, 1 test image]" in said and "Looks alike" not in said


def test_a_model_of_one_class_has_no_rival(runs, odd_runs):
    shutil.copytree(odd_runs / "one class", runs / "now")
    app = open_page("layers", show="all", hide="layer4", classes="all")
    said = said_by(app)
    assert "The map at layer4." in said and said.count('class="chance ') == 3 and "covering as much at random" in said


# Of two fabricated runs of twelve images, cat dog owl cat …; 0, 5 and 10 are wrong.


@pytest.fixture
def pair(runs, fabricated):
    """`now` is looked at, `before` is older and on the same test split."""
    shutil.copytree(fabricated, runs / "now")
    copy_run(fabricated, runs / "before", created="2025-01-01T00:00:00Z")
    return runs


LOOK = {"run": "now", "beside": "before", "image": "10", "true": "dog", "compared": "both-wrong"}


@pytest.mark.parametrize("view", VIEWS)
def test_a_run_that_vanishes_is_named_and_another_one_is_shown(pair, view):
    app = open_page(view, **LOOK)
    assert not app.warning
    shutil.rmtree(pair / "now")
    assert "now" in again(app).warning[0].value and app.selectbox(key="shell_run").value == "before"


@pytest.mark.parametrize("view", VIEWS)
def test_when_the_last_run_vanishes_the_page_says_how_to_make_one(pair, view):
    app = open_page(view, **LOOK)
    for run in list(pair.iterdir()):
        shutil.rmtree(run)
    assert "No runs yet" in said_by(again(app))


def test_when_the_run_compared_with_vanishes_compare_says_what_is_needed(pair):
    app = open_page("compare", **LOOK)
    shutil.rmtree(pair / "before")
    assert "before" in again(app).warning[0].value and "Choose a second run" in said_by(app)


@pytest.mark.parametrize("view", VIEWS)
def test_a_run_that_appears_can_be_chosen_and_changes_nothing_else(pair, fabricated, view):
    app = open_page(view, **LOOK)
    copy_run(fabricated, pair / "newer", created="2027-01-01T00:00:00Z")
    again(app)
    assert app.selectbox(key="shell_run").options == ["newer", "now", "before"]
    assert app.selectbox(key="shell_run").value == "now" and not app.warning


@pytest.mark.parametrize("view", VIEWS)
def test_of_a_run_that_shrinks_the_image_and_class_that_are_gone_are_named(pair, view):
    app = open_page(view, **LOOK)
    for name in ("now", "before"):
        shutil.rmtree(pair / name)
        fabricate_run(pair / name, 4, ("cat", "owl"), with_model=True)
    (warning,) = again(app).warning
    assert "dog" in warning.value and "10" in warning.value
    if view == "mistakes":
        assert images_of(app) == [0]


@pytest.mark.parametrize("file", ["images.npy", "predictions.parquet", "run.json", "model.safetensors"])
@pytest.mark.parametrize("view", ["mistakes", "layers", "compare"])
def test_a_file_that_vanishes_while_it_is_looked_at_is_named(pair, view, file):
    app = open_page(view, **LOOK | {"map": "shown"})
    assert (pair / "now" / file).exists()
    os.remove(pair / "now" / file)
    said = said_by(again(app))
    assert file in said or (file == "run.json" and "Ignored in the address: run" in said)


def test_a_run_that_finishes_while_it_is_looked_at_is_shown_whole(runs, fabricated, tmp_path):
    """As the training does: the record first, the lock held, the results when it ends."""
    record = json.loads((fabricated / "run.json").read_text())
    changing = {key: value for key, value in record.items() if key in RunRecord.__dataclass_fields__}
    with RunWriter.create(runs / "now", RunRecord(**changing)):
        apps = {view: open_page(view) for view in VIEWS}
        assert "no epoch has ended yet" in said_by(apps["curves"])
        assert all("Still training" in said_by(apps[view]) for view in VIEWS[1:])
    shutil.rmtree(runs / "now")
    shutil.copytree(fabricated, runs / "now")
    for app in apps.values():
        assert "Still training" not in said_by(again(app))
    assert len(charts_of(apps["curves"])) == 2 and images_of(apps["mistakes"]) and has_maps(apps["layers"])
    assert "Choose a second run" in said_by(apps["compare"])


@pytest.mark.parametrize("view", VIEWS)
def test_whatever_the_address_says_the_view_is_shown_and_one_sentence_names_what_is_ignored(pair, view):
    stale = {
        "run": ":red[gone]", "beside": "../../etc", "compared": "worse", "runs": ["gone", "now"], "chart": "gain",
        "smoothing": "150", "axis": "cubic", "true": "unicorn", "predicted": "<b>", "show": "some", "order": "random",
        "image": "99999999999999999999", "map": "yes", "method": "guess", "target": "class:unicorn",
        "scale": "x", "sign": "x", "cells": "x", "colours": "x", "opacity": "1e9", "hide": "layer9", "classes": "some",
        "measure": "beauty",
        "range": ["confidence:b..a", "confidence:", ":0..1"], "value": ":",
    }  # fmt: skip
    app = open_page(view, **stale)
    (warning,) = [found for found in app.warning if "Ignored in the address" in found.value]
    assert r"\:red\[gone\]" in warning.value and warning.value.endswith("The default is shown instead.")
    assert app.selectbox(key="shell_run").value == "now" and not app.error


@pytest.mark.parametrize("view", VIEWS)
def test_values_from_another_run_are_dropped_one_by_one(runs, odd_runs, fabricated, view):
    """As when somebody changes the name of the run in the address by hand."""
    shutil.copytree(odd_runs / "one image", runs / "now")
    shutil.copytree(fabricated, runs / "before")
    query = {"run": "now", "true": "owl", "predicted": "cat", "image": "7", "target": "class:owl"}
    app = open_page(view, **query)
    (warning,) = app.warning[:1]
    assert "owl" in warning.value and "7" in warning.value and "cat" not in warning.value
