"""The command `sightline check`: its exit code, and files of which all are written or none."""

import os
import re
import shutil
from xml.etree import ElementTree

import pytest

from sightline.explain import command_line as sentences
from sightline.report.check import command_line
from sightline.report.check.command_line import main
from sightline.run_store import files
from sightline.run_store.run import Run
from tests.fabricated import fabricate_run
from tests.odd_runs import MARKUP
from tests.report.check.checks import pair

PASSES, FAILS, UNKNOWN = "[accuracy]\nat_least = 0.8\n", "[accuracy]\nat_least = 0.9\n", "[classes]\n"


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process; returns the exit code, what it prints, and its errors."""

    def call(*words):
        monkeypatch.setattr("sys.argv", ["sightline check", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def runs(tmp_path):
    """12 of 60 images wrong, and 2."""
    return [run.path for run in pair(tmp_path, slice(0, 12), slice(12, 14))]


@pytest.fixture
def rules(tmp_path):
    """Write the rules file."""

    def rules(text):
        (tmp_path / "check.toml").write_text(text)
        return tmp_path / "check.toml"

    return rules


def outputs(folder):
    names = {"--markdown": "check.md", "--junit": "check.xml", "--report": "check.html"}
    return [word for option, name in names.items() for word in (option, folder / name)]


@pytest.mark.parametrize(
    ("text", "code"), [(PASSES, 0), (FAILS, 1), (PASSES + UNKNOWN, 2), (FAILS + UNKNOWN, 1)], ids=str
)
def test_the_exit_code_says_how_it_ended_and_all_is_written(call, runs, rules, tmp_path, text, code):
    out = tmp_path / "out"
    out.mkdir()
    ended, said, errors = call("--run", runs[0], "--rules", rules(text), *outputs(out))
    assert (ended, errors) == (code, "")
    assert said.startswith("run:\n\nrule ") and "48 of 60 test images are right" in said
    assert sorted(os.listdir(out)) == ["check.html", "check.md", "check.xml"]
    assert (out / "check.md").read_text().count("\n| accuracy |") == 1
    assert len(ElementTree.parse(out / "check.xml").getroot()[0]) == text.count("[")
    page = (out / "check.html").read_text()
    assert page.index('<section id="check"') < page.index('<section id="summary"')
    assert "48 of 60 test images are right" in page


def test_the_report_is_of_both_runs_and_defaults_are_all_rules(call, runs, tmp_path):
    code, said, _ = call("--run", runs[0], "--against", runs[1], "--report", tmp_path / "check.html")
    assert code == 1 and said.startswith("run against baseline:\n\n")
    assert re.findall(r"^([a-z]+) +(failed|passed|cannot)", said, re.MULTILINE) == [
        ("accuracy", "failed"),
        ("classes", "passed"),
        ("patterns", "cannot"),
        ("calibration", "failed"),
        ("maps", "cannot"),
    ]
    page = (tmp_path / "check.html").read_text()
    assert "<bdi>run</bdi>" in page and "<bdi>baseline</bdi>" in page


def test_what_a_run_names_stays_text_everywhere(call, rules, tmp_path):
    names = (*MARKUP, "::error::a\x1b[31m")
    for name, wrong in (("run", slice(0, 80, 2)), ("baseline", slice(0))):
        fabricate_run(tmp_path / name, 80, names, wrong=wrong)
    runs = ("--run", tmp_path / "run", "--against", tmp_path / "baseline")
    code, said, _ = call(*runs, "--rules", rules("[classes]"), *outputs(tmp_path))
    assert code == 1 and "2 classes are worse: <img src=x onerror=alert(1)>, 0 of 20" in said and "\x1b" not in said
    page, table = ((tmp_path / f"check.{kind}").read_text() for kind in ("html", "md"))
    assert "<img src=x" not in page and "&lt;img src=x" in page
    assert not re.search(r"(?<!\\)<img", table) and "\\<img" in table
    assert "<img src=x onerror=alert(1)>" in ElementTree.parse(tmp_path / "check.xml").getroot()[0][0][0].text


def wrong_words(folder, runs, check):
    """Words of the command line, what it answers, and what they are."""
    run, baseline = runs
    other = folder / "other"
    fabricate_run(other, 61, ("cat", "dog", "owl"))
    record = (other / files.RECORD).read_text()
    (other / files.RECORD).write_text(record.replace('"test": "none"', '"test": "another"'))
    damaged = shutil.copytree(baseline, folder / "damaged")
    (damaged / files.RECORD).write_text("{")
    return {
        "a rule that is none": (["--run", run, "--rules", check("[speed]")], "line 1: there is no rule 'speed'"),
        "no such run": (["--run", folder / "none"], "none"),
        "a damaged run": (["--run", damaged], "damaged"),
        "a damaged baseline": (["--run", run, "--against", damaged], "damaged"),
        "other images": (["--run", run, "--against", other], "other was tested on other images than run"),
        "one file for two": (
            ["--run", run, "--junit", folder / "a", "--markdown", folder / "x" / ".." / "a"],
            "--markdown and --junit name the same file",
        ),
        "over the rules": (
            ["--run", run, "--rules", folder / "check.toml", "--junit", folder / "check.toml"],
            "--rules and --junit name the same file",
        ),
        "no folder": (["--run", run, "--markdown", folder / "no" / "check.md"], "is not there; make it first."),
        "a folder": (["--run", run, "--report", run], "--report must name a file"),
        "no page": (["--run", run, "--report", folder / "check.txt"], "does not end in .html"),
        "a device": (["--run", run, "--markdown", "/dev/null"], "--markdown must name a file, and /dev/null is none"),
    }


@pytest.mark.parametrize(
    "what",
    ["a rule that is none", "no such run", "a damaged run", "a damaged baseline", "other images", "one file for two",
     "over the rules", "no folder", "a folder"],
)  # fmt: skip
def test_what_cannot_be_checked_ends_with_two_and_a_sentence(call, runs, rules, tmp_path, what):
    rules(PASSES)
    (tmp_path / "x").mkdir()
    words, said = wrong_words(tmp_path, runs, rules)[what]
    before = sorted(os.listdir(tmp_path))
    code, printed, errors = call(*words)
    assert code == 2 and printed == "" and errors.startswith("Error: ") and said in errors
    assert errors.count("\n") == 1 and sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(("text", "code"), [(PASSES, 2), (FAILS, 1)])
def test_where_a_file_cannot_be_written_none_is_and_a_failed_rule_still_tells(
    call, runs, rules, tmp_path, monkeypatch, text, code
):
    out, real = tmp_path / "out", command_line.staged

    def full(file, content):
        if file.suffix == ".html":
            raise OSError(28, "No space left on device", str(file))
        return real(file, content)

    monkeypatch.setattr(command_line, "staged", full)
    out.mkdir()
    (out / "check.md").write_text("before")
    ended, said, errors = call("--run", runs[0], "--rules", rules(text), *outputs(out))
    assert ended == code and "48 of 60" in said
    assert errors.startswith("Error: no file was written: No space left on device.")
    assert os.listdir(out) == ["check.md"] and (out / "check.md").read_text() == "before"


def test_an_error_that_nobody_foresaw_is_not_taken_for_a_failed_rule(call, runs, monkeypatch):
    monkeypatch.delenv(sentences.DEBUG, raising=False)
    monkeypatch.setattr(command_line, "judge", lambda *_: 1 / 0)
    code, _, errors = call("--run", runs[0])
    assert code == 2 and errors.startswith("Error: ZeroDivisionError: division by zero;")


def test_a_link_is_written_through(call, runs, rules, tmp_path):
    (tmp_path / "real").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert call("--run", runs[0], "--rules", rules(PASSES), "--markdown", tmp_path / "link")[0] == 0
    assert (tmp_path / "link").is_symlink() and "accuracy" in (tmp_path / "real").read_text()


def test_a_run_of_curves_alone_cannot_be_judged(call, runs, tmp_path, rules):
    record = (runs[0] / files.RECORD).read_text()
    (runs[0] / files.RECORD).write_text(record.replace('{\n    "test": 60\n  }', "{}"))
    assert Run(runs[0]).record.curves_only
    for name in (files.PREDICTIONS, files.IMAGES):
        (runs[0] / name).unlink()
    code, said, _ = call("--run", runs[0], "--rules", rules(PASSES), "--report", tmp_path / "check.html")
    assert code == 2 and "Run run has curves only." in said
