"""Which runs there are, what people call them, and which of them can be compared."""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from sightline.app.address.parameters import RunFacts
from sightline.app.runs.folder import runs_root
from sightline.app.runs.loaders import kept, record, status
from sightline.run_store.files import Stamp, runs_stamp
from sightline.run_store.note import RunNote
from sightline.run_store.record import RunError
from sightline.run_store.run import Run, list_runs

_SEEN, _IS_NEW = "runs_seen", "runs_are_new"


def look() -> list[Run]:
    """Look at the folder of runs: what a script run, or a callback, begins with. Newest first.

    What is read of the runs it returns is read once: to ask the disk again and again takes most of a click's time.
    """
    root = runs_root()
    found = [Run(path) for path in _paths(str(root), runs_stamp(root))]
    if get_script_run_ctx(suppress_warning=True):
        st.session_state[_SEEN], st.session_state[_IS_NEW] = found, True
    return found


def look_again() -> None:
    """Look, unless that has just been done: for a fragment, which runs with the page around it and alone."""
    if not st.session_state.pop(_IS_NEW, False):
        look()


def runs() -> list[Run]:
    """Return all runs, newest first, as this script run has seen them."""
    seen: list[Run] | None = st.session_state.get(_SEEN) if get_script_run_ctx(suppress_warning=True) else None
    return look() if seen is None else seen


def find_run(name: str | None) -> Run | None:
    """Look a run up in the list: no path is ever made from a name in a URL."""
    return next((run for run in runs() if run.name == name), None)


@kept("note", lru_cache(256), is_small=True)
def note(run: Run) -> RunNote:
    """Return what people say about the run. Raises RunError."""
    return run.note()


def titles() -> Mapping[str, str]:
    """Return what people call each run, by its name. Where two are called the same, their names are added."""
    return _titles(tuple((str(run.path), run.stamp("note")) for run in runs()))


def title(run: Run) -> str:
    """Return what people call the run."""
    return titles().get(run.name, run.name)


def listed_runs(*chosen: str | None) -> list[Run]:
    """Return the runs, newest first, without those that people have hidden, unless they are chosen."""
    return [run for run in runs() if run.name in chosen or not _readable_note(run).hidden]


def comparable_runs(run: Run) -> list[Run]:
    """Return the other complete runs on the same test split, newest first."""
    others = [other for other in listed_runs() if other.name != run.name and status(other).state == "complete"]
    return [other for other in others if are_comparable(run, other)]


def are_comparable(run: Run, other: Run) -> bool:
    """Tell whether both were tested on the same images."""
    return test_split(run) == test_split(other) != ""


def test_split(run: Run) -> str:
    """Return the fingerprint of the test split; "" where the record has none, or cannot be read."""
    try:
        return str(record(run).fingerprints.get("test") or "")
    except RunError:
        return ""


def names() -> set[str]:
    """Return the names of all runs."""
    return {run.name for run in runs()}


def facts(name: str) -> RunFacts | None:
    """Return what the address of a run is checked against; None where its record cannot be read."""
    run = find_run(name)
    if run is None:
        return None
    try:
        content = record(run)
        return RunFacts(content.class_names, int(content.image_counts.get("test", 0)))
    except (RunError, TypeError, ValueError):
        return None


def default_run() -> str | None:
    """Return the newest complete run, else the newest; a hidden one only where there is no other."""
    candidates = listed_runs() or runs()
    complete = (run.name for run in candidates if status(run).state == "complete")
    return next(complete, candidates[0].name if candidates else None)


@lru_cache(4)
def _paths(root: str, stamp: Stamp) -> list[Path]:
    return [run.path for run in list_runs(Path(root))]


def _readable_note(run: Run) -> RunNote:
    """Return the note; a damaged one counts as empty."""
    try:
        return note(run)
    except RunError:
        return RunNote()


@lru_cache(4)
def _titles(notes: tuple[tuple[str, Stamp], ...]) -> dict[str, str]:
    runs = [Run(Path(path)) for path, _ in notes]
    called = {run.name: " ".join(_readable_note(run).name.split()) or run.name for run in runs}
    shared = Counter(called.values())
    return {name: title if shared[title] == 1 else f"{title} ({name})" for name, title in called.items()}
