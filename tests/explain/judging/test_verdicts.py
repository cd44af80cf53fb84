"""Which kinds of maps are supported: decided by hand from hand-made figures."""

from dataclasses import replace

import pytest

from sightline.explain.judging.figures import ALL_CONTROLS
from sightline.explain.judging.intervals import widening
from sightline.explain.judging.measures import MEASURES
from sightline.explain.judging.verdicts import (
    CONTROL_WORDS,
    MINIMUM,
    NOT_SUPPORTED,
    SUPPORTED,
    UNDECIDED,
    check,
    interval,
    is_known,
    over,
    undecided,
    verdicts,
)
from sightline.explain.quality import verdicts_json
from sightline.run_store.quality import QualityRow

LEVEL = 0.99
N = 100


def row(method, layer, measure, value, half, control=False, n=N, final=True):
    return QualityRow(
        method, layer, measure, value, value - half, value + half, n, control, N, level=LEVEL, final=final
    )


def control(name, value, half=0.0, measure="road_gap"):
    return row(name, "input", measure, value, half, control=True)


def kind(layer, value, leads, half=0.0, measure="road_gap", **more):
    """A kind with its figure and its leads over controls, from `half` below to `half` above when corrected.

    The low end is corrected for the number of kinds, the high end for that of kinds and controls.
    """
    below, above = (half / widening(N, LEVEL, number) for number in (KINDS, KINDS * len(leads)))
    found = [row("gradcam", layer, over(measure, name), lead, 0.0, **more) for name, lead in leads.items()]
    return [
        row("gradcam", layer, measure, value, 0.01, **more),
        *(replace(one, low=one.value - below, high=one.value + above) for one in found),
    ]


KINDS = 3
CONTROLS = [control("random", 0.0), control("gaussian", 0.2)]
FAR = kind("layer3", 0.4, {"random": 0.4, "gaussian": 0.2}, half=0.1)
NEAR = kind("layer2", 0.25, {"random": 0.25, "gaussian": 0.05}, half=0.1)
BELOW = kind("layer1", 0.05, {"random": 0.05, "gaussian": -0.15}, half=0.1)


def names(rows):
    return {verdict.layer: verdict.name for verdict in verdicts(rows)}


def test_a_kind_is_supported_where_it_lies_above_every_control_with_its_whole_interval():
    assert names([*CONTROLS, *FAR, *NEAR, *BELOW]) == {
        "layer3": SUPPORTED, "layer2": UNDECIDED, "layer1": NOT_SUPPORTED,
    }  # fmt: skip


def test_the_best_come_first_and_each_says_why():
    reasons = [verdict.reason for verdict in verdicts([*BELOW, *NEAR, *FAR, *CONTROLS])]
    assert reasons == [
        "ROAD's lead over a blob in the middle is 0.20 (0.10 to 0.30); no control is nearer.",
        "ROAD's lead over a blob in the middle is 0.05 (−0.05 to 0.15): too few images to tell (100).",
        "ROAD's lead over a blob in the middle is −0.15 (−0.25 to −0.05); it must be above 0.01.",
    ]


@pytest.mark.parametrize(
    "lead, name", [(0.111, SUPPORTED), (0.109, UNDECIDED), (-0.089, UNDECIDED), (-0.091, NOT_SUPPORTED)]
)
def test_the_lead_must_be_more_than_a_point(lead, name):
    assert MINIMUM == 0.01
    found = kind("layer3", 0.4, {"random": 0.4, "gaussian": lead}, half=0.1)
    assert names([*CONTROLS, *found, *NEAR, *BELOW])["layer3"] == name


def test_the_more_kinds_are_compared_the_more_a_lead_has_to_be():
    sure = kind("layer3", 0.4, {"random": 0.4, "gaussian": 0.12}, half=0.1)
    others = [kind(f"block{number}", 0.4, {"random": 0.4, "gaussian": 0.2}) for number in range(50)]
    assert names([*CONTROLS, *sure, *NEAR, *BELOW])["layer3"] == SUPPORTED
    assert names([*CONTROLS, *sure, *sum(others, [])])["layer3"] == UNDECIDED


def test_a_file_without_leads_is_judged_by_the_distance_of_the_intervals():
    """0.36 − 0.27 = 0.09, less both halves: of files of before leads were written."""
    plain = [control("random", 0.0, 0.01), control("gaussian", 0.27, 0.03)]
    near, far = (row("gradcam", "layer4", "road_gap", 0.36, half) for half in (0.051, 0.049))  # of one kind
    assert [names([*plain, one])["layer4"] for one in (near, far)] == [UNDECIDED, SUPPORTED]
    assert verdicts([*plain, far])[0].reason.startswith("ROAD's lead over a blob in the middle is 0.09 (0.01 to 0.18)")


def test_of_a_single_image_nothing_is_decided():
    alone = [
        row(*words, value, 0.0, n=1)
        for words, value in (
            (("gradcam", "layer3", "road_gap"), 0.9),
            (("gradcam", "layer3", over("road_gap", "random")), 0.9),
        )
    ]
    (verdict,) = verdicts([CONTROLS[0], *alone])
    assert verdict.name == UNDECIDED
    assert verdict.reason == "ROAD's lead over random numbers is 0.90 (−∞ to ∞): too few images to tell (1)."
    assert '"low": null' in verdicts_json([verdict]) and '"high": null' in verdicts_json([verdict])


@pytest.mark.parametrize("rows", [[], FAR, CONTROLS, [row("gradcam", "layer3", "road_gap", 0, 0, n=0), *CONTROLS]])
def test_without_figures_or_controls_there_is_no_verdict(rows):
    assert verdicts(rows) == []


def test_where_blurring_says_the_contrary_the_verdict_says_so():
    second = [control("random", 0.0, measure="blur_gap"), control("gaussian", 0.3, measure="blur_gap")]
    second += kind("layer3", 0.1, {"random": 0.1, "gaussian": -0.2}, half=0.1, measure="blur_gap")
    second += kind("layer2", 0.1, {"random": 0.1, "gaussian": -0.2}, half=0.1, measure="blur_gap")
    found = {verdict.layer: verdict for verdict in verdicts([*CONTROLS, *FAR, *NEAR, *BELOW, *second])}
    assert found["layer3"].disagrees and found["layer3"].second == NOT_SUPPORTED
    assert found["layer3"].reason.endswith("By blurring it is not supported: the two measures disagree.")
    assert not found["layer2"].disagrees  # undecided and not supported
    assert found["layer1"].second == "" and not found["layer1"].disagrees


def test_a_verdict_is_provisional_as_long_as_images_are_to_come():
    found = verdicts([*CONTROLS, *FAR, *kind("layer2", 0.25, {"random": 0.2}, half=0.1, final=False)])
    assert {verdict.layer: verdict.final for verdict in found} == {"layer3": True, "layer2": False}


def test_every_control_that_is_measured_counts():
    assert set(CONTROL_WORDS) == set(ALL_CONTROLS)


def test_a_control_that_nobody_knows_decides_nothing():
    """A file of thousands of them would keep a page waiting."""
    stranger = row("of a later version", "input", "road_gap", 0.9, 0.0, control=True)
    assert names([*CONTROLS, *FAR, stranger]) == {"layer3": SUPPORTED}


def test_figures_of_measures_and_of_their_leads_are_known():
    known = [is_known(name) for name in ("road_gap", over("road_gap", "mean_map"), "of a later version", "")]
    assert known == [True, True, False, False]


def test_measuring_goes_on_with_what_is_undecided_and_the_controls_that_are_not_beaten():
    assert undecided([*CONTROLS, *FAR, *NEAR, *BELOW], "road_gap") == {("gradcam", "layer2"), ("gaussian", "input")}
    assert undecided([*CONTROLS, *FAR, *BELOW], "road_gap") == set()


@pytest.mark.parametrize(
    "value, n, answer", [(0.3, N, "passes"), (0.7, N, "fails"), (0.45, N, "undecided"), (0.3, 1, "undecided")]
)
def test_a_sanity_check_passes_or_fails_with_its_whole_interval(value, n, answer, monkeypatch):
    monkeypatch.setitem(MEASURES, "randomisation", replace(MEASURES["randomisation"], bound=0.5))
    assert check(row("gradcam", "layer3", "randomisation", value, 0.1, n=n)) == answer


def test_intervals_of_shares_are_percentages_and_end_where_shares_do():
    assert interval(row("gradcam", "layer4", "gridpg", 0.73, 0.04)) == "73 % (69–77)"
    assert interval(row("gradcam", "layer4", "gridpg", 0.98, 0.04)) == "98 % (94–100)"


def test_nothing_is_no_negative_number():
    assert interval(row("gradcam", "layer4", "road_gap", -0.0005, 0.0005)) == "0.00 (0.00 to 0.00)"
