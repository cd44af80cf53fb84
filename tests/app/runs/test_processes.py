"""Commands that a page starts: one at a time, with their progress and last words, and an end."""

import io
import time

import pytest
from tqdm import tqdm

from sightline.app.runs import processes

KEY = ("a", "key")


@pytest.fixture(autouse=True)
def none_left():
    yield
    processes.stop_all()
    processes._started.clear()


class Fake:
    """What subprocess.Popen returns: runs until `status` is set."""

    def __init__(self, command, said=b"", status=None, **options):
        self.status = status
        options["stderr"].write(said)
        options["stderr"].flush()

    def poll(self):
        return self.status

    def terminate(self):
        self.status = -15


@pytest.fixture
def start(monkeypatch):
    def start(**answer):
        monkeypatch.setattr(processes.subprocess, "Popen", lambda *args, **options: Fake(*args, **answer, **options))
        processes.start(KEY, "module")

    return start


def bar(**options):
    """What tqdm writes when 30 of 120 are done."""
    stream = io.StringIO()
    with tqdm(total=120, file=stream, mininterval=0, **options) as shown:
        shown.update(30)
        return stream.getvalue().encode()


def test_the_progress_is_that_of_the_last_bar(start):
    start(said=bar() + b"\n" + bar(desc="gradcam: layer4"))
    found = processes.progress(KEY)
    assert (found.share, found.what) == (0.25, "gradcam: layer4") and found.left.count(":") == 1


def test_before_the_first_bar_the_progress_is_none(start):
    start(said=b"Reading the images\n")
    assert processes.progress(KEY) == processes.Progress(0.0, "", "?")


def test_one_that_failed_leaves_its_last_words(start):
    start(said=bar() + b"\nError: no space is left.\n", status=1)
    assert processes.failure(KEY) == "Error: no space is left." and not processes.is_running(KEY)


@pytest.mark.parametrize("status", [0, 130, -15])
def test_one_that_succeeded_or_was_stopped_has_no_failure(start, status):
    start(said=bar(), status=status)
    assert processes.failure(KEY) == ""


def test_a_failure_can_be_forgotten_but_not_what_still_runs(start):
    start(status=1)
    assert (processes.folders("a"), processes.folders("b")) == (["key"], [])
    processes.forget(KEY)
    assert processes.folders("a") == []
    start()
    processes.forget(KEY)
    assert processes.folders("a") == ["key"]


def test_a_real_one_runs_once_and_ends_when_told_to():
    processes.start(KEY, "http.server", "0", "--bind", "127.0.0.1")
    process = processes._started[KEY][0]
    processes.start(KEY, "http.server", "0", "--bind", "127.0.0.1")
    assert processes._started[KEY][0] is process and processes.is_running(KEY)
    processes.stop(KEY)
    process.wait(timeout=30)
    assert not processes.is_running(KEY)


def test_reading_the_progress_leaves_the_process_writing_at_the_end(tmp_path):
    said = (
        "import sys, time; [print(n, file=sys.stderr, flush=True) or time.sleep(0.02) for n in range(20)]; sys.exit(1)"
    )
    (tmp_path / "counting.py").write_text(said)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "ROOT", tmp_path)
        processes.start(KEY, "counting")
    while processes.is_running(KEY):
        processes.progress(KEY)
        time.sleep(0.005)
    assert processes._said(KEY) == [str(number) for number in range(20)]
