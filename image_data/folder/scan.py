"""Look for the images of one class, in its folder or in those inside."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from hashlib import sha256

from sightline.image_data.folder.passed_over import PassedOver
from sightline.image_data.formats import ImageFormat, format_of_content, format_of_name, may_be_image
from sightline.image_data.split_names import NAMES
from sightline.image_data.splits import DataError

LAYOUT = "train/<class>/ and test/<class>/ with images in them"  # for messages; test/ alone will do to evaluate


@dataclass(frozen=True)
class ClassListing:
    """The images of a class, sorted by name; paths as in the listing."""

    relative: str  # its folder
    files: list[str]
    state: str  # SHA-256 of path, size and times of every file
    is_deep: bool  # its images lie in folders inside its folder


Found = list[tuple[str, int, int, int]]  # path relative to the class, size, and the times of change in nanoseconds


def list_class(root: str, relative: str, passed_over: PassedOver) -> ClassListing:
    """List the images of a class: those in its folder or, where there are none, in the folders inside.

    Raises DataError for a name that is not valid UTF-8, or a folder of a split inside; OSError.
    """
    found, folders = _scan(root, relative, "", passed_over)
    is_deep = not found and bool(folders)
    if is_deep:
        found = _scan_all(root, relative, folders, passed_over)
    else:
        passed_over.folders.extend(f"{relative}/{name}" for name in folders)
    found.sort()
    files = [f"{relative}/{name}" for name, *_ in found]
    refuse_foreign_name(*files)
    return ClassListing(relative, files, sha256(repr((relative, found)).encode()).hexdigest(), is_deep)


def _scan_all(root: str, relative: str, folders: list[str], passed_over: PassedOver) -> Found:
    """Return the images in these folders of a class, and in all inside them; links in a circle end."""
    found: Found = []
    seen, waiting = set(), list(folders)
    while waiting:
        inner = waiting.pop()
        if inner.lower() in (name for names in NAMES.values() for name in names):
            raise DataError(
                f"{relative} would be a class, but has a folder {inner}: give a folder that holds {LAYOUT}."
            )
        place = os.path.realpath(f"{root}/{relative}/{inner}")
        if place not in seen:
            seen.add(place)
            images, deeper = _scan(root, relative, f"{inner}/", passed_over)
            found += images
            waiting += deeper
    return found


def _scan(root: str, relative: str, inner: str, passed_over: PassedOver) -> tuple[Found, list[str]]:
    """Return the images that lie in a folder of a class, and the folders in it; `inner` ends in "/" or is empty."""
    found: Found = []
    folders = []
    with os.scandir(f"{root}/{relative}/{inner}") as entries:
        for entry in entries:
            name = inner + entry.name
            if entry.name[0] == ".":
                continue
            if entry.is_dir():
                folders.append(name)
                continue
            format = format_of_name(name) or _format_inside(entry)
            if format is None:
                passed_over.others[os.path.splitext(name)[1].lower() or "without an ending"] += 1
            elif not format.is_read:
                passed_over.add_image(format.name, f"{relative}/{name}")
            else:
                try:
                    status = entry.stat()
                except OSError:  # a link to nowhere: listed, so that it is named among the broken images
                    found.append((name, -1, 0, 0))
                    continue
                if not stat.S_ISREG(status.st_mode):  # a pipe would never end
                    passed_over.others["no file"] += 1
                    continue
                # The change time too: an archive unpacked over another may leave size and time as they were.
                found.append((name, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return found, folders


def _format_inside(entry: os.DirEntry[str]) -> ImageFormat | None:
    """Return the format of a file whose name says nothing; None for what is no image, no file, or may not be read."""
    try:
        if may_be_image(entry.name) and entry.is_file():
            with open(entry, "rb") as file:
                return format_of_content(file)
    except OSError:
        pass
    return None


def refuse_foreign_name(*paths: str) -> None:
    """Raise the DataError for a name that is not valid UTF-8: neither a predictions table nor a page could hold it."""
    try:
        for path in paths:
            path.encode()
    except UnicodeEncodeError:
        raise DataError(f"{ascii(path)} is not a valid name, because it is not UTF-8; rename it.") from None
