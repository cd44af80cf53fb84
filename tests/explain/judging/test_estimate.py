"""How long measuring takes, from how long a pass takes."""

import pytest

from sightline.explain.judging import estimate
from sightline.explain.judging.families import FAMILIES
from tests.explain.test_quality import LAYERS, make_run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def test_the_first_verdicts_cost_what_road_does_and_all_figures_the_passes_of_all_other_measures_too(run, monkeypatch):
    timed = iter((1.6, 24.0))  # passes and ROAD of sixteen images: 0.1 and 1.5 each
    monkeypatch.setattr(estimate, "_seconds_of", lambda do: next(timed))
    first, whole = estimate.seconds(run, ("gradcam",), LAYERS, images=500)
    kinds, images = 4 + 2, 20
    assert first == pytest.approx(estimate.START + 1.5 * kinds * images)
    by_image = sum(family.passes for family in FAMILIES if family.measures not in (("gridpg",), ("road_gap",)))
    mosaics = next(family.passes for family in FAMILIES if family.measures == ("gridpg",)) * images / 4
    assert whole == pytest.approx(first + 0.1 * kinds * (images * by_image + mosaics))


def test_a_pass_is_timed(run):
    first, whole = estimate.seconds(run, ("gradcam", "layercam"), LAYERS, images=20)
    assert estimate.START < first < whole


def test_without_layers_those_of_the_run_are_counted(run, monkeypatch):
    monkeypatch.setattr(estimate, "_seconds_of", lambda do: 1.6)
    assert estimate.seconds(run, ("gradcam",), (), 20) == estimate.seconds(run, ("gradcam",), LAYERS, 20)
