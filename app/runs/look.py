"""What this server has seen of a folder of runs, and how it looks again."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sightline.app.runs.loaders import note, record, status
from sightline.run_store import files
from sightline.run_store.listing import RunFinder, RunFolder, newest_first
from sightline.run_store.note import RunNote
from sightline.run_store.record import RunError
from sightline.run_store.run import Run, State

FULLY_READ = 100  # runs whose predictions are read to tell whether they are whole; of more, those that are opened
LOOKED_AT = 25  # runs a look, in turn, whose files may have changed; those that are not complete are always looked at


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
    def told(self) -> tuple[tuple[str, str, State, bool], ...]:
        """What the top of every page tells of them."""
        return tuple(
            (self.titles[listed.name], listed.name, listed.state, listed.note.is_left_out) for listed in self.runs
        )

    @cached_property
    def shown(self) -> tuple[Listed, ...]:
        """The runs that people have neither hidden nor archived."""
        return tuple(listed for listed in self.runs if not listed.note.is_left_out)

    @cached_property
    def complete(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the complete runs that are not left out, by test split."""
        found: dict[str, tuple[str, ...]] = {}
        for listed in self.shown:
            if listed.state == "complete":
                found[listed.split] = (*found.get(listed.split, ()), listed.name)
        return found


class Look:
    """What this server has seen of a folder of runs."""

    def __init__(self, root: Path):
        self.finder = RunFinder(root)
        self.listing = Listing(())
        self.expected: set[str] = set()  # runs that have changed, as somebody knows who changed them
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
        expected, self.expected = self.expected, set()
        return [
            one.name
            for place, one in enumerate(runs)
            if place % turns == self._turn or not _is_final(one.state) or one.name in expected
        ]


def _listed(folder: RunFolder, known: Listed | None) -> Listed:
    """Read what lists say of a run; what is `known` where nothing has changed. One that is new is taken at its word."""
    run = Run(Path(folder.path), folder.name)
    stamp = run.stamp("predictions") + run.stamp("note")
    if known and known.stamp == stamp and _is_final(known.state):  # else it goes by the lock too
        return known
    created, split = created_and_split(run)
    is_likely = known is None and created and (run.path / files.PREDICTIONS).exists()
    state: State = "complete" if is_likely else status(run).state
    listed = Listed(folder.path, folder.name, stamp, state, created, split, _readable_note(run))
    return known if known == listed else listed


def _is_final(state: State) -> bool:
    return state in ("complete", "damaged")


def created_and_split(run: Run) -> tuple[str, str]:
    """Return when the run was made, and the fingerprint of its test split; "" for what the record does not say."""
    try:
        content = record(run)
    except RunError:
        return "", ""
    return content.created, content.fingerprints.get("test", "")


def _readable_note(run: Run) -> RunNote:
    """Return the note; a damaged one counts as empty."""
    try:
        return note(run)
    except RunError:
        return RunNote()
