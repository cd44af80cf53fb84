"""What a report says of trust, patterns, the training images behind mistakes, and proofs: of files written by hand."""

import re
import shutil
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sightline.report.asked import ask
from sightline.report.page import make_report
from sightline.report.sections.culprits import culprits
from sightline.report.sections.patterns import MOST_CARDS, patterns
from sightline.report.sections.proof import NOT_FINISHED, proof
from sightline.report.sections.trust import trust
from sightline.run_store.hashes import weights_hash
from sightline.run_store.proofs import Proof, rows_hash, write_proofs
from sightline.run_store.quality import QualityRow, write_quality
from sightline.run_store.run import Run
from tests.app.culprits import test_culprits as written_culprits
from tests.app_pages import edit_predicted, edit_record
from tests.histories import keep_history
from tests.written_patterns import FIRST, HARD, write, write_maps

NAMES = ("trust", "patterns", "culprits", "proof")


@pytest.fixture
def run(tmp_path, fabricated):
    return Run(Path(shutil.copytree(fabricated, tmp_path / "run")))


def row(method, layer, value, measure="road_gap", control=False):
    return QualityRow(method, layer, measure, value, value - 0.01, value + 0.01, 12, control, 12)


MEASURED = [
    row("random", "input", 0.0, control=True), row("gaussian", "input", 0.3, control=True),
    row("gradcam", "layer1", 0.1), row("gradcam", "layer4", 0.6),
]  # fmt: skip


def measure(run, rows=MEASURED):
    write_quality(run, rows)


def prove(run, images=(0, 5)):
    """Two trainings on, of which the first has these images right, and the second none more than the run."""
    names = "without-one", "at-random"
    for name, right in zip(names, (images, ()), strict=True):
        copy = run.path.parent / name
        shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("patterns*", "proofs*"))
        labels = run.predictions().column("label")
        edit_predicted(copy, {image: int(labels[image]) for image in right})
    write_proofs(run, [Proof("pattern 1", (1,), "lists/x.csv", 5, *names, weights_hash(run), rows_hash(run))])


def section_of(run, name, **others):
    """The HTML of a section of the report; "" where there is none."""
    html = make_report(ask(run, **others)).html
    found = re.search(rf'<section id="{name}".*?</section>', html, re.DOTALL)
    return unescape(found[0]) if found else ""


def test_what_a_run_does_not_have_has_no_section(run):
    html = make_report(ask(run)).html
    assert not [name for name in NAMES if f'<section id="{name}"' in html]
    assert [read(ask(run)) for read in (trust, patterns, culprits, proof)] == [None] * 4


def test_the_verdicts_come_with_the_lead_over_every_control_and_which_one_decides(run):
    measure(run)
    (found,) = trust(ask(run))["runs"]
    assert found.controls == ("random numbers", "a blob in the middle")
    first, second = found.verdicts
    assert (first.title, first.figure) == ("Grad-CAM at layer4", "0.60 (0.59 to 0.61)")
    assert [lead.split()[0] for lead, _ in first.leads] == ["0.60", "0.30"]  # 0.6 less 0, and less 0.3
    assert [decides for _, decides in first.leads] == [False, True]
    assert second.title == "Grad-CAM at layer1" and "not supported" in second.verdict
    said = section_of(run, "trust")
    assert "<strong>Grad-CAM at layer4 is supported</strong>" in said and "an edge detector" in said  # is missing
    assert "Attribution is not attention" in said and "image by image, its ROAD lies more than 0.01 above" in said


def test_of_two_runs_both_are_judged_and_what_is_damaged_of_the_second_is_a_sentence(run, tmp_path):
    other = Run(Path(shutil.copytree(run.path, tmp_path / "other")))
    measure(run)
    assert "The maps of other were not measured." in section_of(run, "trust", beside=other)
    measure(other, [replace(one, value=one.value / 2) for one in MEASURED])
    found = trust(ask(run, other))
    assert [len(one.marks) for one in found["chart"].rows] == [2] * 4 and len(found["runs"]) == 2
    assert len({mark.colour for one in found["chart"].rows for mark in one.marks}) == 3  # A's, B's, none of controls
    (other.path / "quality.csv").write_text("none\nof ours")
    said = section_of(run, "trust", beside=other)
    assert "Run other: quality.csv" in said and "Grad-CAM at layer4 is supported" in said


def test_a_pattern_is_a_card_with_its_most_confident_mistakes_under_their_maps(run):
    write(run, FIRST, HARD)
    write_maps(run)
    found = patterns(ask(run))
    ((card,), (hard,)) = found["cards"], found["hard"]
    sure = run.predictions().column("confidence")
    assert [one.subject.image for one in card.mistakes] == sorted([0, 5, 10], key=lambda image: -sure[image])
    assert all(one.map.startswith("data:image/png") for one in card.mistakes) and hard.mistakes == ()
    said = section_of(run, "patterns")
    for words in (
        "1 pattern</strong> holds 1 of the 1 mistake", "75 % (20–99 %)", "red stands out (+12 %)",
        "2 of 3 mistakes become right", "Mean map of 6 images, hottest: top left", "Hard classes", "<b>Group 2</b>",
    ):  # fmt: skip
        assert words in said


def test_without_maps_the_mistakes_stand_alone_and_a_sentence_says_why(run):
    write(run, FIRST)
    said = section_of(run, "patterns")
    assert "Without maps: The maps are gone" in said and 'class="over"' not in said and said.count("<li>") == 3


def test_no_pattern_is_a_sentence_and_of_very_many_the_strongest_are_shown(run):
    write(run)
    assert "No pattern was found." in section_of(run, "patterns")
    many = [replace(FIRST, number=number, images=1, tested=1, mistakes=1, covered=None) for number in range(1, 13)]
    write(run, *many[:12], of_images=range(1, 13))
    assert len(patterns(ask(run))["cards"]) == 12 <= MOST_CARDS


def test_behind_the_mistakes_of_the_set_stand_training_images_with_label_and_doubt(run):
    written_culprits.write(run)
    found = culprits(ask(run, query="true=owl"))
    (mistake,) = found["mistakes"]
    assert mistake.subject.image == 5 and [(one.row, one.label, one.mark) for one in mistake.training] == [
        (3, "dog", "label?")
    ]
    assert all(mistake.maps) and found["whose"] == "this set"
    said = section_of(run, "culprits", query="true=owl")
    assert "Exact:" in said and "labelled dog, similarity 0.50" in said and "(Northcutt 2021)" in said


def test_a_set_without_known_mistakes_gives_way_to_the_strongest_pattern_or_all(run):
    written_culprits.write(run)
    assert culprits(ask(run, query="show=right"))["whose"] == "all test images"
    write(run, FIRST)
    assert culprits(ask(run, query="show=right"))["whose"] == "the strongest pattern"


def test_a_proof_is_its_table_and_its_verdict(run):
    write(run, FIRST)
    prove(run)
    said = section_of(run, "proof")
    assert re.findall(r"<td>(.*?)</td>", said) == ["75.0 %", "0 of 3", "91.7 %", "2 of 3", "75.0 %", "0 of 3"]
    assert "Not proved: trained without these images, 2 of the 3 mistakes are right" in said
    assert "On the half that tested the patterns" in said


def test_of_two_runs_what_is_of_the_first_says_so(run, tmp_path):
    other = Run(Path(shutil.copytree(run.path, tmp_path / "other")))
    write(run, FIRST)
    prove(run)
    written_culprits.write(run)
    for name in ("patterns", "culprits", "proof"):
        both, alone = section_of(run, name, beside=other), section_of(run, name)
        assert both.count("<bdi>run</bdi>") == alone.count("<bdi>run</bdi>") + 1


def test_a_proof_whose_runs_are_gone_is_not_finished_and_one_of_other_patterns_says_so(run):
    write(run, FIRST)
    prove(run)
    write(run, FIRST, HARD)
    assert "its patterns were looked for again since" in section_of(run, "proof")
    shutil.rmtree(run.path.parent / "at-random")
    assert NOT_FINISHED in section_of(run, "proof")


def stale(run):
    with open(run.path / "model.safetensors", "ab") as weights:
        weights.write(b" ")


@pytest.mark.parametrize(
    ("name", "file"),
    [("trust", "quality.csv"), ("patterns", "patterns.parquet"), ("culprits", "culprits.parquet"),
     ("culprits", "culprit_maps.npy"), ("culprits", "train_thumbnails.npy"), ("proof", "proofs.json")],
)  # fmt: skip
def test_what_is_damaged_is_a_sentence_in_its_place_and_costs_the_others_nothing(run, name, file):
    complete(run)
    (run.path / file).write_bytes(b"none\nof ours")
    sections = {one: section_of(run, one) for one in NAMES}
    assert file in sections[name] and '<p class="why">' in sections[name]
    # Without patterns it is not known of which mistakes a proof is.
    others = [one for one in NAMES if one != name]
    assert all(sections[one] and '<p class="why">' not in sections[one] for one in others)


def test_what_is_stale_is_a_sentence_in_its_place(run):
    complete(run)
    stale(run)
    for name in ("trust", "patterns", "culprits"):
        assert '<p class="why">' in section_of(run, name)


def complete(run):
    """Write everything that the four sections show."""
    measure(run)
    write(run, FIRST, HARD)
    write_maps(run)
    written_culprits.write(run)
    prove(run)


def test_names_of_other_people_are_words_and_no_element_has_a_style_of_its_own(run):
    evil = "<img src=x onerror=alert(1)>"
    edit_record(run.path, class_names=[evil, "**b**", "</script><script>alert(1)</script>"])
    run = Run(run.path)
    complete(run)
    html = make_report(ask(run)).html
    body = html[html.index("<body>") : html.rindex("<script>")]
    assert "<img src=x" not in body and "alert(1)</script>" not in body and "&lt;img src=x" in body
    seen = Seen()
    seen.feed(body)
    assert set(NAMES) <= seen.sections and not [name for name in seen.names if name == "style" or name.startswith("on")]


class Seen(HTMLParser):
    """What attributes the elements of a page have, and which sections there are."""

    def __init__(self):
        super().__init__()
        self.names, self.sections = set(), set()

    def handle_starttag(self, tag, attrs):
        self.names |= {name for name, _ in attrs}
        self.sections |= {value for name, value in attrs if tag == "section" and name == "id"}


def test_a_run_after_an_epoch_has_nothing_of_the_weights_it_ended_with(run):
    write(run, FIRST)
    keep_history(run.path)
    html = make_report(ask(run, query="epoch=2")).html
    assert "run after epoch 2" in html and 'id="images"' in html
    assert 'id="patterns"' not in html and "Pattern 1" not in html
    assert 'id="patterns"' in make_report(ask(run)).html
