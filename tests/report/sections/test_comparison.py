"""The part of a report that compares two runs: the sentences, sets and bars of Compare."""

import re
import shutil

import pytest

from sightline.report.asked import ask
from sightline.report.page import make_report
from sightline.report.sections.comparison import comparison
from sightline.run_store.run import Run
from tests.app_pages import edit_predicted
from tests.fabricated import fabricate_run
from tests.odd_runs import MARKUP


@pytest.fixture
def pair(tmp_path, fabricated):
    """Runs new and old of 12 images: 0, 5 and 10 are wrong of old; of new 1, 5 and 10, and 0 is right."""
    old, new = (Run(shutil.copytree(fabricated, tmp_path / name)) for name in ("old", "new"))
    edit_predicted(new.path, {0: 0, 1: 2, 5: 1})
    return new, old


def test_a_run_alone_is_compared_with_nothing(pair):
    assert comparison(ask(pair[0])) is None


def test_the_sets_have_counts_shares_and_the_colour_of_the_run_that_alone_is_right(pair):
    asked = ask(*pair)
    facts = comparison(asked)
    a, b = asked.runs
    assert [(of.name, of.images, of.share, of.colour) for of in facts["sets"]] == [
        ("Only new right", 1, 1 / 12, a.colour), ("Only old right", 1, 1 / 12, b.colour),
        ("Both wrong", 2, 2 / 12, ""), ("Both right", 8, 8 / 12, ""),
    ]  # fmt: skip
    assert facts["better"].startswith("**new** is right on 75.0 %, **old** on 75.0 %: as many.")
    assert "(McNemar's exact test, p = 1.000)" in facts["better"]


def test_classes_and_pairs_are_those_of_compare(pair):
    facts = comparison(ask(*pair))
    by_class = {bar["label"]: [run["text"] for run in bar["runs"]] for bar in facts["classes"]["bars"]}
    assert by_class["cat"] == ["100 %", "75 %"] and by_class["dog"] == ["50 %", "75 %"]  # of four each
    assert all(run["interval"] for bar in facts["classes"]["bars"] for run in bar["runs"])
    # New takes no cat for a dog, which old does once, and a dog for an owl, which old does not.
    pairs = {(bar["label"], bar["taken_for"]): bar["cells"] for bar in facts["pairs"]["bars"]}
    assert pairs[("cat", "dog")] == ("−1",) and pairs[("dog", "owl")] == ("+1",)


def test_runs_that_are_right_on_the_same_images_differ_nowhere(tmp_path, fabricated):
    runs = [Run(shutil.copytree(fabricated, tmp_path / name)) for name in ("a", "b")]
    written = make_report(ask(*runs)).html
    assert "They are right on the same images." in written
    assert "Both runs confuse every pair of classes equally often." in written


def test_names_of_classes_and_runs_stay_text(tmp_path):
    a = tmp_path / "<b>one"
    fabricate_run(a, 60, MARKUP)
    edit_predicted(shutil.copytree(a, tmp_path / "*two*"), {1: 0})
    page = make_report(ask(Run(a), Run(tmp_path / "*two*"))).html
    part = re.search(r'<section id="comparison".*?</section>', page, re.DOTALL)[0]
    assert "<img" not in part and "<b>" not in part and "style=" not in part
    assert "Only &lt;b&gt;one right" in part and "Only *two* right" in part
