"""How long measuring takes, from how long a pass takes."""

import pytest

from sightline.explain.judging import estimate
from sightline.explain.judging.families import FAMILIES
from tests.explain.test_quality import LAYERS, make_run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run")


def test_the_first_verdicts_cost_the_passes_of_road_and_all_figures_those_of_all_measures(run, monkeypatch):
    monkeypatch.setattr(estimate, "_seconds_of", lambda do: 1.6)  # of sixteen images: a tenth each
    first, whole = estimate.seconds(run, ("gradcam",), LAYERS, images=500)
    kinds, images = 4 + 2, 20
    assert first == pytest.approx(estimate.START + 0.1 * kinds * images * 18)
    by_image = sum(family.passes for family in FAMILIES if family.measures != ("gridpg",))
    mosaics = next(family.passes for family in FAMILIES if family.measures == ("gridpg",)) * images / 4
    assert whole == pytest.approx(estimate.START + 0.1 * kinds * (images * by_image + mosaics))


def test_a_pass_that_takes_longer_makes_the_estimate_longer(run):
    first, whole = estimate.seconds(run, ("gradcam", "layercam"), (), images=20)
    assert estimate.START < first < whole
