"""What a visitor sees while maps are computed: of a slow method how far it is, with a button that stops it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sightline.explain.attribution.methods import METHODS, PIXEL_METHODS
from sightline.image_data import Progress
from sightline.report.drawing.subject import Subject
from sightline.report.words.text import about, after_words, count
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_SEEN = 0.02  # share of the work after which it is known how fast it goes
_STOPPED = "maps_stopped"  # of the session: what its visitor has stopped, and not started again

_Wanted = tuple[str, int | str, str]  # name of the run, and its epoch, key of the subject, method


class Stopped(RunError):
    """A map that the visitor has stopped: it stays so until the button of `draw_restart` is pressed."""

    def __init__(self, wanted: _Wanted) -> None:
        super().__init__(f"{METHODS[wanted[2]].title} was stopped.")
        self.wanted = wanted


@contextmanager
def waiting(
    run: Run, subject: Subject, method: str, words: str, begin: Callable[[], None] = lambda: None
) -> Iterator[Progress]:
    """Give what `compute.maps` calls while this visitor waits, and draw it. words: what is done, of a quick method.

    begin: called once it is clear that a slow method has to be waited for, before that is said. Raises Stopped, which
    is a RunError.
    """
    if method not in PIXEL_METHODS:
        with st.spinner(words):
            yield lambda done, total: None
        return
    wanted = (run.name + after_words(run.epoch), subject.key, method)
    if wanted in st.session_state.get(_STOPPED, ()):
        raise Stopped(wanted)
    drawn: tuple[DeltaGenerator, DeltaGenerator] | None = None  # the place, and the bar in it; of what is there: none
    begun: tuple[float, float] | None = None  # when it was first seen at work, and its share then

    def look(done: int, total: int) -> None:
        nonlocal drawn, begun
        if drawn is None:
            begin()
            drawn = _draw_bar(f"maps_waiting_{run.name}_{words}", wanted)
        share = done / total
        begun = begun or ((time.perf_counter(), share) if done else None)
        far = f"{count(done)} of {count(total)} passes" if begun else "starting"
        if begun and share - begun[1] >= _SEEN:
            seconds = (time.perf_counter() - begun[0]) / (share - begun[1]) * (1 - share)
            far += f", {about(seconds)} left"
        drawn[1].progress(share, text=f"{METHODS[method].title}: {far}")

    try:
        yield look
    finally:
        if drawn is not None:
            drawn[0].empty()


def _draw_bar(key: str, wanted: _Wanted) -> tuple[DeltaGenerator, DeltaGenerator]:
    place = st.empty()
    with place.container(key=key, horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        bar = st.empty()
        st.button("Stop", icon=":material/stop:", key=f"{key}_stop", on_click=_stop, args=(wanted,))
    return place, bar


def draw_restart(error: RunError) -> None:
    """Draw the button that computes what was stopped, where that is what the error says."""
    if isinstance(error, Stopped):
        st.button(
            "Compute it",
            icon=":material/play_arrow:",
            key=f"maps_restart_{error.wanted[0]}",
            on_click=_go_on,
            args=(error.wanted,),
        )


def _stop(wanted: _Wanted) -> None:
    st.session_state[_STOPPED] = st.session_state.get(_STOPPED, frozenset()) | {wanted}


def _go_on(wanted: _Wanted) -> None:
    st.session_state[_STOPPED] = st.session_state.get(_STOPPED, frozenset()) - {wanted}
