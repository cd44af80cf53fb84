"""Hashes of what a run holds: by that of its weights, what was measured on them is known as theirs."""

import hashlib
from collections.abc import Callable
from contextlib import closing

from sightline.run_store import files
from sightline.run_store.record import RunError
from sightline.run_store.run import Run


def weights_hash(run: Run) -> str:
    """Return the SHA-256 of the weights, 64 hexadecimal digits. Raises RunError where there are none.

    As long as the file stays the same it is read once: a report asks after every part of a round.
    """
    return once(run, (files.MODEL,), lambda: file_hash(run, files.MODEL, "Train the run again."))


def refuse_stale(run: Run, name: str, weights: str, hint: str) -> None:
    """Raise RunError where the file `name` was made with other weights (a `weights_hash`) than the run has now."""
    if (run.path / files.MODEL).exists() and weights != weights_hash(run):
        raise RunError(f"Run {run.name}: {name} is stale, it is of other weights than {files.MODEL} holds now. {hint}")


def file_hash(run: Run, name: str, remedy: str) -> str:
    """Return the SHA-256 of a file. Raises RunError, with what mends it, where it cannot be read."""
    with run.reading(name, remedy), closing(files.open_file(run.path, name)) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def once(run: Run, names: tuple[str, ...], find: Callable[[], str]) -> str:
    """Return what is found in some files of the run, which are read again only when one of them has changed."""
    stamps = tuple(files.file_stamp(run.path / name) for name in names)
    if stamps not in run.kept:
        run.kept[stamps] = find()
    found: str = run.kept[stamps]
    return found
