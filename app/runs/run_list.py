"""Which runs there are, as this script run has seen them, and which of them can be compared."""

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from sightline.app.runs import loaders
from sightline.app.runs.folder import runs_root
from sightline.app.runs.loaders import files_and_labels, record
from sightline.app.runs.look import Listed, Listing, Look, created_and_split
from sightline.report.address.parameters import RunFacts
from sightline.report.drawing.learning_curves import RUN_COLOURS
from sightline.report.words.text import after_words
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

_SEEN, _IS_NEW, _OPENED = "runs_seen", "runs_are_new", "runs_opened"


_looks: dict[Path, Look] = {}
_looking = threading.Lock()


def look() -> Listing:
    """Look at the folder of runs: what a script run, or a callback, begins with.

    What is read of a run that is opened is read once until the next look: to ask the disk again and again takes most of
    a click's time.
    """
    root = runs_root()
    with _looking:
        found = _looks.setdefault(root, Look(root)).again()
    if get_script_run_ctx(suppress_warning=True):
        st.session_state[_SEEN], st.session_state[_IS_NEW], st.session_state[_OPENED] = found, True, {}
    return found


def look_again() -> None:
    """Look, unless that has just been done: for a fragment, which runs with the page around it and alone."""
    if not st.session_state.pop(_IS_NEW, False):
        look()


def expect_change(name: str) -> None:
    """Have the next look read this run anew, whose files have just been written: it looks at most runs in turn."""
    if found := _looks.get(runs_root()):
        found.expected.add(name)


def listing() -> Listing:
    """Return all runs, as this script run has seen them."""
    seen: Listing | None = st.session_state.get(_SEEN) if get_script_run_ctx(suppress_warning=True) else None
    return look() if seen is None else seen


def find_run(name: str | None, epoch: int | None = None) -> Run | None:
    """Look a run up in the list: no path is ever made from a name in a URL.

    epoch: after which it is to be seen, of its history; as it ended for None, and for the last one.
    """
    found = listing().by_name.get(name or "")
    if found is None:
        return None
    run = opened(found)
    return run if epoch is None or epoch in loaders.epochs(run)[-1:] else opened(found, epoch)


def find_known_run(name: str) -> Run | None:
    """Look a run up in the last list that anybody has seen, and only where it is not there in a new one."""
    seen = _looks.get(runs_root())
    found = (seen.listing.by_name.get(name) if seen else None) or look().by_name.get(name)
    return found.run if found else None


def opened(listed: Listed, epoch: int | None = None) -> Run:
    """Return the one Run that stands for it, or for it after an epoch, until the next look."""
    run = Run(Path(listed.path), listed.name, epoch)
    if not get_script_run_ctx(suppress_warning=True):
        return run
    kept: dict[tuple[str, int | None], Run] = st.session_state[_OPENED]
    return kept.setdefault((listed.name, epoch), run)


def titles() -> Mapping[str, str]:
    """Return what people call each run, by its name."""
    return listing().titles


def colour(run: Run) -> str:
    """Return the colour of the run's curves and marks: by its age, so that a new run changes no other's."""
    runs = listing().runs
    place = next((place for place, one in enumerate(runs) if one.name == run.name), 0)
    return colour_at(place, len(runs))


def colour_at(place: int, runs: int) -> str:
    """Return the colour of the run at a place of a listing of so many."""
    return RUN_COLOURS[(runs - 1 - place) % len(RUN_COLOURS)]


def title(run: Run) -> str:
    """Return what people call the run: “demo after epoch 3” where it is looked at after one."""
    return titles().get(run.name, run.name) + after_words(run.epoch)


def listed_runs(*chosen: str | None) -> Sequence[Listed]:
    """Return the runs, newest first, without those that people have hidden or archived, unless they are chosen."""
    found = listing()
    if len(found.shown) == len(found.runs):
        return found.runs
    return [listed for listed in found.runs if not listed.note.is_left_out or listed.name in chosen]


def newest_comparable(run: Run) -> str | None:
    """Return the name of the newest other complete run on the same test split."""
    split = test_split(run)
    others = listing().complete.get(split, ()) if split else ()
    return next((name for name in others if name != run.name), None)


def are_comparable(run: Run, other: Run) -> bool:
    """Tell whether both were tested on the same images: the same pixels, or the same files in any size."""
    if test_split(run) == test_split(other) != "":
        return True
    try:
        return files_and_labels(run) == files_and_labels(other) != ""
    except RunError:
        return False


def test_split(run: Run) -> str:
    """Return the fingerprint of the test split; "" where the record has none, or cannot be read."""
    return created_and_split(run)[1]


def facts(name: str) -> RunFacts | None:
    """Return what the address of a run is checked against; None where its record cannot be read."""
    run = find_run(name)
    if run is None:
        return None
    try:
        content = record(run)
        return RunFacts(content.class_names, content.image_counts.get("test", 0), partial(loaders.epochs, run))
    except RunError:
        return None


def default_run() -> str | None:
    """Return the newest complete run with images, else complete, else any; one left out where there is no other."""
    candidates = listing().shown or listing().runs
    complete = [listed for listed in candidates if listed.state == "complete"]
    found = [*(listed for listed in complete if listed.split), *complete, *candidates]
    return found[0].name if found else None
