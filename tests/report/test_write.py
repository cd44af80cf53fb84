"""The command `sightline report`: what it writes, and what it says, in one sentence, of all that is bad."""

import os
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from sightline.report import write
from sightline.run_store import files
from sightline.run_store.files import write_atomically
from tests.app_pages import edit_record
from tests.fabricated import ROOT, fabricate_run


@pytest.fixture
def runs(tmp_path, fabricated):
    """Runs `new` and `old`, of the same images, and `other` of others."""
    for name in ("new", "old"):
        shutil.copytree(fabricated, tmp_path / "runs" / name)
    fabricate_run(tmp_path / "runs" / "other", 6)
    edit_record(tmp_path / "runs" / "other", fingerprints={"test": "another"})
    return tmp_path / "runs"


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the command: its exit code, and what it says, less its bars, in one line. Nothing half-written stays."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sightline report", *map(str, words)])
        code = 0
        try:
            write.main()
        except SystemExit as ended:
            code = ended.code
        said = "".join(capsys.readouterr()) + (code if isinstance(code, str) else "")
        said = "\n".join(line.rpartition("\r")[2] for line in said.split("\n"))  # as a terminal shows it
        assert "Traceback" not in said
        assert {file.name for file in tmp_path.rglob(".*")} <= {files.LOCK}
        return (1 if isinstance(code, str) else code), " ".join(said.split())

    return call


def refused(call, output, *words):
    """What is said where nothing is written: one sentence, or two."""
    code, said = call(*words, "--output", output)
    assert code in (1, 2) and not output.exists() and said.startswith("Error: ")
    return said


def test_the_report_is_one_file_of_the_run_and_an_older_one_is_replaced_whole(call, runs, tmp_path):
    output = tmp_path / "report.html"
    output.write_text("old " * 10**6)
    code, said = call("--run", runs / "new", "--output", output)
    assert (code, said) == (0, f"Wrote {output}.")
    page = output.read_text()
    assert page.startswith("<!doctype html>") and page.rstrip().endswith("</html>") and "old old" not in page


def test_a_report_of_two_compares_them(call, runs, tmp_path):
    output = tmp_path / "both.html"
    assert call("--run", runs / "new", "--beside", runs / "old", "--output", output)[0] == 0
    assert "They are right on the same images." in output.read_text()


def test_what_is_no_run_is_answered_with_the_runs_that_there_are(call, runs, tmp_path):
    output = tmp_path / "r.html"
    said = refused(call, output, "--run", runs / "nwe")
    assert f"{runs / 'nwe'} is no run. There are runs beside it: " in said and str(runs / "new") in said
    assert "There are runs in it: " in refused(call, output, "--run", runs)
    assert "Name the folder of a run" in refused(call, output, "--run", tmp_path / "far" / "off")
    assert "There are runs beside it" in refused(call, output, "--run", runs / "new", "--beside", runs / "odl")


def test_runs_that_cannot_be_compared_are_not(call, runs, tmp_path):
    output = tmp_path / "r.html"
    assert "other images than new" in refused(call, output, "--run", runs / "new", "--beside", runs / "other")
    assert "compared with itself" in refused(
        call, output, "--run", runs / "new", "--beside", runs / "old" / ".." / "new"
    )
    (runs / "old" / files.PREDICTIONS).unlink()
    assert "old has lost its" in refused(call, output, "--run", runs / "new", "--beside", runs / "old")


@pytest.mark.parametrize(
    "query, why",
    [
        ("true=cta", "true “cta” (not found). Under true may stand: cat, dog, owl."),
        ("predicted=", "predicted “” (not found)"),
        ("layer=layer9", "layer “layer9” (not found). Under layer may stand: layer1, layer2, layer3, layer4."),
        ("range=height:1..2", "range “height” is no column of numbers: confidence,"),
        ("value=camera:left", "value “camera” is no column of words: there is none."),
        ("range=loss:low", "not a column and numbers"),
        ("order=best", "order “best” (not found). Under order may stand: most-confident-first,"),
        ("method=magic", "Under method may stand: gradcam" ),
        ("target=fox", "Under target may stand: predicted, true, runner-up, difference, class:NAME."),
        ("cat", "“cat” says nothing of a set of images"),
        ("colour=red", "“colour” says nothing of a set of images"),
        ("image=12", "image “12” (not a number from 0 to 11)"),
        ("epoch=3", "epoch “3” (not found). Under epoch may stand: nothing: the run has no history."),
        ("compared=only-a-right", "name the second one with --beside"),
        ("set=compared", "name the second one with --beside"),
        ("http://localhost:8501/compare?run=new&beside=old", "name the second one with --beside"),
        ("http://localhost:8501/mistakes?run=new&true=fox", "true “fox” (not found)"),
    ],
)  # fmt: skip
def test_a_set_that_names_what_is_not_there_is_refused(call, runs, tmp_path, query, why):
    assert why in refused(call, tmp_path / "r.html", "--run", runs / "new", "--set", query)


def test_what_cannot_be_read_is_said_where_its_column_is_asked_for(call, runs, tmp_path):
    (runs / "new" / files.TAGS).write_text("index,tag\n3,blurry\n3,sharp\n")
    said = refused(call, tmp_path / "r.html", "--run", runs / "new", "--set", "value=tag:blurry")
    assert "value “tag” is no column of words" in said and "names image 3 twice" in said


@pytest.mark.parametrize(
    "query",
    [
        "true=cat&predicted=dog&layer=layer2",
        "?true=cat&predicted=dog",
        "/mistakes?run=gone&true=cat&predicted=dog&runs=a&runs=b",
        "https://example.org/team/mistakes?run=new&true=cat&predicted=dog&utm=1#top",
    ],
)
def test_a_query_and_a_whole_address_name_the_same_set(runs, query):
    asked = write.ask(write.Run(runs / "new"), None, query)
    assert asked.rows.tolist() == [0] and (asked.selection.label, asked.selection.predicted) == ("cat", "dog")


def test_the_address_of_compare_names_its_set(runs):
    of_compare = write.ask(write.Run(runs / "new"), write.Run(runs / "old"), "/compare?compared=both-wrong&true=dog")
    part = write.ask(write.Run(runs / "new"), write.Run(runs / "old"), "compared=both-wrong&true=dog")
    assert part.selection == of_compare.selection
    assert of_compare.rows.tolist() == [10]
    assert write.ask(write.Run(runs / "new"), write.Run(runs / "old"), "true=dog").rows.tolist() == [10]
    both_right = write.ask(
        write.Run(runs / "new"), write.Run(runs / "old"), "set=compared&compared=both-right&true=dog"
    )
    assert sorted(both_right.rows.tolist()) == [1, 4, 7]


@pytest.mark.parametrize("images", ["-1", "501", "many", "1.5"])
def test_so_many_images_are_refused_with_what_is_allowed(call, runs, tmp_path, images):
    code, said = call("--run", runs / "new", f"--images={images}", "--output", tmp_path / "r.html")
    assert code == 2 and f"'{images}' is no whole number from 0 to 500." in said


def test_an_output_that_no_file_can_be_written_to_is_refused_before_anything_is_read(call, runs, tmp_path):
    for output, why in (
        (tmp_path, "is a folder; name a file in it"),
        (tmp_path / "report", "does not end in .html, so no browser opens it; name it report.html."),
        ("-", "does not end in .html"),
        ("/dev/full", "does not end in .html"),
        (tmp_path / "missing" / "r.html", f"The folder {tmp_path / 'missing'} is not there"),
        (runs / "new" / files.RECORD / "r.html", "is not there"),
    ):
        code, said = call("--run", tmp_path / "no run", "--output", output)
        assert code == 2 and why in said
    os.mkfifo(tmp_path / "pipe.html")
    assert "is no regular file" in call("--run", runs / "new", "--output", tmp_path / "pipe.html")[1]


def test_a_folder_that_may_not_be_written_to_is_refused(call, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(write.os, "access", lambda folder, mode: False)  # root may write anywhere
    assert "may not be written to" in refused(call, tmp_path / "r.html", "--run", runs / "new")


def test_a_full_disk_leaves_the_old_file_and_nothing_else(runs, tmp_path):
    """A limit on the size of files stands for the disk: the system refuses the same write in the same place."""
    output = tmp_path / "out" / "report.html"
    output.parent.mkdir()
    output.write_text("before")
    done = subprocess.run(
        [sys.executable, "-m", "sightline.command", "report", "--run", runs / "new", "--output", output],
        cwd=ROOT, capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("Error: ")
    assert f"{output} could not be written: File too large. Nothing was left there." in done.stderr
    assert [file.name for file in output.parent.iterdir()] == ["report.html"] and output.read_text() == "before"


@pytest.mark.parametrize("interrupted", ["make_report", "write_atomically"])
def test_ctrl_c_leaves_nothing(call, runs, tmp_path, monkeypatch, interrupted):
    def begin(file, content):
        def pieces():
            yield content[:100]
            signal.raise_signal(signal.SIGINT)

        write_atomically(file, pieces())

    if interrupted == "make_report":
        monkeypatch.setattr(write, "make_report", lambda asked: signal.raise_signal(signal.SIGINT))
    else:
        monkeypatch.setattr("sightline.report.page.write_atomically", begin)
    code, said = call("--run", runs / "new", "--output", tmp_path / "r.html")
    assert (code, said) == (130, "Interrupted: no report was written.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


def without_predictions(run, **changes):
    edit_record(run, **changes)
    for name in (files.PREDICTIONS, files.IMAGES):
        (run / name).unlink()


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"state": "running"}, "yet; it is written when the training ends"),
        ({"state": "failed", "reason": "No memory was left."}, "yet; it is written when the training ends"),
        ({"state": "complete", "network": "none", "image_counts": {}}, "Run new has curves only"),
    ],
)
def test_a_run_without_predictions_has_its_curves_and_a_sentence(call, runs, tmp_path, changes, why):
    without_predictions(runs / "new", **changes)
    output = tmp_path / "r.html"
    code, said = call("--run", runs / "new", "--output", output)
    assert code == 0 and said.startswith(f"Wrote {output}. It has the curves alone. ") and why in said
    page = output.read_text()
    assert why in page and 'id="curves"' in page


def test_a_run_with_nothing_yet_has_no_report(call, runs, tmp_path):
    without_predictions(runs / "new", state="running")
    (runs / "new" / files.METRICS).unlink()
    assert "it is written when the training ends" in refused(call, tmp_path / "r.html", "--run", runs / "new")


def test_a_run_whose_record_is_damaged_has_no_report_and_one_whose_predictions_are_says_so(call, runs, tmp_path):
    output = tmp_path / "r.html"
    (runs / "new" / files.RECORD).write_text("{")
    assert "Run new: run.json is not valid JSON." in refused(call, output, "--run", runs / "new")
    (runs / "old" / files.PREDICTIONS).write_bytes(b"PAR1")
    code, said = call("--run", runs / "old", "--output", output)
    assert code == 0 and files.PREDICTIONS in said and f"Run old: {files.PREDICTIONS}" in output.read_text()


def test_runs_of_one_name_are_told_apart(runs, tmp_path):
    twin = write.Run(shutil.copytree(runs / "new", tmp_path / "elsewhere" / "new"))
    asked = write.ask(write.Run(runs / "new"), twin)
    assert [shown.title for shown in asked.runs] == ["new (A)", "new (B)"]
