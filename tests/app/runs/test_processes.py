"""Commands that a page starts: one at a time, with their progress and last words, and an end."""

import io
import time

import pytest
from tqdm import tqdm

from sightline.app.permissions import NotPermitted
from sightline.app.runs import processes
from sightline.explain.output import ProgressBar
from tests.app_pages import await_end, end_processes

KEY = ("a", "key")


@pytest.fixture(autouse=True)
def none_left():
    yield
    end_processes("a")


class Fake:
    """What subprocess.Popen returns: runs until `status` is set."""

    def __init__(self, command, said=b"", status=None, **options):
        self.status = status
        options["stderr"].write(said)
        options["stderr"].flush()

    def poll(self):
        return self.status

    def wait(self):
        pass

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


def test_a_process_that_was_told_to_stop_is_stopping_until_it_has_ended(start, monkeypatch):
    start()
    monkeypatch.setattr(Fake, "terminate", lambda self: None)  # it takes a while
    assert not processes.is_stopping(KEY)
    processes.stop(KEY)
    assert processes.is_stopping(KEY)
    monkeypatch.undo()
    processes.stop(KEY)
    assert not processes.is_stopping(KEY) and not processes.is_running(KEY)


def test_of_a_process_that_is_gone_there_is_no_progress():
    assert processes.progress(("a", "stranger")) == ProgressBar()


def test_the_progress_is_that_of_the_last_bar(start):
    start(said=bar() + b"\n" + bar(desc="gradcam: layer4"))
    found = processes.progress(KEY)
    assert (found.share, found.what) == (0.25, "gradcam: layer4") and found.left.count(":") == 1


def test_before_the_first_bar_the_progress_is_none(start):
    start(said=b"Reading the images\n")
    assert processes.progress(KEY) == ProgressBar(0.0, "", "?")


def test_one_that_failed_leaves_its_last_words(start):
    start(said=bar() + b"\nError: no space is left.\n", status=1)
    assert processes.failure(KEY) == "Error: no space is left." and not processes.is_running(KEY)


def test_one_that_was_killed_says_by_what_and_not_the_bar_it_drew_last(start):
    start(said=bar(), status=-9)
    assert processes.failure(KEY) == "It was killed (SIGKILL), perhaps because the memory was full."
    processes.forget(KEY)
    start(said=b"Fatal Python error: Segmentation fault\n", status=-11)
    assert processes.failure(KEY) == "It crashed inside a library (SIGSEGV)."


def test_one_that_failed_without_a_word_says_so(start):
    start(status=1)
    assert processes.failure(KEY) == "It stopped without a word."


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


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes `program` a module that a process can run."""

    def make(program):
        (tmp_path / "real.py").write_text(program)
        monkeypatch.setattr(processes, "ROOT", tmp_path)
        return "real"

    return make


def test_a_real_one_runs_once_and_ends_when_told_to(module, tmp_path):
    marks = tmp_path / "marks"
    name = module("import sys, time; open(sys.argv[1], 'a').write('x'); time.sleep(600)")
    processes.start(KEY, name, str(marks))
    processes.start(KEY, name, str(marks))
    while not marks.exists() or not marks.read_text():
        assert processes.is_running(KEY)
    processes.stop(KEY)
    await_end(KEY)
    assert marks.read_text() == "x" and not processes.failure(KEY)


@pytest.fixture
def queue(module, tmp_path):
    """Starts ("a", NAME), which writes its name into a file of the order, and ends as soon as a file NAME is there."""
    order = tmp_path / "order"
    order.touch()
    name = module(
        "import pathlib, sys, time\n"
        "order, name = pathlib.Path(sys.argv[1]), sys.argv[2]\n"
        "with order.open('a') as stream: stream.write(name)\n"
        "while not order.with_name(name).exists(): time.sleep(0.01)"
    )

    class Queue:
        def start(self, *names):
            for each in names:
                processes.start(("a", each), name, str(order), each)

        def end(self, name):
            (tmp_path / name).touch()
            await_end(("a", name))

        def await_order(self, names):
            while order.read_text() != names:
                assert names.startswith(order.read_text())
                time.sleep(0.01)

    return Queue()


def test_two_run_at_once_and_the_others_follow_in_their_order(queue):
    queue.start("1")
    queue.await_order("1")
    queue.start("2", "3", "4", "3", "1")
    queue.await_order("12")
    assert [processes.is_waiting(("a", name)) for name in "1234"] == [False, False, True, True]
    assert processes.waiting_words() == "Waiting: 2 others run" and not processes.failure(("a", "3"))
    queue.end("2")
    queue.await_order("123")
    assert processes.is_running(("a", "1")) and processes.is_waiting(("a", "4"))
    queue.end("3")
    queue.await_order("1234")


def test_one_that_waits_can_be_taken_back_and_never_begins(queue):
    queue.start("1")
    queue.await_order("1")
    queue.start("2", "3", "4")
    processes.forget(("a", "3"))  # which did not fail
    processes.stop(("a", "3"))
    assert not processes.is_waiting(("a", "3")) and "3" not in processes.folders("a")
    queue.await_order("12")
    queue.end("1")
    queue.await_order("124")


def test_at_the_end_of_the_server_nothing_begins_any_more(queue):
    queue.start("1")
    queue.await_order("1")
    queue.start("2", "3")
    queue.await_order("12")
    processes.stop_all()
    for name in "12":
        await_end(("a", name))
    assert processes.folders("a") == ["1", "2"] and processes.running_count() == 0
    queue.await_order("12")


def test_what_cannot_be_started_says_why_and_keeps_no_place(queue):
    processes.start(("a", "0"), "no such\0module")
    assert "could not be started" in processes.failure(("a", "0"))
    assert not processes.is_running(("a", "0")) and not processes.is_waiting(("a", "0"))
    queue.start("1")
    queue.await_order("1")


def test_where_visitors_only_look_nothing_is_started_or_stopped(start, monkeypatch):
    start()
    monkeypatch.setenv("SIGHTLINE_READ_ONLY", "1")
    with pytest.raises(NotPermitted, match="only shows runs"):
        processes.start(("a", "other"), "module")
    with pytest.raises(NotPermitted, match="only shows runs"):
        processes.stop(KEY)
    assert processes.is_running(KEY) and processes.folders("a") == ["key"]
    processes.stop_all()  # the server may
    assert not processes.is_running(KEY)


def test_what_it_says_while_it_is_read_is_not_lost(module):
    processes.start(KEY, module("import sys; [print(n, file=sys.stderr, flush=True) for n in range(20)]; sys.exit(1)"))
    while processes.is_running(KEY):
        processes.progress(KEY)
    assert processes.failure(KEY) == "19"


def test_it_finds_the_package_and_works_where_the_server_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.py").write_text("import os, sys, sightline; sys.exit(os.getcwd())")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    processes.start(KEY, "here")
    await_end(KEY)
    assert processes.failure(KEY) == str(tmp_path)
