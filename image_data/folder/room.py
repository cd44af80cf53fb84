"""Room for decoded folders: how much there is, which entries go first, and which stay because they are in use."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from filelock import lock_descriptor

from sightline.image_data.splits import DataError

LIMIT_GB = 50.0  # 330,000 images of 224×224; ImageNet (193 GB) is better asked for than found on a disk that is full
SPARE_BYTES = 10**9  # left on the disk for the run that follows
_UNFINISHED = ".building-"
_ABANDONED_SECONDS = 24 * 3600  # what is unfinished and this old belongs to a process that was killed
_ENTRY = re.compile(r"[0-9a-f]{32}")
_IN_USE = ".in-use-"


class NoRoomError(Exception):
    """Half a sentence: why the images do not fit into the cache, and what can be done about it."""


@dataclass(frozen=True)
class _Entry:
    folder: Path
    size: int  # bytes
    used: int  # when it was last opened, nanoseconds


def make_room(cache: Path, size: int) -> None:
    """Make room for `size` more bytes in the cache and on its disk: the entries that were used longest ago go.

    None goes that a living process uses, and none in vain.

    Raises:
        NoRoomError: there is too little room, even so.
        DataError: SIGHTLINE_CACHE_GB is no number.
    """
    _remove_abandoned(cache)
    limit, free = _limit(), _free_bytes(cache)
    entries = [_measure(folder) for folder in cache.glob("*/")]
    taken = sum(entry.size for entry in entries)
    removable = [entry for entry in entries if _ENTRY.fullmatch(entry.folder.name) and not _is_used(entry.folder)]
    removable.sort(key=lambda entry: entry.used)
    freed = sum(entry.size for entry in removable)
    if size > limit - taken + freed:
        others = f", of which {_gb(taken - freed)} are in use" if taken > freed else ""
        raise NoRoomError(
            f"they take {_gb(size)}, and the cache may hold {_gb(limit)}{others}",
            "set SIGHTLINE_CACHE_GB to a larger number",
        )
    if size > free + freed:
        raise NoRoomError(
            f"they take {_gb(size)}, and its disk has {_gb(max(0, free + freed))} to spare",
            "make room, or set SIGHTLINE_DATA to a folder on a larger disk",
        )
    lacking = size - min(limit - taken, free)
    for entry in removable:
        if lacking <= 0:
            break
        with contextlib.suppress(OSError):
            discard(entry.folder)
        lacking -= entry.size


def keep_while_used(entry: Path, images: np.memmap) -> None:
    """Keep an entry, used now, from making room for others as long as this process has its `images`."""
    with contextlib.suppress(OSError):  # a cache of somebody else, which this process may only read
        os.utime(entry)
        weakref.finalize(images, let_go, hold(entry))


def hold(folder: Path) -> IO[str]:
    """Lock a folder, finished or not, as in use until this process lets go of what is returned, or ends."""
    lock = open(folder / f"{_IN_USE}{secrets.token_hex(8)}", "x")  # noqa: SIM115 (held as long as it is used)
    with contextlib.suppress(OSError):  # a file system without locks: no other process can tell, and none removes it
        lock_descriptor(lock.fileno(), blocking=False)
    return lock


def let_go(lock: IO[str]) -> None:
    """Undo `hold`."""
    lock.close()
    with contextlib.suppress(OSError):
        os.unlink(lock.name)


def _is_used(folder: Path) -> bool:
    """Tell whether a living process holds one of the locks; those of processes that were killed are nobody's."""
    for file in folder.glob(f"{_IN_USE}*"):
        try:
            with open(file, "r+") as lock:
                if not lock_descriptor(lock.fileno(), blocking=False):
                    return True
        except FileNotFoundError:  # let go meanwhile
            continue
        except OSError:  # of somebody else
            return True
    return False


def _measure(folder: Path) -> _Entry:
    size = used = 0
    with contextlib.suppress(OSError):  # it may go meanwhile
        used = folder.stat().st_mtime_ns
        size = sum(file.stat().st_size for file in folder.iterdir())
    return _Entry(folder, size, used)


def unfinished_folder(cache: Path) -> Path:
    """Make the folder in which an entry is built, or waits for its removal; a process that is killed leaves it."""
    folder = cache / f"{_UNFINISHED}{os.getpid()}-{secrets.token_hex(4)}"
    folder.mkdir()
    return folder


def discard(entry: Path) -> None:
    """Remove an entry, or what lies in its place. Moved aside first: removing it takes a while."""
    aside = unfinished_folder(entry.parent)
    with contextlib.suppress(FileNotFoundError):
        os.rename(entry, aside / "entry")
    shutil.rmtree(aside, ignore_errors=True)


def _remove_abandoned(cache: Path) -> None:
    for folder in cache.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):
            was_held, age = any(folder.glob(f"{_IN_USE}*")), time.time() - folder.stat().st_mtime
            if not _is_used(folder) and (was_held or age > _ABANDONED_SECONDS):
                shutil.rmtree(folder, ignore_errors=True)


def _limit() -> int:
    """Return the bytes that the cache may hold."""
    words = os.environ.get("SIGHTLINE_CACHE_GB") or str(LIMIT_GB)
    try:
        limit = float(words)
        if limit >= 0:
            return int(min(limit, 1e9) * 1e9)
    except ValueError:
        pass
    raise DataError(f"SIGHTLINE_CACHE_GB must be a number of gigabytes, 0 or more, not {words!r}.")


def _free_bytes(folder: Path) -> int:
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free - SPARE_BYTES


def _gb(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
