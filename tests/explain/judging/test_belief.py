"""Which maps may be believed: decided by hand from hand-made figures."""

import pytest

from sightline.explain.judging.belief import equals, headline, interval, ranking, unfaithful
from sightline.run_store.quality import QualityRow


def row(method, layer, measure, low, high, control=False, n=100):
    return QualityRow(method, layer, measure, (low + high) / 2, low, high, n, control, 100)


def control(name, measure, low, high):
    return row(name, "input", measure, low, high, control=True)


ROAD = [
    control("random", "road_gap", -0.01, 0.05),
    control("gaussian", "road_gap", 0.20, 0.30),
    row("gradcam", "layer1", "road_gap", 0.03, 0.25),  # no better than chance
    row("gradcam", "layer2", "road_gap", 0.06, 0.25),  # no better than a blob
    row("gradcam", "layer3", "road_gap", 0.31, 0.40),
    row("layercam", "layer3", "road_gap", 0.41, 0.50),
]
GRIDPG = [
    control("random", "gridpg", 0.25, 0.25),
    row("gradcam", "layer1", "gridpg", 0.60, 0.70),
    row("gradcam", "layer2", "gridpg", 0.24, 0.30),
    row("gradcam", "layer3", "gridpg", 0.40, 0.50),
]


def names(rows):
    return [(row.method, row.layer) for row in rows]


def test_a_map_is_unfaithful_where_road_does_not_tell_it_from_random_places():
    assert [bool(unfaithful(ROAD, "gradcam", layer)) for layer in ("layer1", "layer2", "layer3")] == [
        True, False, False,
    ]  # fmt: skip
    reason = unfaithful(ROAD, "gradcam", "layer1")
    assert reason.endswith("random places (ROAD 0.14 (0.03 to 0.25); random 0.02 (−0.01 to 0.05)).")


def test_a_gap_of_less_than_a_point_is_unfaithful_however_sure_it_is():
    sure = [control("random", "road_gap", -0.0001, 0.0001), row("gradcam", "layer4", "road_gap", 0.0005, 0.0008)]
    assert unfaithful(sure, "gradcam", "layer4")


@pytest.mark.parametrize("rows", [[], ROAD[:1], [ROAD[4]], [row("gradcam", "layer3", "road_gap", 0, 0, n=0), ROAD[0]]])
def test_what_was_not_measured_is_called_nothing(rows):
    assert unfaithful(rows, "gradcam", "layer3") == ""


def test_a_map_equals_the_controls_whose_intervals_it_meets_or_that_are_better():
    assert [names(equals(ROAD, found)) for found in ROAD[2:5]] == [
        [("random", "input"), ("gaussian", "input")],
        [("gaussian", "input")],
        [],
    ]


def test_of_a_measure_where_lower_is_better_the_controls_are_beaten_from_below():
    rows = [control("random", "blur_deletion", 0.3, 0.4)]
    assert equals(rows, row("gradcam", "layer4", "blur_deletion", 0.1, 0.2)) == []
    assert names(equals(rows, row("gradcam", "layer4", "blur_deletion", 0.5, 0.6))) == [("random", "input")]


def test_the_ranking_goes_by_gridpg_and_leaves_out_what_is_unfaithful_or_no_better_than_a_control():
    rows = ROAD + GRIDPG
    assert headline(rows) == "gridpg"
    # layer1 has the highest GridPG and is unfaithful; layer2 meets chance.
    assert names(ranking(rows)) == [("gradcam", "layer3")]


def test_without_mosaics_the_ranking_goes_by_road():
    assert headline(ROAD) == "road_gap"
    assert names(ranking(ROAD)) == [("layercam", "layer3"), ("gradcam", "layer3")]
    assert names(ranking(ROAD, "gradcam")) == [("gradcam", "layer3")]


def test_intervals_of_shares_are_percentages():
    assert interval(row("gradcam", "layer4", "gridpg", 0.69, 0.77)) == "73 % (69–77)"


def test_nothing_is_no_negative_number():
    assert interval(row("gradcam", "layer4", "road_gap", -0.001, 0.0001)) == "0.00 (0.00 to 0.00)"
