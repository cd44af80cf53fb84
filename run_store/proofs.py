"""proofs.json: the trainings without some training images that prove, or do not, that these taught the mistakes."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sightline.run_store import files
from sightline.run_store.files import FileError
from sightline.run_store.record import MOST_TEXT
from sightline.run_store.run import Run

MOST_PROOFS = 1000


@dataclass(frozen=True)
class Proof:
    """Two trainings as the run's own, at as many steps: one without the listed images, one without as many at random.

    Folders are names of runs beside this one; they may not be there (yet).
    """

    name: str  # what was left out, in words: "patterns 1, 2 and 3"
    patterns: tuple[int, ...]  # whose mistakes are counted; none: all mistakes
    listed: str  # the list, a file in the run, with "/"
    images: int  # in it
    without: str  # the folder of the run without them
    random: str  # of the run without as many others, at random
    weights: str  # the `weights_hash` of this run when the proof began


def read_proofs(run: Run) -> list[Proof]:
    """Return the proofs that were begun, the newest last. Raises RunError where the file is damaged."""
    if not os.path.exists(run.path / files.PROOFS):
        return []
    with run.reading(files.PROOFS, "Remove it: the trainings themselves are runs of their own."):
        content = json.loads(run.read(files.PROOFS))
        if not isinstance(content, list) or len(content) > MOST_PROOFS:
            raise FileError("is no list of proofs")
        return [_parse(entry) for entry in content]


def write_proofs(run: Run, proofs: Sequence[Proof]) -> None:
    """Replace the file; the caller holds the run's lock."""
    content = json.dumps([asdict(proof) for proof in proofs], indent=2, ensure_ascii=False) + "\n"
    files.write_atomically(run.path / files.PROOFS, content.encode("utf-8", "backslashreplace"))


def _parse(entry: dict[str, Any]) -> Proof:
    """Read a proof. Raises FileError, or KeyError or TypeError, where it is none of ours."""
    found = Proof(**{field.name: entry[field.name] for field in fields(Proof)})
    texts = (found.name, found.listed, found.without, found.random, found.weights)
    if not all(isinstance(text, str) and len(text) <= MOST_TEXT for text in texts):
        raise FileError("holds a name that is none")
    if not all(isinstance(number, int) for number in (found.images, *found.patterns)):
        raise FileError("holds a number that is none")
    if any(os.sep in folder or folder in ("", ".", "..") for folder in (found.without, found.random)):
        raise FileError("names a run that does not lie beside this one")
    return Proof(**asdict(found) | {"patterns": tuple(found.patterns)})
