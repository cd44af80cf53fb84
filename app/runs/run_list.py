"""Which runs there are, what people call them, and which of them can be compared."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from sightline.app.address.parameters import RunFacts
from sightline.app.runs.folder import runs_root
from sightline.app.runs.loaders import kept, record, status
from sightline.run_store import files
from sightline.run_store.listing import RunFinder, RunFolder, newest_first
from sightline.run_store.note import RunNote
from sightline.run_store.record import RunError
from sightline.run_store.run import Run, State

FULLY_READ = 100  # runs whose predictions are read to tell whether they are whole; of more, those that are opened
LOOKED_AT = 25  # runs a look, in turn, whose files may have changed; those that are not complete are always looked at
_SEEN, _IS_NEW, _OPENED = "runs_seen", "runs_are_new", "runs_opened"


@dataclass(frozen=True)
class Listed:
    """What lists say of a run. stamp: of the files that it was read from."""

    path: str
    name: str
    stamp: files.Stamp
    state: State
    created: str
    split: str  # the fingerprint of its test split, or ""
    note: RunNote

    @property
    def is_there(self) -> bool:
        """Whether it still has a record."""
        return self.stamp[0][2] >= 0

    @property
    def run(self) -> Run:
        """A Run to read from."""
        return Run(Path(self.path), self.name)


@dataclass(frozen=True)
class Listing:
    """All runs as a look at the folder found them, newest first: the same object until something changes."""

    runs: tuple[Listed, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Listed]:
        """The runs by their name."""
        return {listed.name: listed for listed in self.runs}

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """What people call each run, by its name. Where two are called the same, their names are added."""
        called = {name: " ".join(listed.note.name.split()) or name for name, listed in self.by_name.items()}
        shared = Counter(called.values())
        return {name: title if shared[title] == 1 else f"{title} ({name})" for name, title in called.items()}

    @cached_property
    def told(self) -> tuple[tuple[str, str, State], ...]:
        """What the top of every page tells of them."""
        return tuple((self.titles[listed.name], listed.name, listed.state) for listed in self.runs)

    @cached_property
    def shown(self) -> tuple[Listed, ...]:
        """The runs that people have not hidden."""
        return tuple(listed for listed in self.runs if not listed.note.hidden)

    @cached_property
    def complete(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the complete runs that are not hidden, by test split."""
        found: dict[str, tuple[str, ...]] = {}
        for listed in self.shown:
            if listed.state == "complete":
                found[listed.split] = (*found.get(listed.split, ()), listed.name)
        return found


class _Look:
    """What this server has seen of a folder of runs."""

    def __init__(self, root: Path):
        self.finder = RunFinder(root)
        self.listing = Listing(())
        self._folders: tuple[RunFolder, ...] = ()
        self._turn = 0

    def again(self) -> Listing:
        """Return what there is now; of what has not changed, what was known before."""
        folders, known = self.finder.look(), self.listing.by_name
        if folders is self._folders:
            due = self._due()
            found = [_listed(RunFolder(name, known[name].path), known[name]) for name in due]
            if all(known[one.name] is one for one in found):
                return self.listing
            new = {one.name: one for one in found}
            runs = [new.get(one.name, one) for one in self.listing.runs]
        else:
            runs = newest_first(_listed(folder, known.get(folder.name)) for folder in folders)
            runs[:FULLY_READ] = [replace(one, state=status(one.run).state) for one in runs[:FULLY_READ]]
        for one in runs:
            if not one.is_there:
                self.finder.forget(one.path)
        self._folders = folders
        self.listing = Listing(tuple(newest_first(one for one in runs if one.is_there)))
        return self.listing

    def _due(self) -> list[str]:
        runs = self.listing.runs
        turns = len(runs) // LOOKED_AT + 1
        self._turn = (self._turn + 1) % turns
        return [one.name for place, one in enumerate(runs) if place % turns == self._turn or not _is_final(one.state)]


_looks: dict[Path, _Look] = {}
_looking = threading.Lock()


def look() -> Listing:
    """Look at the folder of runs: what a script run, or a callback, begins with.

    What is read of a run that is opened is read once until the next look: to ask the disk again and again takes most of
    a click's time.
    """
    root = runs_root()
    with _looking:
        found = _looks.setdefault(root, _Look(root)).again()
    if get_script_run_ctx(suppress_warning=True):
        st.session_state[_SEEN], st.session_state[_IS_NEW], st.session_state[_OPENED] = found, True, {}
    return found


def _listed(folder: RunFolder, known: Listed | None) -> Listed:
    """Read what lists say of a run; what is `known` where nothing has changed. One that is new is taken at its word."""
    run = Run(Path(folder.path), folder.name)
    stamp = run.stamp("predictions") + run.stamp("note")
    if known and known.stamp == stamp and _is_final(known.state):  # else it goes by the lock too
        return known
    state = status(run).state if known else run.likely_state
    listed = Listed(folder.path, folder.name, stamp, state, *_created_and_split(run), _readable_note(run))
    return known if known == listed else listed


def _is_final(state: State) -> bool:
    return state in ("complete", "damaged")


def look_again() -> None:
    """Look, unless that has just been done: for a fragment, which runs with the page around it and alone."""
    if not st.session_state.pop(_IS_NEW, False):
        look()


def listing() -> Listing:
    """Return all runs, as this script run has seen them."""
    seen: Listing | None = st.session_state.get(_SEEN) if get_script_run_ctx(suppress_warning=True) else None
    return look() if seen is None else seen


def runs() -> list[Run]:
    """Return all runs, newest first, as this script run has seen them."""
    return [opened(listed) for listed in listing().runs]


def find_run(name: str | None) -> Run | None:
    """Look a run up in the list: no path is ever made from a name in a URL."""
    found = listing().by_name.get(name or "")
    return None if found is None else opened(found)


def find_known_run(name: str) -> Run | None:
    """Look a run up in the last list that anybody has seen, and only where it is not there in a new one."""
    seen = _looks.get(runs_root())
    found = (seen.listing.by_name.get(name) if seen else None) or look().by_name.get(name)
    return found.run if found else None


def opened(listed: Listed) -> Run:
    """Return the one Run that stands for it until the next look."""
    if not get_script_run_ctx(suppress_warning=True):
        return listed.run
    kept: dict[str, Run] = st.session_state[_OPENED]
    return kept.setdefault(listed.name, listed.run)


@kept("note", lru_cache(256), is_small=True)
def note(run: Run) -> RunNote:
    """Return what people say about the run. Raises RunError."""
    return run.note()


def titles() -> Mapping[str, str]:
    """Return what people call each run, by its name."""
    return listing().titles


def title(run: Run) -> str:
    """Return what people call the run."""
    return titles().get(run.name, run.name)


def listed_runs(*chosen: str | None) -> Sequence[Listed]:
    """Return the runs, newest first, without those that people have hidden, unless they are chosen."""
    found = listing()
    if len(found.shown) == len(found.runs):
        return found.runs
    return [listed for listed in found.runs if not listed.note.hidden or listed.name in chosen]


def newest_comparable(run: Run) -> str | None:
    """Return the name of the newest other complete run on the same test split."""
    split = test_split(run)
    others = listing().complete.get(split, ()) if split else ()
    return next((name for name in others if name != run.name), None)


def are_comparable(run: Run, other: Run) -> bool:
    """Tell whether both were tested on the same images."""
    return test_split(run) == test_split(other) != ""


def test_split(run: Run) -> str:
    """Return the fingerprint of the test split; "" where the record has none, or cannot be read."""
    return _created_and_split(run)[1]


def _created_and_split(run: Run) -> tuple[str, str]:
    try:
        content = record(run)
    except RunError:
        return "", ""
    return content.created, content.fingerprints.get("test", "")


def facts(name: str) -> RunFacts | None:
    """Return what the address of a run is checked against; None where its record cannot be read."""
    run = find_run(name)
    if run is None:
        return None
    try:
        content = record(run)
        return RunFacts(content.class_names, content.image_counts.get("test", 0))
    except RunError:
        return None


def default_run() -> str | None:
    """Return the newest complete run, else the newest; a hidden one only where there is no other."""
    candidates = listing().shown or listing().runs
    complete = (listed.name for listed in candidates if listed.state == "complete")
    return next(complete, candidates[0].name if candidates else None)


def _readable_note(run: Run) -> RunNote:
    """Return the note; a damaged one counts as empty."""
    try:
        return note(run)
    except RunError:
        return RunNote()
