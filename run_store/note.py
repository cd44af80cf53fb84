"""note.json: what people say about a run. The app writes it, whoever wrote the run."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sightline.run_store import files
from sightline.run_store.files import FileError
from sightline.run_store.names import check_text
from sightline.run_store.record import RunError

MOST_NAME, MOST_TEXT = 100, 2000  # characters


@dataclass(frozen=True)
class RunNote:
    """A name that is shown instead of the folder's, a text, and whether the run is left out of lists.

    hidden: out of charts and pickers, but not out of the table of runs. archived: out of that too, until asked for.
    """

    name: str = ""
    text: str = ""
    hidden: bool = False
    archived: bool = False

    @property
    def is_left_out(self) -> bool:
        """Whether it stands in no list but the table of runs, if there."""
        return self.hidden or self.archived


def parse_note(text: bytes) -> RunNote:
    """Read the file's content; unknown keys are ignored. Raises FileError."""
    try:
        content = dict(json.loads(text))
        note = RunNote(**{name: content[name] for name in asdict(RunNote()) if name in content})
        f"{note.name}{note.text}".encode()  # which half a character of an escape is not
    except (ValueError, TypeError, RecursionError) as error:
        raise FileError("is not valid JSON") from error
    if [type(value) for value in asdict(note).values()] != [str, str, bool, bool]:
        raise FileError("does not hold a name, a text, and whether the run is hidden or archived")
    if len(note.name) > MOST_NAME or len(note.text) > MOST_TEXT:
        raise FileError(f"holds a name of more than {MOST_NAME} characters, or a text of more than {MOST_TEXT:,}")
    return note


def write_note(run: Path, note: RunNote) -> None:
    """Replace the file at once; an empty note leaves none.

    Raises RunError where the folder cannot be written, or for a character that cannot be seen and does something.
    """
    check_text(note.name, "The name")
    check_text(note.text, "The note", allowed="\r\n\t")
    file = run / files.NOTE
    try:
        if note == RunNote():
            file.unlink(missing_ok=True)
        else:
            content = json.dumps(asdict(note), indent=2, ensure_ascii=False) + "\n"
            files.write_atomically(file, content.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise RunError(f"The note of run {run.name} cannot be written ({error.strerror}).") from error
