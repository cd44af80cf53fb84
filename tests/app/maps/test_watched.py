"""Computations that several may wait for: once for all, ended when nobody is left, with their errors."""

import threading

import pytest

from sightline.app.maps import watched
from sightline.app.maps.watched import watch

PATIENCE = 60  # seconds, for what a test waits for


class Steps:
    """A computation that does one step for each `let`, and then says so; `begun` counts how often it was started."""

    def __init__(self, count):
        self.count, self.begun, self.ended = count, 0, threading.Event()
        self.allowed = threading.Semaphore(0)

    def let(self, steps=1):
        self.allowed.release(steps)

    def __call__(self, progress):
        self.begun += 1
        try:
            for done in range(self.count):
                assert self.allowed.acquire(timeout=PATIENCE)
                progress(done, self.count)
            return "result"
        finally:
            self.ended.set()


class Gone(Exception):
    pass


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(watched, "LOOK_EVERY", 0.005)


def watch_apart(key, compute, look):
    """Watch in a thread of its own: the thread, and a list that gets the result, or what was raised."""
    found = []

    def run():
        try:
            found.append(watch(key, compute, look))
        except Gone as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, found


def test_who_watches_sees_how_far_it_is_and_gets_the_result():
    steps, seen = Steps(4), set()

    def look(done, total):
        seen.add((done, total))
        steps.let()

    assert watch("key", steps, look) == "result"
    assert (0, 1) in seen and steps.begun == 1


def test_who_leaves_alone_ends_it_and_the_next_one_begins_anew():
    steps = Steps(2)

    def leave(done, total):
        raise Gone

    with pytest.raises(Gone):
        watch("key", steps, leave)
    steps.let()  # the step at whose end it learns that nobody waits
    assert steps.ended.wait(PATIENCE)
    steps.let(2)
    assert watch("key", steps, lambda *_: None) == "result" and steps.begun == 2


def test_where_two_watch_and_one_leaves_it_goes_on_for_the_other():
    steps, leaves, stays = Steps(3), threading.Event(), threading.Event()

    def look_and_leave(done, total):
        if leaves.is_set():
            raise Gone

    first, left = watch_apart("key", steps, look_and_leave)
    second, found = watch_apart("key", steps, lambda *_: stays.set())
    assert stays.wait(PATIENCE)
    leaves.set()
    first.join(PATIENCE)
    steps.let(3)
    second.join(PATIENCE)
    assert isinstance(left[0], Gone) and found == ["result"] and steps.begun == 1


def test_other_keys_are_computed_at_the_same_time():
    slow, quick = Steps(1), Steps(0)
    thread, found = watch_apart("slow", slow, lambda *_: None)
    assert watch("quick", quick, lambda *_: None) == "result"
    slow.let()
    thread.join(PATIENCE)
    assert found == ["result"]


def test_what_the_computation_raises_reaches_who_watches_and_is_not_kept():
    def fail(progress):
        raise LookupError("no such layer")

    with pytest.raises(LookupError, match="no such layer"):
        watch("key", fail, lambda *_: None)
    assert watch("key", Steps(0), lambda *_: None) == "result"
