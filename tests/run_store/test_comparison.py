"""Two runs on the same images: how they differ, and whether it is more than chance, by hand."""

from math import comb
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest

from sightline.app.elements.spreadsheets import both_as_csv
from sightline.app.views.compare.tiles import with_both
from sightline.report.address.compared_set import compared_rows
from sightline.report.address.selection import Selection
from sightline.report.drawing.compared_bars import changed_bars, class_bars, probability_bars
from sightline.report.drawing.matrix import Cells, difference_cells
from sightline.report.drawing.subject import Subject
from sightline.report.words.comparison import better_words, changed_words, class_words, set_words
from sightline.run_store.comparison import Change, Comparison, holm, in_classes
from sightline.run_store.predictions import Predictions

NAMES = ("cat", "dog", "owl")
LEGEND = (("new", "#000001"), ("old", "#000002"))  # of A and B
LABELS = [0, 0, 1, 1, 2, 2]


def predictions(predicted, labels=LABELS, confidence=None):
    count = len(predicted)
    scalars = pa.table({
        "index": np.arange(count), "label": np.array(labels, np.int16), "predicted": np.array(predicted, np.int16),
        "confidence": np.array(confidence or np.linspace(0.9, 0.4, count), np.float32),
        "loss": np.full(count, 0.25, np.float32),
    })  # fmt: skip
    return Predictions(NAMES, scalars, np.zeros((count, 3), np.float16))


@pytest.fixture
def comparison():
    # image     0       1       2      3           4           5
    # right     only B  only A  both   neither     neither     only A
    return Comparison(a=predictions([1, 0, 1, 0, 1, 2]), b=predictions([0, 1, 1, 0, 0, 1]))


def split(only_a, only_b):
    """A comparison of which only A has so many images right, only B so many, and both one."""
    count = only_a + only_b + 1
    a, b = np.zeros(count, int), np.zeros(count, int)
    b[:only_a], a[only_a:-1] = 1, 1
    return Comparison(predictions(a, [0] * count), predictions(b, [0] * count))


def test_predictions_are_the_same_in_another_order_of_the_classes():
    p = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]], np.float16)
    found = predictions([0, 1], [2, 1])
    moved = in_classes(Predictions(NAMES, found.scalars, p), ("owl", "cat", "dog"))
    assert moved.column("predicted").tolist() == [1, 2] and moved.column("label").tolist() == [0, 2]
    assert moved.probabilities.tolist() == [[0.25, 0.5, 0.25], [0.125, 0.125, 0.75]]
    assert moved.column("confidence").tolist() == found.column("confidence").tolist()
    assert moved.wrong.tolist() == found.wrong.tolist() == [True, False]
    assert in_classes(found, ("owl", "cat", "fox")) is found  # other classes are no other order


def test_every_image_is_in_one_set(comparison):
    rows = {change: np.flatnonzero(mask).tolist() for change, mask in comparison.masks.items()}
    assert rows == {"only A right": [1, 5], "only B right": [0], "both wrong": [3, 4], "both right": [2]}
    assert comparison.images == {change: len(found) for change, found in rows.items()}


def test_the_larger_one_sided_set_is_the_first_to_be_looked_at(comparison):
    assert comparison.largest == "only A right"
    assert Comparison(comparison.b, comparison.a).largest == "only B right"
    assert split(2, 2).largest == "only A right"
    assert Comparison(comparison.a, comparison.a).largest == "both wrong"
    assert split(0, 0).largest == "both right"


@pytest.mark.parametrize("only_a, only_b", [(1, 0), (3, 1), (0, 6), (10, 2), (25, 25), (300, 250)])
def test_p_is_that_of_mcnemars_exact_test(only_a, only_b):
    n = only_a + only_b
    tail = sum(comb(n, k) for k in range(min(only_a, only_b) + 1)) / 2**n
    assert split(only_a, only_b).p_value == pytest.approx(min(1, 2 * tail), rel=1e-9)
    assert split(only_b, only_a).p_value == split(only_a, only_b).p_value


def test_p_of_many_images_is_a_number():
    assert split(60_000, 50_000).p_value == pytest.approx(0, abs=1e-100)
    assert 0.9 < split(50_001, 50_000).p_value <= 1


def test_runs_that_are_right_on_the_same_images_do_not_differ():
    assert split(0, 0).p_value == 1
    assert better_words(split(0, 0), ("a", "b")).endswith("They are right on the same images.")


def test_the_words_say_which_run_is_better_and_how_sure_that_is():
    words = better_words(split(12, 2), ("new", "old"))
    assert r"new is right on 86.7 %, old on 20.0 %: 66.7 points more." in words
    assert r"On 14 images only one of them is right: new on 12, old on 2" in words
    assert "would hardly do this (McNemar's exact test, p = 0.013)" in words
    assert "could well do this (McNemar's exact test, p = 0.453)" in better_words(split(2, 5), ("new", "old"))
    assert "hardly do this (McNemar's exact test, p < 0.001)" in better_words(split(0, 40), ("new", "old"))
    assert "50.0 points more. On 1 image only one of them is right" in better_words(split(1, 0), ("new", "old"))


def test_as_many_are_right_only_where_that_is_so():
    assert ": as many. On 80 images" in better_words(split(40, 40), ("new", "old"))
    assert ": less than 0.1 points less. On 2\u202f001 images" in better_words(split(1000, 1001), ("new", "old"))


def test_the_sets_are_called_by_the_names_of_the_runs():
    words = set_words("new", "old")
    assert words == dict(
        zip(get_args(Change), ("Only new right", "Only old right", "Both wrong", "Both right"), strict=True)
    )


def test_the_set_follows_the_choice_the_class_and_what_either_run_predicted(comparison):
    assert compared_rows(comparison, Selection()).tolist() == [1, 5]
    assert compared_rows(comparison, Selection(compared="both wrong")).tolist() == [3, 4]
    assert compared_rows(comparison, Selection(compared="both wrong", order="least confident first")).tolist() == [4, 3]
    assert compared_rows(comparison, Selection(compared="only A right", label="cat")).tolist() == [1]
    assert compared_rows(comparison, Selection(compared="both wrong", predicted="cat")).tolist() == [3, 4]
    assert compared_rows(comparison, Selection(compared="both wrong", predicted="dog")).tolist() == [4]


def test_a_tile_says_what_both_runs_predict(comparison):
    item = {"index": 4, "true": "owl", "predicted": "dog", "wrong": True, "alt": ""}
    (both,) = with_both([item], comparison, [("new", "blue"), ("old", "red")])
    assert (both["true"], both["predicted"]) == ("owl", "dog")
    assert both["guesses"] == (
        {"name": "dog", "wrong": True, "colour": "blue"},
        {"name": "cat", "wrong": True, "colour": "red"},
    )
    assert both["alt"] == "Image 4: true owl, new predicts dog, old predicts cat"


def test_the_difference_of_confusions_counts_mistakes_more_and_fewer(comparison):
    # A: cat 0 → dog and owl 4 → dog; B: cat 1 → dog and owls 4 → cat, 5 → dog.
    cells = difference_cells(comparison.confusion_difference, np.array([2, 2, 2]))
    assert cells == Cells("2 0 -1 2 2 1", (2, 2, 2), is_difference=True)


def test_the_pairs_that_changed_most_are_listed_by_how_much_and_unchanged_ones_are_not(comparison):
    assert comparison.changed_pairs.most(8) == [(2, 0, -1, 1.0)]  # one owl less is taken for a cat
    assert comparison.changed_pairs.most(0) == []
    (bar,) = changed_bars(comparison, Selection(label="owl", predicted="cat"))
    assert (bar.label, bar.taken_for, bar.cells, bar.value, bar.kind) == ("owl", "cat", ("−1",), 1, "muted")
    assert bar.selected
    (worse,) = changed_bars(Comparison(comparison.b, comparison.a), Selection())
    assert (worse.cells, worse.kind, worse.selected) == (("+1",), "muted", False)


@pytest.fixture
def confused():
    """Of four pairs that either run confuses, one differs by eight images, one by three and two not at all."""
    images = [  # true, A, B
        *[(0, 1, 0)] * 8,  # cats taken for dogs by A alone
        *[(2, 2, 0)] * 3,  # owls taken for cats by B alone
        (1, 0, 1), (1, 1, 0),  # a dog taken for a cat by each
        (2, 1, 1),  # an owl taken for a dog by both
    ]  # fmt: skip
    labels, a, b = map(list, zip(*images, strict=True))
    return Comparison(predictions(a, labels), predictions(b, labels))


def test_each_pair_is_tested_on_the_images_that_one_run_alone_confuses_and_corrected_for_all_pairs(confused):
    # McNemar by hand: 2/2⁸, 2/2³ and, where as many changed either way, 1; times 4, 3, …
    assert confused.changed_pairs.p_values.tolist() == pytest.approx([4 * 2 / 256, 1, 3 * 2 / 8, 1])
    assert [pair[:3] for pair in confused.changed_pairs.most(8)] == [(0, 1, 8), (2, 0, -3)]
    assert [pair[3] for pair in confused.changed_pairs.most(8)] == pytest.approx([4 * 2 / 256, 3 * 2 / 8])


def test_only_changes_beyond_chance_are_marked_and_the_number_of_pairs_is_said(confused):
    more, less = changed_bars(confused, Selection())
    assert (more.cells, more.kind, more.title) == (("+8*",), "wrong", "cat taken for dog: +8 images, more than chance")
    assert (less.cells, less.kind, less.title) == (("−3",), "muted", "owl taken for cat: −3 images")
    assert changed_words(confused).startswith(r"\* 1 of the 4 pairs of classes that either run confuses differ")


def test_where_all_changes_may_be_chance_none_is_marked(comparison):
    assert changed_words(comparison).startswith("None of the 4 pairs")  # cat→dog, dog→cat, owl→cat and owl→dog


def test_each_class_is_tested_on_the_images_that_only_one_run_has_right(confused):
    # The 8 cats only B has right: 2/2⁸; the 3 owls only A, and of the dogs each run one: 2/2³ and 1; times 3, 2, 1.
    rows = [(row.code, row.images, row.a, row.b) for row in confused.classes]
    assert rows == [(0, 8, 0, 8), (1, 2, 1, 1), (2, 4, 3, 0)]
    assert [row.p_value for row in confused.classes] == pytest.approx([3 * 2 / 256, 1, 2 * 2 / 8])


def test_a_class_without_images_is_neither_shown_nor_counted_among_the_tests():
    only_cats = Comparison(predictions([0] * 6, [0] * 6), predictions([1] * 6, [0] * 6))
    (row,) = only_cats.classes
    assert row.code == 0 and row.p_value == pytest.approx(2 / 64)


def test_the_bars_of_a_class_have_the_intervals_of_both_runs_and_mark_what_is_more_than_chance(confused):
    cat, owl, dog = class_bars(confused, LEGEND, Selection(label="owl"))
    assert [bar.label for bar in (cat, owl, dog)] == ["cat", "owl", "dog"]  # those that differ most first
    assert [run.text for run in cat.runs] == ["0 %", "100 %"] and cat.cells == ("−100*",)
    assert owl.cells == ("+75",) and owl.selected and not cat.selected
    assert [run.colour for run in owl.runs] == ["#000001", "#000002"]
    # Wilson by hand, 3 of 4 with z = 1.96: (0.75 + 0.4802 ± √(0.4802 · 0.1875 · 2 + 0.4802²)) / 1.9604
    assert owl.runs[0].interval == pytest.approx((0.3006, 0.9544), abs=1e-4)
    assert owl.title == (
        "owl, 4 images: new 75.0 % (30.1–95.4 %), old 0.0 % (0.0–49.0 %), the difference may be chance"
    )
    assert class_words(confused).endswith("correction for all of them): 1 of 3.")


def test_the_probabilities_of_both_runs_stand_side_by_side_by_the_names_of_the_classes():
    ours = Subject("", NAMES, np.array([0.5, 0.25, 0.25]), 0, np.zeros((1, 1, 3), np.uint8), label=2)
    theirs = Subject("", ("owl", "cat", "dog"), np.array([0.125, 0.0, 0.875]), 2, ours.pixels, label=0)
    bars = probability_bars([ours, theirs], LEGEND, shown=1)
    assert [(bar.label, *(run.text for run in bar.runs)) for bar in bars] == [
        ("owl", "25.0 %", "12.5 %"), ("cat", "50.0 %", "0.0 %"), ("dog", "25.0 %", "87.5 %"),
    ]  # fmt: skip
    assert bars[0].kind == "right" and bars[0].title == "owl (true): new 25.00 %, old 12.50 %"


def test_a_class_of_which_nobody_knows_a_probability_has_no_bars():
    unknown = Subject("", NAMES, np.full(3, np.nan), 0, np.zeros((1, 1, 3), np.uint8), label=2)
    assert probability_bars([unknown, unknown], LEGEND) == []


def test_the_table_to_take_along_has_what_both_runs_predict(comparison):
    lines = both_as_csv(comparison, np.array([4, 0]), ("new", "old,er")).decode().splitlines()
    assert lines == [
        "index,label,predicted (new),confidence (new),loss (new),"
        '"predicted (old,er)","confidence (old,er)","loss (old,er)"',
        "4,owl,dog,0.5,0.25,cat,0.5,0.25",
        "0,cat,dog,0.9,0.25,cat,0.9,0.25",
    ]


def test_runs_that_confuse_nothing_have_no_pairs():
    right = Comparison(predictions(LABELS), predictions(LABELS))
    assert right.changed_pairs.most(8) == [] and changed_bars(right, Selection()) == []


def test_holm_never_ranks_a_larger_p_before_a_smaller_one():
    assert holm(np.array([0.04, 0.01, 0.03, 0.5])).tolist() == pytest.approx([0.09, 0.04, 0.09, 0.5])
