"""How a command ends, whatever is raised inside and wherever its output goes."""

import os
import subprocess
import sys
from typing import Annotated

import pytest
import tyro

from sightline.explain.command_line import UsageError, ending_in_a_sentence, numbers, sentence
from sightline.run_store.record import RunError
from tests.fabricated import ROOT

SAYS = r"""
import sys
from sightline.explain.command_line import ending_in_a_sentence
from tqdm import tqdm
with ending_in_a_sentence(interrupted=""):
    for number in tqdm(range(3), desc="8\u00d78"):
        print("\u732b \u00d7", number)
        tqdm.write("line \u2013")
    open(sys.argv[1], "w").write("done")
"""


@pytest.fixture
def command(tmp_path):
    """Run a command that prints and draws bars, and came to its end; returns exit code, stdout and stderr."""

    def command(stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment):
        program, done = [sys.executable, "-c", SAYS, tmp_path / "done"], tmp_path / "done"
        ended = subprocess.run(program, cwd=ROOT, stdout=stdout, stderr=stderr, env=os.environ | environment)
        assert done.read_text() == "done"
        return ended.returncode, ended.stdout, ended.stderr

    return command


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["named", "locale"],
)
def test_what_a_terminal_cannot_show_is_escaped(command, environment):
    code, said, _ = command(**environment)
    assert code == 0 and said.splitlines()[:2] == [b"\\u732b \\xd7 0", b"line \\u2013"]


def test_other_output_is_as_it_was(command):
    code, said, shown = command(PYTHONIOENCODING="utf-8")
    assert code == 0 and said.decode().splitlines()[:2] == ["猫 × 0", "line –"] and "8×8: 100%" in shown.decode()


def test_a_full_disk_takes_the_words_not_the_work(command):
    with open("/dev/full", "w") as full:
        code, _, said = command(stdout=full)
        assert code == 1 and said.endswith(
            b"Error: all is done, but not all of it could be printed: No space left on device.\n"
        )
        assert command(stdout=full, stderr=full)[0] == 1


def test_a_reader_that_has_gone_takes_the_words_not_the_work(command):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as gone:
        code, _, said = command(stdout=gone)
    assert code == 1 and said.endswith(b"not all of it could be printed: Broken pipe.\n")


def test_closed_output_does_not_matter(tmp_path):
    program = [sys.executable, "-c", SAYS, str(tmp_path / "done")]
    subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *program], cwd=ROOT, check=True)
    assert (tmp_path / "done").read_text() == "done"


def ended(error, **options):
    """The exit code of a command inside which this is raised, or what it says when that is 1."""
    with pytest.raises(SystemExit) as exit, ending_in_a_sentence(interrupted="nothing is lost.", **options):
        raise error
    return exit.value.code


def test_every_exception_ends_in_a_sentence_and_an_exit_code(capsys):
    assert ended(RunError("Run x is damaged.")) == "Error: Run x is damaged."
    assert ended(FileNotFoundError(2, "No such file or directory", "a.png")) == (
        "Error: No such file or directory (a.png)."
    )
    assert ended(MemoryError()) == "Error: MemoryError"
    assert ended(ValueError("odd shape.\nmore")) == ("Error: ValueError: odd shape; SIGHTLINE_DEBUG=1 shows where.")
    assert ended(AssertionError()) == "Error: AssertionError; SIGHTLINE_DEBUG=1 shows where."
    assert ended(KeyboardInterrupt()) == 130 and ended(UsageError("No.")) == 2
    assert capsys.readouterr().err == "\nInterrupted: nothing is lost.\nError: No. See --help.\n"


def test_where_one_means_something_else_an_error_has_a_code_of_its_own(capsys):
    assert ended(RunError("Run x is damaged."), error_code=2) == 2
    assert capsys.readouterr().err == "Error: Run x is damaged.\n"


def test_the_traceback_is_shown_on_request(monkeypatch, capsys):
    monkeypatch.setenv("SIGHTLINE_DEBUG", "1")
    assert ended(RunError("Run x is damaged.")) == "Error: Run x is damaged."
    assert "raise error" in capsys.readouterr().err


def test_memory_that_is_full_needs_no_traceback():
    said = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"
    assert sentence(RuntimeError(f"{said}\nmore")) == said


def test_numbers_of_an_option_are_told_apart_by_commas(capsys):
    def parse(*words):
        return tyro.cli(Annotated[tuple[int, ...], numbers()], args=words)

    assert parse("3, 17,3") == (3, 17)
    for odd in ("3,x", "-1", "3,,4", "1.5", ""):
        with pytest.raises(SystemExit):
            parse(odd)
        assert "is no number; write numbers from 0 on" in " ".join(capsys.readouterr().err.replace("│", "").split())
