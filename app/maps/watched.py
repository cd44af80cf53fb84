"""Computations that take long: each in a thread of its own, once for all who wait, and ended when nobody does."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from sightline.image_data import Progress

LOOK_EVERY = 0.1  # seconds

Result = TypeVar("Result")


class _Work:
    """A computation, how far it is, and how many wait for it."""

    def __init__(self) -> None:
        self.watchers, self.far = 0, (0, 1)  # done and total: one value, since two could be read in between
        self.outcome: Future[Any] = Future()

    def run(self, compute: Callable[[Progress], Any]) -> None:
        try:
            self.outcome.set_result(compute(self._tell))
        except BaseException as error:
            self.outcome.set_exception(error)

    def _tell(self, done: int, total: int) -> None:
        if not self.watchers:
            raise InterruptedError("Nobody waits for it any more.")
        self.far = done, total


_lock = threading.Lock()
_works: dict[Hashable, _Work] = {}


def watch(key: Hashable, compute: Callable[[Progress], Result], look: Progress) -> Result:
    """Return what `compute` returns, or raise what it raises; it is called once for all who watch the same key.

    compute: gets a Progress, which it calls again and again. look: is called ten times a second with how far it is, in
    the thread of who watches; what it raises, as Streamlit does in the script of a visitor who has gone, ends the
    watching. When nobody is left, the next call of compute's progress ends the computation.
    """
    with _lock:
        is_new = key not in _works
        work = _works.setdefault(key, _Work())
        work.watchers += 1
        if is_new:
            threading.Thread(target=work.run, args=(compute,), name="computing", daemon=True).start()
    try:
        while not wait([work.outcome], LOOK_EVERY).done:
            look(*work.far)
        result: Result = work.outcome.result()
        return result
    finally:
        with _lock:
            work.watchers -= 1
            if not work.watchers and _works.get(key) is work:
                del _works[key]
