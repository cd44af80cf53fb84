"""Find the runs in a folder, and in the folders of experiments in it: runs/seed0 and runs/exp1/seed0."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from sightline.run_store import files

MOST_DEPTH = 4  # folders from the root to a run
MOST_FOLDERS = 10_000  # without a run that are looked into: somebody may name a whole disk
MOST_IN_ONE = 1000  # of them in one folder of the root: it may be a stranger's, and is not to hide the runs of others
_SETTLED = 10**9  # nanoseconds: two changes of a folder that follow each other at once may have the same time


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds a run. name: its path from the root, with "/"."""

    name: str
    path: str


class RunFinder:
    """The runs under a root, found again and again: only the folders around them are asked whether they have changed.

    Nothing inside a run is looked at. A folder whose name is hidden, or no valid UTF-8, is passed over: no page or
    command could name it. Links are followed in the root alone: below, they may come with a stranger's files.
    """

    def __init__(self, root: Path):
        self._root = str(root)
        self._changed: dict[str, tuple[int, bool]] = {}  # of each folder without a run: when, and whether it rests
        self._found: tuple[RunFolder, ...] = ()

    def look(self) -> tuple[RunFolder, ...]:
        """Return the runs that there are: the same tuple where none has come or gone."""
        rests = (known[1] and _changed(path) == known for path, known in self._changed.items())
        if not self._changed or not all(rests):
            self._changed = {}
            found = tuple(self._walk(self._root, "", {folder.path for folder in self._found}, MOST_FOLDERS))
            self._found = self._found if found == self._found else found
        return self._found

    def forget(self, path: str) -> None:
        """Take note that this run has no record any more."""
        self._found = tuple(folder for folder in self._found if folder.path != path)
        self._changed = {}

    def _walk(self, folder: str, prefix: str, known: set[str], most: int) -> Iterator[RunFolder]:
        """Yield the runs below a folder, as long as no more than `most` folders are known."""
        self._changed[folder] = _changed(folder)
        for entry in _folders(folder, with_links=not prefix):
            name, so_far = prefix + entry.name, len(self._changed)
            if entry.path in known or os.path.isfile(os.path.join(entry.path, files.RECORD)):
                yield RunFolder(name, entry.path)
            elif name.count("/") < MOST_DEPTH - 1 and so_far < most and not _is_around(entry, folder):
                yield from self._walk(
                    entry.path, f"{name}/", known, most if prefix else min(most, so_far + MOST_IN_ONE)
                )


def _changed(folder: str) -> tuple[int, bool]:
    """Return when a folder changed (nanoseconds, −1 where there is none), and whether that was a while ago."""
    try:
        changed = os.stat(folder).st_mtime_ns
    except OSError:
        return -1, True
    return changed, time.time_ns() - changed > _SETTLED


def _folders(folder: str, with_links: bool) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return [
                entry
                for entry in entries
                if entry.name[0] != "." and _is_text(entry.name) and _is_folder(entry, with_links)
            ]
    except OSError:
        return []


def _is_text(name: str) -> bool:
    return name.encode(errors="ignore").decode() == name


def _is_folder(entry: "os.DirEntry[str]", with_links: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=with_links)
    except OSError:  # a link to itself, or into what may not be looked into
        return False


def _is_around(entry: "os.DirEntry[str]", folder: str) -> bool:
    """Tell whether it is a link to a folder that this one lies in."""
    return entry.is_symlink() and Path(folder).resolve().is_relative_to(Path(entry.path).resolve())


class HasAge(Protocol):
    """What a list of runs is sorted by. created: ISO 8601."""

    @property
    def name(self) -> str:
        """The path of the run from the root."""

    @property
    def created(self) -> str:
        """When it was made; "" where that cannot be read."""


Aged = TypeVar("Aged", bound=HasAge)


def newest_first(runs: Iterable[Aged]) -> list[Aged]:
    """Sort by age, newest first; those of one experiment's folder stand together, where the newest of them stands."""
    groups: dict[str, list[Aged]] = {}
    for run in runs:
        folder = run.name.rpartition("/")[0]
        groups.setdefault(f"{folder}/" if folder else run.name, []).append(run)
    for group in groups.values():
        group.sort(key=lambda run: run.created, reverse=True)
    return [run for group in sorted(groups.values(), key=lambda group: group[0].created, reverse=True) for run in group]
