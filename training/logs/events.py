"""The lines of a log that TensorBoard's event files hold."""

from collections.abc import Iterator
from pathlib import Path

from sightline.run_store.files import METRICS, FileError, open_regular
from sightline.training.logs.columns import is_split
from sightline.training.logs.rows import BETWEEN, Row, Rows

MOST_EVENT_BYTES = 2**31  # there may be images among them
_KNOWN_FILES = (METRICS, "trainer_state.json", "summary.csv", "results.csv", "scalars.json", "log.csv")


def read_events(path: Path) -> Rows:
    """Read an event file, or those in a folder and below, where each folder that has any is a run or a split.

    Raises FileError; else OSError.
    """
    events = sorted(file for file in path.rglob("*tfevents*") if file.is_file()) if path.is_dir() else [path]
    if not events:
        known = [name for name in _KNOWN_FILES if (path / name).is_file()]
        hint = f"name the file: {path / known[0]}" if known else "name the file of the log"
        raise FileError(f"is a folder without event files of TensorBoard; {hint}")
    if sum(file.stat().st_size for file in events) > MOST_EVENT_BYTES:
        raise FileError(f"has event files of more than {MOST_EVENT_BYTES // 2**30} GiB")
    found, folders = Rows(), {file.parent for file in events}
    for file in events:
        open_regular(str(file)).close()  # a pipe would be waited for
        prefix = ""
        if len(folders) > 1:
            folder = file.parent.relative_to(path).as_posix()
            prefix = f"{folder}/" if is_split(folder) or folder == "." else f"{folder}{BETWEEN}"
        found.is_by_run |= prefix.endswith(BETWEEN)
        for row in _event_rows(file):
            found.add({name if name == "step" else prefix + name: value for name, value in row.items()})
    return found


def _event_rows(file: Path) -> Iterator[Row]:
    """Yield a line for each step: what follows each other at the same step is in one."""
    row: Row = {}
    for step, tag, value in _scalars(file):
        if row.get("step") != step or tag in row:
            yield row
            row = {"step": step}
        row[tag] = value
    yield row


def _scalars(file: Path) -> Iterator[tuple[int, str, float]]:
    """Yield step, tag and value of every scalar of an event file. Raises FileError."""
    try:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
        from tensorboard.util.tensor_util import make_ndarray
    except ImportError as error:
        raise FileError("is of TensorBoard, which has to be installed to read it: pip install tensorboard") from error
    scalars = set()
    try:
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    scalars.add(value.tag)  # only the first value of a tag says what it is
                if value.tag in scalars:
                    yield event.step, value.tag, float(make_ndarray(value.tensor).item())
    except FileError:
        raise
    except Exception as error:  # a damaged file makes the library raise anything
        raise FileError(f"is damaged ({type(error).__name__})") from error
