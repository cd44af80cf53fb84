"""How what is read from runs is kept until a file behind it changes."""

import threading
from collections.abc import Callable
from functools import lru_cache, partial, wraps
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import streamlit as st

from sightline.run_store.files import Reading, Stamp
from sightline.run_store.run import Run

Read = TypeVar("Read", bound=Callable[..., Any])

# Only one of many users computes what is not there yet, while others go on with the rest: for what takes seconds.
computed_once = partial(st.cache_resource, show_spinner=False)


def read_once(most: int) -> Callable[[Read], Read]:
    """Keep the `most` last values of a function that one thread at a time may call.

    It is for what takes at most a tenth of a second, and is looked up many times a click: st.cache_resource takes a
    hundred times as long to find a value.
    """

    def decorate(read: Read) -> Read:
        found, lock = lru_cache(most)(read), threading.Lock()

        @wraps(read)
        def look_up(*arguments: Any) -> Any:
            with lock:
                return found(*arguments)

        return cast(Read, look_up)

    return decorate


class _Key(NamedTuple):
    """A run as an argument whose value is kept: another one as soon as its files change."""

    path: str
    name: str
    epoch: int | None
    stamp: Stamp


def kept(
    reading: Reading, keep: Callable[[Callable[..., Any]], Callable[..., Any]], *, is_small: bool = False
) -> Callable[[Read], Read]:
    """Keep what a function of runs (and of other hashable arguments) returns, as long as what it reads stays the same.

    The function takes positional arguments only. reading: what it reads of each run. keep: `computed_once`, `read_once`
    or an lru_cache, with their limits. is_small: the Run keeps the value too, and a session holds its runs for long.
    """

    def decorate(read: Read) -> Read:
        def anew(*keys: Any) -> Any:
            return read(*(Run(Path(key[0]), *key[1:3]) if isinstance(key, _Key) else key for key in keys))

        anew.__qualname__, anew.__module__ = read.__qualname__, read.__module__  # st.cache_resource goes by them
        found = keep(anew)

        def key_of(argument: Any) -> Any:
            return (
                _Key(str(argument.path), argument.name, argument.epoch, argument.stamp(reading))
                if isinstance(argument, Run)
                else argument
            )

        @wraps(read)
        def look_up(run: Run, *others: Any) -> Any:
            if others or not is_small:
                return found(*map(key_of, (run, *others)))
            if read not in run.kept:
                run.kept[read] = found(key_of(run))
            return run.kept[read]

        return cast(Read, look_up)

    return decorate
