"""The cards above the curves, through AppTest: of runs whose figures are computed by hand."""

import re
import shutil
from pathlib import Path

import pytest

from sightline.app.elements.introduction import COOKIE
from sightline.run_store import files
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from tests.app.test_app import text_of
from tests.app_pages import edit_predicted, open_page
from tests.fabricated import fabricate_run
from tests.written_patterns import FIRST, write

GAP, TAKEN_FOR, ONE_SIDED, PATTERN = "points** lie between", "are images taken for", "Only **", "pattern 1:]"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The folder of a run of 60 images, of which 0, 5, 10 … are wrong: six as car, and six as frog."""
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    fabricate_run(tmp_path / "runs" / "run", 60, with_model=True)
    return tmp_path / "runs" / "run"


def beside(run, name, right):
    """A copy of it that is right about these images, too."""
    other = Path(shutil.copytree(run, run.parent / name))
    edit_predicted(other, {image: image % 10 for image in right})
    return other


def page(**query):
    return open_page(state={COOKIE: True}, **query)


def said_by(app):
    return text_of(app).replace("\\", "")


def links_of(app):
    """What the cards lead to: the address of each, beside its label."""
    return {link.proto.label: link.proto.query_string for link in app.get("page_link") if "→" in link.proto.label}


def test_before_the_introduction_is_dismissed_there_are_no_cards(run):
    assert GAP not in said_by(open_page()) and GAP in said_by(page())


def test_the_gap_is_told_with_both_accuracies_and_leads_to_its_chart(run):
    app = page(smoothing="40")
    assert (
        ":gray[run:] **19.5 points** lie between the accuracy on training images (96.0\N{NO-BREAK SPACE}%) and on "
        "test images (76.5\N{NO-BREAK SPACE}%), after epoch 20."
    ) in said_by(app)
    assert links_of(app)["Show the gap by epoch →"] == "run=run&chart=accuracy&chart=gap&smoothing=40"
    assert (
        'aria-label="run: accuracy on training images, dashed, and on test images"><span><img src="data:image/svg'
        in (said_by(app))
    )


def test_a_gap_that_may_be_chance_is_not_told(run):
    metrics = run / files.METRICS
    # 76.5 % of 60 images: the 95 % interval ends at 85.6 % (Wilson).
    for share, is_told in ((0.85, False), (0.86, True)):
        figures = metrics.read_text().rsplit("\n", 2)[0]
        metrics.write_text(f"{figures}\n20,0.1,{share},0.15,0.765,0.1,30\n")
        assert (GAP in said_by(page())) == is_told


def test_the_class_that_most_are_taken_for_leads_to_these_mistakes(run):
    edit_predicted(run, {0: 6})  # seven as frog, five as car
    app = page(true="dog")
    assert ":gray[run:] **7** of 12 mistakes are images taken for **frog**, more than for any other class." in said_by(
        app
    )
    assert links_of(app)["See them in Mistakes →"] == "run=run&predicted=frog"


def test_a_card_of_b_makes_it_a_and_a_stays_as_b(run):
    other = beside(run, "better", ())
    edit_predicted(other, {0: 6})
    (run / files.METRICS).unlink()
    links = links_of(page(run="run", beside="better"))
    assert links["Show the gap by epoch →"] == "run=better&beside=run&chart=accuracy&chart=gap"


def test_of_an_impossible_accuracy_its_run_says_so_and_no_other_page_breaks(run):
    with (beside(run, "wrong", ()) / files.METRICS).open("a") as file:
        file.write("21,1.0,95.0,1.1,93.4,0.1,3\n")
    assert GAP in said_by(page(run="run"))
    with pytest.raises(RunError, match="holds the accuracy 95 of epoch 21, which is no share from 0 to 1"):
        Run(run.parent / "wrong").metrics()


def test_of_two_runs_the_larger_one_sided_set_leads_to_compare(run):
    other = beside(run, "better", range(0, 60, 5))
    edit_predicted(other, {1: 0})
    app = page(run="run", beside="better")
    # Of 13 images on which one alone is right, one is on the smaller side: p = 2 · (1 + 13) / 2¹³.
    assert "Only **better** is right on **12** of 60 test images, only run on 1 (p = 0.003)." in said_by(app)
    assert links_of(app)["Open Compare →"] == "run=run&beside=better&compared=only-b-right"
    app = page(run="better", beside="run")
    assert links_of(app)["Open Compare →"] == "run=better&beside=run&compared=only-a-right"


def test_without_a_pinned_run_the_chosen_one_is_set_against_what_it_differs_from_most(run):
    beside(run, "little", range(0, 30, 5))
    beside(run, "much", range(0, 60, 5))
    app = page(run="run")
    assert links_of(app)["Open Compare →"] == "run=run&beside=much&compared=only-b-right"
    assert said_by(app).count(ONE_SIDED) == 1


def test_a_difference_that_may_be_chance_and_one_of_other_images_are_not_told(run):
    beside(run, "other", (0, 5, 10, 15, 20))  # p = 2 / 2⁵
    assert ONE_SIDED not in said_by(page(run="run"))
    assert ONE_SIDED in said_by(page(run=beside(run, "more", range(0, 30, 5)).name, beside="run"))


def test_three_cards_at_most_and_each_kind_once_before_a_second_one(run):
    beside(run, "much", range(0, 60, 5))
    write(Run(run), FIRST)
    said = said_by(page(run="run"))
    assert [said.count(kind) for kind in (PATTERN, ONE_SIDED, GAP, TAKEN_FOR)] == [1, 1, 1, 0]
    (run / files.PATTERNS).unlink()
    said = said_by(page(run="run"))
    assert [said.count(kind) for kind in (ONE_SIDED, GAP, TAKEN_FOR)] == [1, 1, 1]


def test_where_there_is_one_kind_it_is_told_of_several_runs_largest_first(run):
    for name, share in (("large", 0.5), ("larger", 0.4)):
        other = shutil.copytree(run, run.parent / name)
        figures = (other / files.METRICS).read_text().rsplit("\n", 2)[0]
        (other / files.METRICS).write_text(f"{figures}\n20,0.1,0.96,0.15,{share},0.1,30\n")
    for folder in run.parent.iterdir():
        (folder / files.PREDICTIONS).unlink()
    assert re.findall(r"\*\*([\d.]+) points\*\*", said_by(page())) == ["56.0", "46.0", "19.5"]


def test_what_cannot_be_read_has_no_card_and_spoils_no_page(run):
    (run / files.PREDICTIONS).write_bytes(b"torn")
    app = page(run="run")
    assert TAKEN_FOR not in said_by(app) and GAP in said_by(app)


def test_what_is_left_out_of_lists_has_no_card(run):
    other = beside(run, "other", range(0, 60, 5))
    assert ONE_SIDED in said_by(page(run="run"))
    (other / files.NOTE).write_text('{"archived": true}')
    assert ONE_SIDED not in said_by(page(run="run")) and ONE_SIDED in said_by(page(run="run", beside="other"))
