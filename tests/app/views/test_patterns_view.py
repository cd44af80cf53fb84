"""The Patterns view, what Mistakes and Curves make of it, through AppTest: patterns written by hand."""

import re
import shutil
from colorsys import hsv_to_rgb
from dataclasses import replace
from html import unescape
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sightline.app.elements import task
from sightline.app.elements.introduction import COOKIE
from sightline.app.elements.proof_result import list_csv
from sightline.app.runs import processes
from sightline.report.drawing.share_bar import share_bar
from sightline.report.words.pattern import colour_words, place_words
from sightline.run_store.patterns import Attended
from sightline.run_store.proofs import Proof, rows_hash, write_proofs
from sightline.run_store.run import Run
from tests.app.test_app import gallery_of, html_of, markdown_of, text_of
from tests.app_pages import edit_predicted, edit_record, open_page
from tests.fabricated import fabricate_run
from tests.written_patterns import FIRST, HARD, OF_IMAGES, write, write_maps


@pytest.fixture
def run(tmp_path, monkeypatch, fabricated):
    monkeypatch.setenv("SIGHTLINE_RUNS", str(tmp_path / "runs"))
    run = Run(Path(shutil.copytree(fabricated, tmp_path / "runs" / "run")))
    edit_record(run.path, dataset="planted-shapes:shortcut")  # which a page may train on
    return Run(run.path)


def test_a_pattern_is_a_set_in_mistakes(run):
    write(run, FIRST, HARD)
    app = open_page("mistakes", value="pattern:1", show="all", order="test-order")
    assert [item["index"] for item in gallery_of(app)["items"]] == [0, 1, 2, 4, 5, 10]
    assert app.button(key="chip_0").label == r"pattern\: 1"
    app.button(key="chip_0").click().run()
    assert "value" not in app.query_params and len(gallery_of(app)["items"]) == 12


def test_patterns_that_are_found_while_the_page_is_open_are_a_set_at_once(run):
    app = open_page("mistakes", value="pattern:2", show="all")
    assert app.button(key="chip_0").label == r"pattern\: 2 \(not in this run\)"
    write(run, FIRST, HARD)
    app.run()
    assert sorted(item["index"] for item in gallery_of(app)["items"]) == [6, 7, 11]


@pytest.mark.parametrize("damage", ["torn", "stale", "other rows"])
def test_patterns_that_cannot_be_read_cost_nobody_the_predictions(run, damage):
    write(run, FIRST, HARD)
    spoil(run, damage)
    app = open_page("mistakes", value="pattern:1", show="all")
    assert len(gallery_of(app)["items"]) == 12
    assert app.button(key="chip_0").label == r"pattern\: 1 \(not in this run\)"


def spoil(run, damage):
    if damage == "torn":
        (run.path / "patterns.json").write_text("{")
    elif damage == "stale":
        with open(run.path / "model.safetensors", "ab") as weights:
            weights.write(b" ")
    else:
        (run.path / "patterns.parquet").write_bytes(b"none of ours")


def said_by(app):
    return unescape(text_of(app)).replace("\\", "")


def test_a_sentence_says_how_many_mistakes_the_patterns_hold_on_the_half_that_did_not_form_them(run):
    write(run, FIRST, HARD)
    # Odd images are that half. Of the mistakes 0, 5 and 10 it has 5, which is of pattern 1.
    assert "**1 pattern** holds 1 of the 1 mistake (100 %)" in said_by(open_page("patterns"))


def test_a_card_has_the_figures_of_its_pattern(run):
    write(run, FIRST, replace(HARD, same_classes_rate=float("nan")))
    said = said_by(open_page("patterns"))
    for words in (
        "<b>Pattern 1</b> most often taken for <b dir='auto'>dog</b>",
        "75 % (20–99 %)",
        "6 images; tested on 4 of them, 3 wrong: p < 0.001 against all others, p = 0.010 against those taken for the ",
        "90 % alike",
        f"<span>others taken for the same</span>{share_bar(float('nan'))}<span>–</span>",
        "5 % of the image, top left, red stands out (+12 %)",
        "With the hottest tenth covered, 2 of 3 mistakes become right; with as much covered at random, 0 (p = 0.500).",
    ):
        assert words in said
    # Of the mistakes 0 is a cat taken for a dog, 5 an owl for a cat, 10 a dog for an owl.
    assert re.findall(r"<bdi>(\w+)</bdi> → <bdi>(\w+)</bdi> <b>1</b>", said) == [
        ("cat", "dog"), ("dog", "owl"), ("owl", "cat"),
    ]  # fmt: skip


def test_its_most_confident_mistakes_stand_beside_it(run):
    write(run, FIRST, HARD)
    app = open_page("patterns")
    confidences = run.predictions().column("confidence")
    assert [item["index"] for item in gallery_of(app)["items"]] == sorted([0, 5, 10], key=lambda row: -confidences[row])
    assert gallery_of(app, place=1)["items"] == []


def test_their_maps_lie_over_them_where_they_are_stored(run):
    write(run, FIRST)
    app = open_page("patterns")
    assert "over" not in gallery_of(app)["items"][0] and "Without maps: The maps are gone" in said_by(app)
    write_maps(run)
    app.run()
    assert all(item["over"].startswith("data:image/png") for item in gallery_of(app)["items"])
    assert "Without maps" not in said_by(app) and "Mean map of 6 images, hottest: top left" in said_by(app)


def test_hard_classes_stand_apart_below_the_patterns(run):
    write(run, FIRST, HARD)
    said = said_by(open_page("patterns"))
    assert "**Hard classes**" in said and "they say which classes are hard, and not why" in said
    assert "<b>Group 2</b>" in said and "<b>Pattern 2</b>" not in said
    write(run, FIRST)
    assert "Hard classes" not in said_by(open_page("patterns"))


def test_where_nothing_is_found_the_page_says_what_was_tried(run):
    write(run)
    app = open_page("patterns")
    said = said_by(app)
    assert (
        "**No pattern was found.** 25 groups of images that are attended alike were formed from 6 test images" in said
    )
    assert "tested on the 6 others" in said and "Grad-CAM at layer4" in said
    assert app.button(key="patterns_find_button").label == "Find again"


def test_where_only_a_hard_class_is_found_no_pattern_is_claimed(run):
    write(run, replace(HARD, number=1, images=6))
    assert "**No pattern was found**, only 1 hard class." in said_by(open_page("patterns"))


def test_names_of_other_people_are_words_and_nothing_else(run):
    edit_record(run.path, class_names=["<img src=x onerror=alert(1)>", ":red[x]", "![x](http://a.b/c.png)"])
    write(run, FIRST, replace(HARD, kind="pattern"))
    for view in ("curves", "patterns"):
        app = open_page(view)
        assert ":red[x]" not in markdown_of(app) and "<img src=x" not in html_of(app)
    assert app.pills[0].options[0] == r"1 \:red\[x\]" and "<b dir='auto'>:red[x]</b>" in html_of(app)


def test_a_further_column_that_differs_stands_on_the_card(run):
    file = run.path / "predictions.parquet"
    camera = ["left" if number == 1 else "<b>right" for number in OF_IMAGES]
    pq.write_table(pq.read_table(file).append_column("camera", pa.array(camera)), file)
    write(run, FIRST)
    assert "camera: left in 100 % of them, in 0 % of the others (p = 0.002)" in said_by(open_page("patterns"))


def test_what_was_never_looked_for_says_what_is_done_and_a_button_does_it(run, monkeypatch):
    started = []
    monkeypatch.setattr(processes, "start", lambda *arguments: started.append(arguments))
    app = open_page("patterns")
    assert "Test images are grouped by what the model attended to in them" in said_by(app)
    button = app.button(key="patterns_find_button")
    assert button.label == "Find patterns"
    button.click().run()
    assert started == [(("patterns", run.path), "sightline.explain.patterns", "--run", str(run.path))]


def test_while_patterns_are_looked_for_the_page_says_how_far_that_is_and_it_can_be_stopped(run, monkeypatch):
    stopped = []
    monkeypatch.setattr(processes, "is_running", lambda key: key == ("patterns", run.path))
    monkeypatch.setattr(processes, "progress", lambda key: processes.ProgressBar(0.5, "maps", "02:50"))
    monkeypatch.setattr(processes, "stop", stopped.append)
    for patterns in ((), (FIRST,)):
        if patterns:
            write(run, *patterns)
        app = open_page("patterns")
        (bar,) = app.get("progress")
        assert bar.proto.text == "Finding patterns: maps · about 3 minutes left"
        assert "patterns_find_button" not in [button.key for button in app.button]
    app.button(key="patterns_find_stop").click().run()
    assert stopped == [("patterns", run.path)]


def test_a_server_that_only_shows_runs_offers_the_command_alone(run, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_READ_ONLY", "1")
    app = open_page("patterns")
    assert "This server only shows runs; whoever hosts it can find them:" in said_by(app)
    assert any("sightline patterns --run" in code.value for code in app.code)
    assert not [button for button in app.button if "patterns" in button.key]


def test_a_search_that_failed_says_why(run, monkeypatch):
    monkeypatch.setattr(processes, "failure", lambda key: "Error: too few images in :red[x]." * (key[0] == "patterns"))
    (error,) = open_page("patterns").error
    assert error.value == r"Patterns could not be found. Error\: too few images in \:red\[x\]\."


@pytest.mark.parametrize(
    ("damage", "words"), [("torn", "is damaged"), ("stale", "is stale"), ("other rows", "damaged")]
)
def test_patterns_that_cannot_be_read_are_named_and_can_be_found_again(run, damage, words):
    write(run, FIRST)
    spoil(run, damage)
    app = open_page("patterns")
    assert words in app.warning[0].value and "sightline patterns" in app.warning[0].value.replace("\\", "")
    assert app.button(key="patterns_find_button").label == "Find again"


def test_a_run_without_a_network_says_so(run):
    edit_record(run.path, network="none", without_network="It was recorded from predictions.")
    assert "**This run has no network.** It was recorded from predictions." in said_by(open_page("patterns"))


def test_of_very_many_patterns_the_strongest_are_drawn_and_all_can_be_filtered(run):
    shutil.rmtree(run.path)
    fabricate_run(run.path, 30, ("cat", "dog", "owl"), with_model=True)
    write(
        run,
        *(replace(FIRST, number=number, images=1, tested=1, mistakes=1) for number in range(1, 31)),
        of_images=range(1, 31),
    )
    app = open_page("patterns")
    assert "5 more: the filter “pattern” in Mistakes has them all." in said_by(app)


def test_a_pattern_of_other_images_than_it_says_is_damage(run):
    write(run, replace(FIRST, images=7))
    assert "patterns.parquet does not hold the images of every pattern" in said_by(open_page("patterns"))


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ((255, 0, 0), "red"), ((255, 0, 60), "red"), ((255, 120, 0), "orange"), ((140, 80, 20), "brown"),
        ((240, 230, 20), "yellow"), ((20, 200, 60), "green"), ((0, 200, 200), "turquoise"), ((20, 60, 230), "blue"),
        ((130, 20, 220), "purple"), ((250, 60, 180), "pink"), ((0, 0, 0), "black"), ((255, 255, 255), "white"),
        ((130, 130, 130), "grey"), ((150, 110, 110), "greyish red"), 
    ],
)  # fmt: skip
def test_colours_have_names_around_the_whole_circle(colour, words):
    assert colour_words(colour) == words


@pytest.mark.parametrize("hue", range(360))
def test_every_hue_has_a_name_and_no_light_makes_it_another(hue):
    names = {
        colour_words(tuple(255 * part for part in hsv_to_rgb((hue + 0.5) / 360, 1, light))).replace("brown", "orange")
        for light in (0.4, 0.7, 1)
    }
    assert len(names) == 1


@pytest.mark.parametrize(
    ("place", "spread", "words"),
    [
        ((0.1, 0.1), 0.05, "top left"), ((0.5, 0.1), 0.05, "top"), ((0.9, 0.5), 0.05, "right"),
        ((0.5, 0.5), 0.05, "in the middle"), ((0.9, 0.9), float("nan"), "bottom right"),
        ((0.4, 0.5), 0.3, "in many places"),
    ],
)  # fmt: skip
def test_a_place_has_a_name_unless_it_is_another_in_every_image(place, spread, words):
    assert place_words(Attended((0, 0, 0), 0.1, 0.1, place, spread)) == words


def open_curves(**query):
    return open_page(state={COOKIE: True}, **query)


def test_above_the_curves_a_card_says_the_strongest_pattern_in_figures(run):
    app = open_curves()
    assert "pattern 1" not in said_by(app)
    write(run, FIRST, HARD)
    app.run()
    said = said_by(app).replace("\N{NO-BREAK SPACE}%", " %")
    assert (
        ":gray[run · pattern 1:] 6 test images, **75 % wrong** (other images: 10 %), most often taken for **dog**. "
        "Attended: 5 % of the image, top left, red stands out (+12 %). With the hottest tenth covered, 2 of 3 mistakes "
        "become right; with as much covered at random, 0 (p = 0.500)."
    ) in said
    assert said.count("pattern 1:]") == 1


def test_no_card_stands_above_the_curves_without_a_pattern_or_where_it_cannot_be_read(run):
    write(run)
    assert "pattern 1" not in said_by(open_curves())
    write(run, replace(HARD, number=1, images=6))
    assert "pattern 1" not in said_by(open_curves())
    write(run, FIRST)
    spoil(run, "torn")
    assert "pattern 1" not in said_by(open_curves())


def test_the_pattern_above_the_curves_is_of_the_chosen_run(run):
    write(run, FIRST)
    for name in "abcd":
        shutil.copytree(run.path, run.path.parent / name)
    said = said_by(open_curves(run="d", runs=["a", "b", "c", "d"]))
    assert re.findall(r":gray\[(\w+) · pattern 1:\]", said) == ["d"]


PROOF = Proof("pattern 1", (1,), "lists/pattern-1.csv", 5, "run-without-pattern-1", "run-without-5-at-random", "a" * 64)


def prove(run, right_without, right_at_random):
    """Write a proof, and its two runs; in them, of the mistakes 0, 5 and 10 these are right."""
    for folder, right in ((PROOF.without, right_without), (PROOF.random, right_at_random)):
        other = shutil.copytree(run.path, run.path.parent / folder)
        edit_predicted(other, {image: image % 3 for image in right})
    (run.path / "lists").mkdir()
    (run.path / PROOF.listed).write_text("train_index,label,pattern,similarity\n3,=cmd,1,-0.5\n4,cat,1,0.25\n")
    write_proofs(run, [replace(PROOF, rows=rows_hash(run))])


def test_training_again_without_the_chosen_patterns_is_started_by_a_button(run, monkeypatch):
    started = []
    monkeypatch.setattr(processes, "start", lambda *arguments: started.append(arguments))
    edit_record(run.path, recipe={"dataset": "planted-shapes:shortcut", "epochs": 4})
    write(run, FIRST, replace(HARD, kind="pattern"))
    app = open_page("patterns")
    assert app.pills[0].options == ["1 dog", "2 owl"] and app.pills[0].value == [1, 2]
    assert app.button(key="patterns_prove_button").label == "Train again without them"
    assert "as many steps as this run's, which took 10 min 0 s" in said_by(app)
    app.button(key="patterns_prove_button").click().run()
    app.pills[0].set_value([2]).run()
    app.button(key="patterns_prove_button").click().run()
    command = (("proof", run.path), "sightline.training.prove", "--run", str(run.path), "--patterns")
    assert started == [(*command, "1,2"), (*command, "2")]
    app.pills[0].set_value([]).run()
    assert app.button(key="patterns_prove_button").disabled


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recipe": {"weights": "model.pt"}}, "This run was trained elsewhere"),
        ({"dataset": "data.py:cats"}, "No page reads a data set that is a program of its own"),
        ({"dataset": "folder:/etc"}, "Images and weights are read below"),
        ({"recipe": {"epochs": 100_000}}, "has 1 to 1,000 epochs"),
    ],
)
def test_where_a_page_may_not_train_it_again_it_says_why(run, changes, words):
    recipe = {"dataset": "planted-shapes:shortcut", "epochs": 4}  # which need not say what the record says
    edit_record(run.path, **{"recipe": recipe, **changes})
    write(run, FIRST)
    app = open_page("patterns")
    assert words in said_by(app) and "patterns_prove_button" not in [button.key for button in app.button]


def test_a_hard_class_alone_is_nothing_to_train_without(run):
    write(run, replace(HARD, number=1, images=6))
    app = open_page("patterns")
    assert "Train again without them" not in [button.label for button in app.button] and not app.pills


def test_while_it_trains_again_the_page_says_how_far_that_is(run, monkeypatch):
    monkeypatch.setattr(processes, "is_running", lambda key: key == ("proof", run.path))
    monkeypatch.setattr(processes, "progress", lambda key: processes.ProgressBar(0.25, "training again", "01:10"))
    write(run, FIRST)
    app = open_page("patterns")
    (bar,) = app.get("progress")
    assert bar.proto.text == "Training again: training again · about a minute left"
    assert app.button(key="patterns_prove_stop").label == "Stop"


def test_when_it_is_done_the_three_are_compared_with_links_and_the_list(run):
    write(run, FIRST)
    prove(run, right_without=(0, 5, 10), right_at_random=(0,))
    app = open_page("patterns", run="run")
    said = said_by(app)
    assert "**Trained again without 5 training images** :gray[(pattern 1)]" in said
    table = next(one.value for one in app.html if '<div class="proof-table"' in one.value)
    assert re.findall(r"<td>(.*?)</td>", table) == [
        "75.0 %", "0 of 3", "100.0 %", "3 of 3", "83.3 %", "1 of 3",
    ]  # fmt: skip
    assert (
        "Not proved: trained without these images, 3 of the 3 mistakes are right, without as many at random 1" in said
    )
    # Of the six odd images 5 is a mistake of the run, which the first has right.
    assert "On the half that tested the patterns: accuracy 100.0 % against 83.3 % (p = 1.000)." in said
    links = {element.proto.label: element.proto.query_string for element in app.get("page_link")}
    assert "run=run-without-pattern-1&beside=run-without-5-at-random" in links["Compare both →"]
    assert "runs=run&runs=run-without-pattern-1&runs=run-without-5-at-random" in links["Their curves →"]
    assert list_csv(run, PROOF.listed) == b"train_index,label,pattern,similarity\n3,'=cmd,1,-0.5\n4,cat,1,0.25\n"


def test_a_proof_that_was_stopped_says_how_far_its_runs_are(run):
    write(run, FIRST)
    prove(run, (0,), (0,))
    (run.path.parent / PROOF.without / "predictions.parquet").unlink()
    shutil.rmtree(run.path.parent / PROOF.random)
    said = said_by(open_page("patterns", run="run"))
    assert "Not finished: without them 20 of 20 epochs; without as many at random none." in said
    assert "goes on where it stopped" in said


def test_patterns_that_were_found_again_since_are_no_longer_compared(run):
    write(run, FIRST)
    prove(run, (0,), (0,))
    write(run, FIRST, HARD)
    said = said_by(open_page("patterns", run="run"))
    assert "its patterns were looked for again since" in said and '<div class="proof-table"' not in said


def test_proofs_that_cannot_be_read_are_named(run):
    write(run, FIRST)
    (run.path / "proofs.json").write_text("{")
    assert "proofs.json" in said_by(open_page("patterns", run="run"))


def test_a_list_that_leads_out_of_the_run_or_is_none_is_a_sentence(run, tmp_path):
    (tmp_path / "secret.csv").write_text("secret")
    (run.path / "lists").mkdir()
    (run.path / "lists" / "link.csv").symlink_to(tmp_path / "secret.csv")
    for name in ("lists/link.csv", "../../secret.csv", "lists/none.csv"):
        assert b"secret\n" not in list_csv(run, name) and b"Mend or remove it." in list_csv(run, name)


def test_while_it_trains_again_nothing_is_said_to_find_patterns(run, monkeypatch):
    write(run, FIRST)
    monkeypatch.setattr(processes, "is_running", lambda key: key == ("proof", run.path))
    monkeypatch.setattr(task, "is_locked", lambda path: True)
    app = open_page("patterns", run="run")
    texts = [element.value for element in app.caption]
    elsewhere = "Another program writes this run at the moment. Patterns that it finds appear here."
    assert texts[-1] == elsewhere and texts.count(elsewhere) == 1  # at the foot, where the button would be
