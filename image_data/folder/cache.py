"""Decoded folders under <data_dir>/cache/<key>/: written once, atomically, then memory-mapped.

An entry holds `train.npy` and `test.npy`, or one of them (uint8 N×S×S×3), and `entry.json` (fingerprints, and
the files that were left out). The key comes from the state of the files, so an entry is never updated: other files
have another key. The folder may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.decode import decoder_state
from sightline.image_data.folder.decoding_pool import Batch, Failure
from sightline.image_data.folder.listing import FolderListing
from sightline.image_data.splits import content_fingerprint

_FORMAT = 1  # of an entry; rises when older entries can no longer be read
_UNFINISHED = ".building-"
_ABANDONED_SECONDS = 24 * 3600  # an unfinished entry this old belongs to a process that was killed


@dataclass(frozen=True, eq=False)
class DecodedSplit:
    """The images of a split that could be read, and why the others could not."""

    images: NDArray[np.uint8]  # N×S×S×3, in the order of the listing, without the broken ones
    broken: dict[int, Failure]  # position in the listing → reason
    bits: dict[int, int]  # position in the listing → bits used, where a file of 16 bits uses only the lowest few
    fingerprint: str


DecodedFolder = dict[str, DecodedSplit]


def entry_folder(cache: Path, listing: FolderListing, image_size: int) -> Path:
    """Return where the entry of these files at this size lies. Another decoder may give other pixels."""
    state = f"{_FORMAT} {decoder_state()} {image_size} {listing.state}"
    return cache / sha256(state.encode()).hexdigest()[:32]


def read_entry(entry: Path, listing: FolderListing) -> DecodedFolder | None:
    """Return the decoded images, memory-mapped; None if there is no such entry or it is damaged."""
    try:
        record = json.loads((entry / "entry.json").read_bytes())
        decoded = {split: _read_split(entry, split, record[split], listing) for split in listing.files}
    except Exception:  # whatever is wrong with it, it is built again
        return None
    # What the file system refused then, it may allow now.
    refused = any(failure.is_refused for split in listing.files for failure in decoded[split].broken.values())
    return None if refused else decoded


def _read_split(entry: Path, split: str, record: dict[str, Any], listing: FolderListing) -> DecodedSplit:
    broken = {int(position): Failure(*failure) for position, failure in record["broken"].items()}
    bits = {int(position): int(count) for position, count in record["bits"].items()}
    file = entry / f"{split}.npy"
    images = np.lib.format.open_memmap(file, mode="r")
    side = record["image_size"]
    if images.dtype != np.uint8 or images.shape != (len(listing.files[split]) - len(broken), side, side, 3):
        raise ValueError("the entry holds other images")
    decoded = DecodedSplit(np.asarray(images), broken, bits, record["fingerprint"])
    # Somebody wrote to the file, or copied it: only its content can tell whether it is still right.
    if file.stat().st_mtime_ns != record["mtime_ns"] and _fingerprint(decoded, split, listing) != decoded.fingerprint:
        raise ValueError("the entry was changed")
    return decoded


def build_entry(
    entry: Path, listing: FolderListing, image_size: int, batches: Iterator[tuple[str, Batch]]
) -> DecodedFolder:
    """Write an entry from the decoded batches of the splits, and return it memory-mapped.

    Several processes may build the same entry: each writes a folder of its own, and one gets the name.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(entry.parent)
    unfinished = entry.parent / f"{_UNFINISHED}{os.getpid()}-{secrets.token_hex(4)}"
    unfinished.mkdir()
    try:
        decoded = _write_images(unfinished, listing, image_size, batches)
        record = {split: _record(unfinished / f"{split}.npy", decoded[split], image_size) for split in listing.files}
        (unfinished / "entry.json").write_text(json.dumps(record), encoding="utf-8")
        _publish(unfinished, entry, listing)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return decoded


def _record(file: Path, decoded: DecodedSplit, image_size: int) -> dict[str, Any]:
    return {
        "image_size": image_size,
        "fingerprint": decoded.fingerprint,
        "mtime_ns": file.stat().st_mtime_ns,
        "broken": decoded.broken,
        "bits": decoded.bits,
    }


def _write_images(
    folder: Path, listing: FolderListing, image_size: int, batches: Iterator[tuple[str, Batch]]
) -> DecodedFolder:
    # Written as a stream, not through a memory map: a full disk is then an error, not a killed process.
    broken: dict[str, dict[int, Failure]] = {split: {} for split in listing.files}
    bits: dict[str, dict[int, int]] = {split: {} for split in listing.files}
    kept = dict.fromkeys(listing.files, 0)
    with contextlib.ExitStack() as stack:
        outputs = {split: stack.enter_context(open(folder / f"{split}.npy", "wb")) for split in listing.files}
        for split in listing.files:
            outputs[split].write(_npy_header(0, image_size))
        for split, batch in batches:
            first = kept[split] + len(broken[split])
            broken[split].update({first + position: failure for position, failure in batch.failures.items()})
            bits[split].update({first + position: count for position, count in batch.bits.items()})
            kept[split] += len(batch.images)
            outputs[split].write(batch.images.data)
        for split in listing.files:
            outputs[split].seek(0)
            outputs[split].write(_npy_header(kept[split], image_size))
    decoded = {}
    for split in listing.files:
        images = np.asarray(np.lib.format.open_memmap(folder / f"{split}.npy", mode="r"))
        unnamed = DecodedSplit(images, broken[split], bits[split], fingerprint="")
        decoded[split] = replace(unnamed, fingerprint=_fingerprint(unnamed, split, listing))
    return decoded


def _npy_header(count: int, image_size: int) -> bytes:
    """Return a header of the same length for every count: NumPy leaves room for the first axis to grow."""
    header = io.BytesIO()
    layout = {"descr": "|u1", "fortran_order": False, "shape": (count, image_size, image_size, 3)}
    np.lib.format.write_array_header_1_0(header, layout)
    return header.getvalue()


def _publish(unfinished: Path, entry: Path, listing: FolderListing) -> None:
    try:
        os.rename(unfinished, entry)
    except OSError:
        if read_entry(entry, listing) is not None:  # another process was faster
            return
        # A damaged entry is in the way. Moved aside first: removing it in place would take a while.
        aside = entry.parent / f"{_UNFINISHED}{os.getpid()}-{secrets.token_hex(4)}"
        aside.mkdir()
        with contextlib.suppress(FileNotFoundError):
            os.rename(entry, aside / "damaged")
        with contextlib.suppress(OSError):  # now another process was faster: its entry is as good
            os.rename(unfinished, entry)
        shutil.rmtree(aside, ignore_errors=True)


def _remove_abandoned(cache: Path) -> None:
    for folder in cache.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def decode_in_memory(listing: FolderListing, batches: Iterator[tuple[str, Batch]]) -> DecodedFolder:
    """Return what `build_entry` does, where nothing can be written."""
    images: dict[str, list[NDArray[np.uint8]]] = {split: [] for split in listing.files}
    broken: dict[str, dict[int, Failure]] = {split: {} for split in listing.files}
    bits: dict[str, dict[int, int]] = {split: {} for split in listing.files}
    kept = dict.fromkeys(listing.files, 0)
    for split, batch in batches:
        first = kept[split] + len(broken[split])
        broken[split].update({first + position: failure for position, failure in batch.failures.items()})
        bits[split].update({first + position: count for position, count in batch.bits.items()})
        kept[split] += len(batch.images)
        images[split].append(batch.images)
    decoded = {}
    for split in listing.files:
        unnamed = DecodedSplit(np.concatenate(images[split]), broken[split], bits[split], fingerprint="")
        decoded[split] = replace(unnamed, fingerprint=_fingerprint(unnamed, split, listing))
    return decoded


def kept_labels(listing: FolderListing, split: str, broken: dict[int, Failure]) -> NDArray[np.int64]:
    """Return the labels of the images that could be read."""
    return np.delete(listing.labels[split], list(broken)) if broken else listing.labels[split]


def _fingerprint(decoded: DecodedSplit, split: str, listing: FolderListing) -> str:
    labels = kept_labels(listing, split, decoded.broken)
    return content_fingerprint(decoded.images, labels, listing.class_names)
