"""The files of a run directory: their names, what a reading depends on, and how they are opened, locked and replaced.

No other package names a file of a run.
"""

import os
import re
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Literal

from filelock import lock_descriptor

RECORD = "run.json"
METRICS = "metrics.csv"
CHECKPOINT = "resume.pt"
MODEL = "model.safetensors"
NETWORK = "network.safetensors"
IMAGES = "images.npy"
MASKS = "masks.npy"
FEATURES = "features.npy"
PREDICTIONS = "predictions.parquet"
QUALITY = "quality.csv"
QUALITY_VALUES = "quality.safetensors"
HISTORY = "history.npz"
PATTERNS = "patterns.json"
PATTERN_ROWS = "patterns.parquet"
PATTERN_SPACE = "patterns.safetensors"
CULPRITS = "culprits.parquet"
CULPRIT_MAPS = "culprit_maps.npy"
TRAINING_ROWS = "training.parquet"
TRAINING_FEATURES = "train_features.npy"
TRAINING_THUMBNAILS = "train_thumbnails.npy"
WITHOUT = "without.csv"
PROOFS = "proofs.json"
NOTE = "note.json"
TAGS = "tags.csv"
LOCK = ".lock"
MAPS = "maps"  # a folder, as are the next ones
EVENTS = "tensorboard"
EPOCHS = "epochs"
LISTS = "lists"

# Under the lock, as the note and the tags are not.
WRITTEN = (
    RECORD, METRICS, CHECKPOINT, MODEL, NETWORK, IMAGES, MASKS, FEATURES, PREDICTIONS, QUALITY, QUALITY_VALUES,
    HISTORY, PATTERNS, PATTERN_ROWS, PATTERN_SPACE, CULPRITS, CULPRIT_MAPS, TRAINING_ROWS, TRAINING_FEATURES,
    TRAINING_THUMBNAILS, WITHOUT, PROOFS,
)  # fmt: skip

# Bytes that are read at once, so that no file of a stranger fills the memory; of arrays only rows are read.
MOST_BYTES = {
    RECORD: 4 * 2**20,
    METRICS: 16 * 2**20,
    QUALITY: 16 * 2**20,
    QUALITY_VALUES: 256 * 2**20,
    NOTE: 64 * 2**10,
    TAGS: 16 * 2**20,
    HISTORY: 2**30,
    PATTERNS: 4 * 2**20,
    PATTERN_ROWS: 2**28,
    PATTERN_SPACE: 2**28,
    CULPRITS: 2**30,
    TRAINING_ROWS: 2**30,
    WITHOUT: 64 * 2**20,
    PROOFS: 4 * 2**20,
    NETWORK: 2**30,
    PREDICTIONS: 4 * 2**30,
    MODEL: 16 * 2**30,
    CHECKPOINT: 64 * 2**30,
}
_LIKE = {EPOCHS: MODEL, LISTS: WITHOUT}  # a folder → the file whose bound those in it have

Reading = Literal[
    "record",
    "metrics",
    "predictions",
    "columns",
    "images",
    "masks",
    "features",
    "note",
    "tags",
    "quality",
    "maps",
    "history",
    "patterns",
    "culprits",
    "proofs",
]
DEPENDS_ON: dict[Reading, tuple[str, ...]] = {
    "record": (RECORD,),
    "metrics": (METRICS,),
    "predictions": (RECORD, PREDICTIONS, IMAGES),  # and whether the run is complete
    # … and what was found out, by programs and by people.
    "columns": (RECORD, PREDICTIONS, IMAGES, HISTORY, PATTERNS, PATTERN_ROWS, MODEL, NETWORK, TAGS),
    "images": (IMAGES,),
    "masks": (MASKS, IMAGES),
    "features": (FEATURES, IMAGES),
    "note": (NOTE,),
    "tags": (TAGS, IMAGES),
    "quality": (QUALITY, MODEL, NETWORK),
    "maps": (RECORD, MODEL, NETWORK, IMAGES, PREDICTIONS),  # of images as the predictions name them
    "history": (HISTORY, IMAGES),
    "patterns": (PATTERNS, PATTERN_ROWS, MODEL, NETWORK, IMAGES),
    "culprits": (CULPRITS, CULPRIT_MAPS, TRAINING_ROWS, TRAINING_FEATURES, TRAINING_THUMBNAILS, MODEL, NETWORK),
    "proofs": (PROOFS,),
}
FileStamp = tuple[str, int, int]
Stamp = tuple[FileStamp, ...]

MOST_NAME = 200  # bytes of a file's name before its ending; most file systems allow 255
_LOCK_ATTEMPTS = 5
_LOOKING = threading.Lock()  # one look of this process at a time, or two would take each other for a writer


def epoch_weights(epoch: int) -> str:
    """Name the file of the weights that were kept of an epoch."""
    return f"{EPOCHS}/{epoch}.safetensors"


def depends_on(reading: Reading, epoch: int | None) -> tuple[str, ...]:
    """Name the files behind a reading of a run as it was after an epoch; None: as it ended."""
    more: dict[Reading, tuple[str, ...]] = {}
    if epoch is not None:
        more = {"predictions": (HISTORY,), "maps": (HISTORY, epoch_weights(epoch))}
    return DEPENDS_ON[reading] + more.get(reading, ())


def safe_name(*words: str) -> str:
    """Join words to a file name of letters, digits, dots and dashes: names of runs and files are other people's text.

    It has at most MOST_NAME bytes, which leaves room for a date before it and an ending behind it.

    >>> safe_name("a/../b <x>", "my holiday.png")
    'a-..-b-x_my-holiday.png'
    """
    name = "_".join(re.sub(r"[^\w.-]+", "-", word).strip("-.") for word in words)
    return name.encode("utf-8", "replace")[:MOST_NAME].decode(errors="ignore")


def file_stamp(file: Path) -> FileStamp:
    """Return name, modification time (nanoseconds) and size (bytes) of a file: another one once the file changes.

    Time 0 and size −1 where there is no such file.
    """
    try:
        found = os.stat(file)
    except OSError:
        return (file.name, 0, -1)
    return (file.name, found.st_mtime_ns, found.st_size)


class FileError(Exception):
    """What is wrong with a file of a run, in words that follow its name."""


def open_file(run: Path, name: str) -> BufferedReader:
    """Open a file of a run for reading: the only way in which any is opened, since a run may come from a stranger.

    name: its path in the run, with "/". Raises FileError for a link that leads out of the run, for what is no
    regular file, and above MOST_BYTES; else OSError.
    """
    home, file = (os.path.realpath(path) for path in (run, run / name))
    if not file.startswith(home + os.sep):
        raise FileError("is a link that leads out of the run")
    return open_regular(file, MOST_BYTES.get(_LIKE.get(name.partition("/")[0], name)))


def open_regular(file: str, most: int | None = None) -> BufferedReader:
    """Open a regular file, of at most so many bytes, for reading: a pipe would be waited for, a device never ends.

    Raises FileError; else OSError.
    """
    _refuse_odd(os.stat(file), most)
    stream = open(file, "rb", opener=_open_at_once)  # noqa: SIM115 (the caller closes it)
    try:
        _refuse_odd(os.fstat(stream.fileno()), most)  # it may be another one by now
    except BaseException:
        stream.close()
        raise
    return stream


def _open_at_once(file: str, flags: int) -> int:
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no pipes among files


def _open_no_link(file: str, flags: int) -> int:
    return os.open(file, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _refuse_odd(found: os.stat_result, most: int | None = None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise FileError("is no regular file")
    if most is not None and found.st_size > most:
        raise FileError(f"is larger than {most // 2**10:,} KiB")


def write_atomically(file: Path, content: bytes | Iterable[bytes | memoryview]) -> None:
    """Replace a file so that readers see the old content or the new, also after a power cut. Raises OSError.

    content: what it is to hold, or pieces of it, which are never in memory together.
    """
    with staged(file, content) as temporary:
        os.replace(temporary, file)


@contextmanager
def staged(file: Path, content: bytes | Iterable[bytes | memoryview]) -> Iterator[Path]:
    """Write what is to replace a file, as `write_atomically` does, and give its path; it does not outlive the block.

    So several files are replaced at once, when all that takes long is done.
    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # a stranger may have put a link of this name there
        with open(temporary, "xb") as stream:
            stream.writelines([content] if isinstance(content, bytes) else content)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def leftovers(run: Path) -> list[Path]:
    """List the temporary files of a writer that was killed; whoever holds the lock may remove them."""
    patterns = [f".{name}.*" for name in WRITTEN]
    if not (run / EPOCHS).is_symlink():  # a stranger's may lead anywhere
        patterns.append(f"{EPOCHS}/.*.safetensors.*")
    return [file for pattern in patterns for file in run.glob(pattern) if file.suffix[1:].isdigit()]


def take_lock(run: Path) -> IO[str] | None:
    """Lock a run until what is returned is closed; None where another process holds it. Raises OSError."""
    lock = open(run / LOCK, "a", opener=_open_no_link)  # noqa: SIM115 (held open as long as the run is written)
    for _ in range(_LOCK_ATTEMPTS):
        if lock_descriptor(lock.fileno(), blocking=False):
            return lock
        time.sleep(0.05)  # perhaps it was only `is_locked`, which holds the lock for a moment
    lock.close()
    return None


def is_locked(run: Path) -> bool:
    """Tell whether a living process writes the run."""
    with suppress(OSError, FileError), _LOOKING, _open_lock(run / LOCK) as lock:
        _refuse_odd(os.fstat(lock.fileno()))
        if lock_descriptor(lock.fileno(), blocking=False):
            return False
        time.sleep(0.001)  # another process may look at the same moment: a writer holds the lock for longer
        return not lock_descriptor(lock.fileno(), blocking=False)
    return False


def _open_lock(file: Path) -> IO[str]:
    try:
        return open(file, "r+", opener=_open_no_link)  # over NFS, only what is open for writing can be locked
    except OSError:  # somebody else's run
        return open(file, opener=_open_no_link)
