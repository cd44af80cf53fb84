"""tags.csv: the words that people give to test images. The app writes it, whoever wrote the run; people may edit it."""

import csv
import io
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing

import pyarrow as pa

from sightline.run_store import files
from sightline.run_store.edited import edited_rows, in_terminal
from sightline.run_store.files import FileError
from sightline.run_store.formulas import no_formula, without_guard
from sightline.run_store.names import check_text
from sightline.run_store.predictions import MOST_WORDS
from sightline.run_store.record import RunError
from sightline.run_store.run import Run

MOST_TAG = 100  # characters
INDEX, TAG = "index", "tag"  # the columns of the file
_NUMBER = re.compile(r"[0-9]{1,15}")


def read_tags(run: Run) -> dict[int, str]:
    """Return image → its tag, of those that have one. Raises RunError."""
    if not os.path.lexists(run.path / files.TAGS):
        return {}
    with run.reading(files.TAGS, "Mend or remove it."), closing(files.open_file(run.path, files.TAGS)) as stream:
        return _parse(edited_rows(stream), len(run.images()))


def write_tags(run: Run, tags: Mapping[int, str]) -> None:
    """Replace the file at once; no tags leave none. Raises RunError, also for a tag that the file may not hold."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((INDEX, TAG))
    writer.writerows((image, no_formula(tags[image])) for image in sorted(tags))
    try:
        _check_words(tags.values())
        if tags:
            files.write_atomically(run.path / files.TAGS, text.getvalue().encode())
        else:
            (run.path / files.TAGS).unlink(missing_ok=True)
    except FileError as error:
        raise RunError(f"The tags of run {run.name} cannot be written: {files.TAGS} then {error}.") from error
    except OSError as error:
        raise RunError(f"The tags of run {run.name} cannot be written ({error.strerror}).") from error


def tag_column(tags: Mapping[int, str], images: int) -> pa.Array:
    """Return the tag of each image as a column; null where it has none."""
    return pa.array([tags.get(image) for image in range(images)], pa.string())


def free_name(columns: Collection[str]) -> str:
    """Name the column of tags beside those that the predictions bring: “tag”, or else “tags”."""
    return TAG if TAG not in columns else "tags"


def _parse(rows: Iterator[list[str]], images: int) -> dict[int, str]:
    """Read the rows. Raises FileError, in words that follow the file's name."""
    first = next(rows, [])
    if sorted(first) != [INDEX, TAG]:
        shown = in_terminal(", ".join(first)) or "nothing"
        raise FileError(f"begins with {shown}, and must have the columns {INDEX} and {TAG} and no other")
    number, word = first.index(INDEX), first.index(TAG)
    tags: dict[int, str] = {}
    for row in rows:
        if any(row[len(first) :]):
            image = in_terminal(_cell(row, number))[:40]
            raise FileError(f"has more than two cells in the row of image {image}; a tag with a comma stands in quotes")
        image, tag = _cell(row, number), without_guard(_cell(row, word))
        if not _NUMBER.fullmatch(image) or int(image) >= images:
            raise FileError(
                f"holds {in_terminal(image)[:40]!r} where the number of an image belongs, from 0 to {images - 1:,}"
            )
        if int(image) in tags:
            raise FileError(f"names image {int(image):,} twice; an image has one tag")
        if tag:
            tags[int(image)] = tag
    _check_words(tags.values())
    return tags


def _cell(row: list[str], place: int) -> str:
    return row[place] if place < len(row) else ""


def _check_words(tags: Iterable[str]) -> None:
    """Raise FileError for tags that the file may not hold."""
    words = set(tags)
    if len(words) > MOST_WORDS:
        raise FileError(f"holds {len(words):,} different tags, and there may be {MOST_WORDS:,}")
    if long := [word for word in words if len(word) > MOST_TAG]:
        raise FileError(f"holds a tag of {len(long[0]):,} characters, which may have {MOST_TAG}")
    try:
        for word in words:
            check_text(word, "a tag")
    except RunError as error:
        raise FileError(f"is refused: {str(error).rstrip('.')}") from error
