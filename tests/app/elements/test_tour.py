import shutil

import pytest

from sightline.app.address.views import VIEWS
from sightline.app.elements.introduction import COOKIE, TOUR
from sightline.app.elements.tour import STEPS
from sightline.run_store import files
from tests.app.test_epochs import component_of
from tests.app_pages import open_page


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    return shutil.copytree(fabricated, tmp_path / "runs" / "run")


def test_the_tour_is_offered_where_a_run_has_images_and_predictions(run):
    assert component_of(open_page(), "introduction") == [{"tour": True}]
    (run / files.PREDICTIONS).unlink()
    assert component_of(open_page(), "introduction") == [{"tour": False}]


@pytest.mark.parametrize("view", [view.lower() for view in VIEWS])
def test_while_it_takes_place_the_tour_is_on_every_page_and_nothing_is_said_twice(run, view):
    app = open_page(view, {TOUR: True}, run="run")
    (tour,) = component_of(app, "tour")
    assert tour["cookie"] == COOKIE and len(tour["steps"]) == 5
    assert component_of(app, "introduction") == []


def test_who_has_left_the_tour_is_introduced(run):
    app = open_page(state={TOUR: False, COOKIE: True})
    assert component_of(app, "tour") == [] and component_of(app, "introduction") == []


def test_the_steps_are_in_views_that_there_are():
    assert {step.view for step in STEPS} <= set(VIEWS)
