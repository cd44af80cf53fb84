"""The files of a run directory: their names, what a reading depends on, and how they are opened, locked and replaced.

No other package names a file of a run.
"""

import os
import re
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Literal

import numpy as np
from filelock import lock_descriptor

RECORD = "run.json"
METRICS = "metrics.csv"
CHECKPOINT = "resume.pt"
MODEL = "model.safetensors"
IMAGES = "images.npy"
MASKS = "masks.npy"
FEATURES = "features.npy"
PREDICTIONS = "predictions.parquet"
QUALITY = "quality.csv"
NOTE = "note.json"
LOCK = ".lock"
MAPS = "maps"  # a folder, as is the next
EVENTS = "tensorboard"

# Under the lock, as the note is not.
WRITTEN = (RECORD, METRICS, CHECKPOINT, MODEL, IMAGES, MASKS, FEATURES, PREDICTIONS, QUALITY)

Reading = Literal["record", "metrics", "predictions", "images", "features", "note", "quality", "maps"]
DEPENDS_ON: dict[Reading, tuple[str, ...]] = {
    "record": (RECORD,),
    "metrics": (METRICS,),
    "predictions": (RECORD, PREDICTIONS, IMAGES),  # and whether the run is complete
    "images": (IMAGES,),
    "features": (FEATURES, IMAGES),
    "note": (NOTE,),
    "quality": (QUALITY, MODEL),
    "maps": (RECORD, MODEL, IMAGES, PREDICTIONS),  # of images as the predictions name them
}
FileStamp = tuple[str, int, int]
Stamp = tuple[FileStamp, ...]

MOST_NAME = 200  # bytes of a `safe_name`
_SETTLED = 10**9  # nanoseconds: two changes of a folder that follow each other at once may have the same time
_LOCK_ATTEMPTS = 5
_LOOKING = threading.Lock()  # one look of this process at a time, or two would take each other for a writer


def safe_name(*words: str) -> str:
    """Join words to a file name of letters, digits, dots and dashes: names of runs and files are other people's text.

    It has at most MOST_NAME bytes, which leaves room for a date before it or an ending behind it.

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


def runs_stamp(root: Path) -> Stamp:
    """Return the stamps of the records of all folders in `root`, by folder: another value once a run comes or goes."""
    changed = file_stamp(root)
    is_settled = time.time_ns() - changed[1] > _SETTLED
    folders = (_folders if is_settled else _folders.__wrapped__)(str(root), changed)
    return tuple((name, *file_stamp(record)[1:]) for name, record in folders)


@lru_cache(4)
def _folders(root: str, stamp: FileStamp) -> list[tuple[str, Path]]:
    """List name and record of each folder. A name that is no Unicode is no run's, and could not be hashed."""
    try:
        folders = sorted(entry.path for entry in os.scandir(root) if entry.is_dir())
    except OSError:
        return []
    return [(os.fsencode(folder).decode(errors="replace"), Path(folder) / RECORD) for folder in folders]


def open_array(file: Path) -> np.memmap:
    """Map an .npy file into memory, read-only. A damaged header makes NumPy raise anything, from EOFError on."""
    return np.lib.format.open_memmap(file, mode="r")


def write_atomically(file: Path, content: bytes) -> None:
    """Replace a file so that readers see the old content or the new, also after a power cut. Raises OSError."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def leftovers(run: Path) -> list[Path]:
    """List the temporary files of a writer that was killed; whoever holds the lock may remove them."""
    return [file for name in WRITTEN for file in run.glob(f".{name}.*") if file.suffix[1:].isdigit()]


def take_lock(run: Path) -> IO[str] | None:
    """Lock a run until what is returned is closed; None where another process holds it. Raises OSError."""
    lock = open(run / LOCK, "a")  # noqa: SIM115 (held open as long as the run is written)
    for _ in range(_LOCK_ATTEMPTS):
        if lock_descriptor(lock.fileno(), blocking=False):
            return lock
        time.sleep(0.05)  # perhaps it was only `is_locked`, which holds the lock for a moment
    lock.close()
    return None


def is_locked(run: Path) -> bool:
    """Tell whether a living process writes the run."""
    with suppress(OSError), _LOOKING, _open_lock(run / LOCK) as lock:
        if lock_descriptor(lock.fileno(), blocking=False):
            return False
        time.sleep(0.001)  # another process may look at the same moment: a writer holds the lock for longer
        return not lock_descriptor(lock.fileno(), blocking=False)
    return False


def _open_lock(file: Path) -> IO[str]:
    try:
        return open(file, "r+")  # over NFS, only what is open for writing can be locked
    except OSError:  # somebody else's run
        return open(file)
