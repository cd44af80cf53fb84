"""Measures: which rank maps, which pass or fail, and which do neither."""

from sightline.explain.judging.findings import SAME_CORRELATION
from sightline.explain.judging.measures import MEASURES

CHECKS = {"randomisation", "randomisation_smooth", "class_sensitivity"}


def test_sanity_checks_pass_or_fail_and_do_not_rank():
    assert {name for name, measure in MEASURES.items() if measure.bound is not None} == CHECKS
    assert all(MEASURES[name].better is None for name in CHECKS)
    assert MEASURES["randomisation"].direction == "passes at 0.5 or below"
    assert MEASURES["class_sensitivity"].bound == SAME_CORRELATION  # one word for one thing, of a kind and of a map


def test_where_a_map_lies_on_tag_or_decoy_is_neither_better_nor_worse():
    measure = MEASURES["tag_minus_decoy"]
    assert (measure.better, measure.bound, measure.direction) == (None, None, "")
    assert "Above zero: the map lies on the tag; below: on the decoy." in measure.figure


def test_a_list_begins_with_the_best_or_with_what_passes_most_clearly():
    first = {name for name, measure in MEASURES.items() if measure.is_highest_first}
    assert first == {"gridpg", "road_gap", "blur_gap", "blur_insertion", "increase", "object_share", "tag_minus_decoy"}
    assert MEASURES["blur_deletion"].direction == "lower is better"
