"""Decoded folders under <data_dir>/cache/<key>/: written once, atomically, then memory-mapped.

An entry holds `train.npy` and `test.npy`, or one of them (uint8 N×S×S×3), and `entry.json` (fingerprints, and
the files that were left out). The key comes from the state of the files, so an entry is never updated: other files
have another key. The folder may be deleted at any time.

Of images for which there is no room, <key>.json keeps what decoding them once has shown: the same as `entry.json`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.decode import decoder_state
from sightline.image_data.folder.decoding_pool import Batch, Failure
from sightline.image_data.folder.file_images import FileImages
from sightline.image_data.folder.listing import FolderListing
from sightline.image_data.folder.room import discard, hold, keep_while_used, let_go, unfinished_folder
from sightline.image_data.images import Images
from sightline.image_data.splits import content_fingerprint, fingerprint_before_pixels

_FORMAT = 1  # of an entry; rises when older entries can no longer be read


@dataclass(frozen=True, eq=False)
class DecodedSplit:
    """The images of a split that could be read, and why the others could not."""

    images: Images  # uint8 N×S×S×3, in the order of the listing, without the broken ones
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
    return _read(entry / "entry.json", listing, lambda split, record: _read_split(entry, split, record, listing))


def read_checked(entry: Path, listing: FolderListing, image_size: int) -> DecodedFolder | None:
    """Return images that are decoded when they are asked for; None if `check_entry` has not seen them all."""

    def read(split: str, record: dict[str, Any]) -> DecodedSplit:
        return _decoded_when_asked(listing, split, _broken(record), _bits(record), image_size, record["fingerprint"])

    return _read(entry.with_suffix(".json"), listing, read)


def _read(
    file: Path, listing: FolderListing, read_split: Callable[[str, dict[str, Any]], DecodedSplit]
) -> DecodedFolder | None:
    try:
        record = json.loads(file.read_bytes())
        decoded = {split: read_split(split, record[split]) for split in listing.files}
    except Exception:  # whatever is wrong with it, it is built again
        return None
    # What the file system refused then, it may allow now.
    refused = any(failure.is_refused for split in listing.files for failure in decoded[split].broken.values())
    return None if refused else decoded


def _read_split(entry: Path, split: str, record: dict[str, Any], listing: FolderListing) -> DecodedSplit:
    broken = _broken(record)
    file = entry / f"{split}.npy"
    images = np.lib.format.open_memmap(file, mode="r")
    side = record["image_size"]
    if images.dtype != np.uint8 or images.shape != (len(listing.files[split]) - len(broken), side, side, 3):
        raise ValueError("the entry holds other images")
    decoded = DecodedSplit(np.asarray(images), broken, _bits(record), record["fingerprint"])
    # Somebody wrote to the file, or copied it: only its content can tell whether it is still right.
    if file.stat().st_mtime_ns != record["mtime_ns"] and _fingerprint(decoded, split, listing) != decoded.fingerprint:
        raise ValueError("the entry was changed")
    keep_while_used(entry, images)
    return decoded


def _broken(record: dict[str, Any]) -> dict[int, Failure]:
    return {int(position): Failure(*failure) for position, failure in record["broken"].items()}


def _bits(record: dict[str, Any]) -> dict[int, int]:
    return {int(position): int(count) for position, count in record["bits"].items()}


def build_entry(
    entry: Path, listing: FolderListing, image_size: int, batches: Iterator[tuple[str, Batch]]
) -> DecodedFolder:
    """Write an entry from the decoded batches of the splits, and return it memory-mapped.

    Several processes may build the same entry: each writes a folder of its own, and one gets the name.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    unfinished = unfinished_folder(entry.parent)
    lock = hold(unfinished)
    try:
        decoded = _write_images(unfinished, listing, image_size, batches)
        record = {
            split: _record(decoded[split], image_size) | {"mtime_ns": (unfinished / f"{split}.npy").stat().st_mtime_ns}
            for split in listing.files
        }
        (unfinished / "entry.json").write_text(json.dumps(record), encoding="utf-8")
        let_go(lock)
        _publish(unfinished, entry, listing)
    finally:
        let_go(lock)
        shutil.rmtree(unfinished, ignore_errors=True)
    return read_entry(entry, listing) or decoded


def _record(decoded: DecodedSplit, image_size: int) -> dict[str, Any]:
    return {
        "image_size": image_size,
        "fingerprint": decoded.fingerprint,
        "broken": decoded.broken,
        "bits": decoded.bits,
    }


def _write_images(
    folder: Path, listing: FolderListing, image_size: int, batches: Iterator[tuple[str, Batch]]
) -> DecodedFolder:
    # Written as a stream, not through a memory map: a full disk is then an error, not a killed process.
    with contextlib.ExitStack() as stack:
        outputs = {split: stack.enter_context(open(folder / f"{split}.npy", "wb")) for split in listing.files}
        for split, output in outputs.items():
            output.write(_npy_header(0, image_size))
            # As long as it will be: who looks for room meanwhile sees what is needed here.
            output.truncate(output.tell() + decoded_bytes(listing, image_size, split))
        broken, bits = _take(listing, batches, lambda split, images: outputs[split].write(images.data))
        for split, output in outputs.items():
            output.truncate()  # behind what was written
            output.seek(0)
            output.write(_npy_header(len(listing.files[split]) - len(broken[split]), image_size))
    decoded = {}
    for split in listing.files:
        images = np.asarray(np.lib.format.open_memmap(folder / f"{split}.npy", mode="r"))
        decoded[split] = _with_fingerprint(images, split, broken[split], bits[split], listing)
    return decoded


def _take(
    listing: FolderListing, batches: Iterator[tuple[str, Batch]], images: Callable[[str, NDArray[np.uint8]], object]
) -> tuple[dict[str, dict[int, Failure]], dict[str, dict[int, int]]]:
    """Hand the images of every batch on; return the failures and the bits of each split, by position in the listing."""
    broken: dict[str, dict[int, Failure]] = {split: {} for split in listing.files}
    bits: dict[str, dict[int, int]] = {split: {} for split in listing.files}
    seen = dict.fromkeys(listing.files, 0)
    for split, batch in batches:
        broken[split].update({seen[split] + position: failure for position, failure in batch.failures.items()})
        bits[split].update({seen[split] + position: count for position, count in batch.bits.items()})
        seen[split] += len(batch.images) + len(batch.failures)
        images(split, batch.images)
    return broken, bits


def decoded_bytes(listing: FolderListing, image_size: int, *splits: str) -> int:
    """Return how much the decoded images of splits, by default of all, take: bytes, where none is broken."""
    return sum(len(listing.files[split]) for split in splits or listing.files) * image_size**2 * 3


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
        discard(entry)  # a damaged one is in the way
        with contextlib.suppress(OSError):  # now another process was faster: its entry is as good
            os.rename(unfinished, entry)


def decode_in_memory(listing: FolderListing, batches: Iterator[tuple[str, Batch]]) -> DecodedFolder:
    """Return what `build_entry` does, where nothing can be written."""
    images: dict[str, list[NDArray[np.uint8]]] = {split: [] for split in listing.files}
    broken, bits = _take(listing, batches, lambda split, batch: images[split].append(batch))
    return {
        split: _with_fingerprint(np.concatenate(images[split]), split, broken[split], bits[split], listing)
        for split in listing.files
    }


def check_entry(
    entry: Path, listing: FolderListing, image_size: int, batches: Iterator[tuple[str, Batch]]
) -> DecodedFolder:
    """Decode all images once, for the fingerprint and to find the broken ones; they are decoded again when asked for.

    What was found is kept for the next time, where it can be written.
    """
    hashes = {
        split: fingerprint_before_pixels(
            (len(files), image_size, image_size, 3), listing.labels[split], listing.class_names
        )
        for split, files in listing.files.items()
    }
    broken, bits = _take(listing, batches, lambda split, images: hashes[split].update(images.data))
    decoded = {}
    for split in listing.files:
        found = _decoded_when_asked(listing, split, broken[split], bits[split], image_size, hashes[split].hexdigest())
        if broken[split]:  # the hash began with another number of images
            found = _with_fingerprint(found.images, split, broken[split], bits[split], listing)
        decoded[split] = found
    with contextlib.suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        unfinished = unfinished_folder(entry.parent)
        try:
            record = {split: _record(decoded[split], image_size) for split in listing.files}
            (unfinished / "entry.json").write_text(json.dumps(record), encoding="utf-8")
            os.replace(unfinished / "entry.json", entry.with_suffix(".json"))
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return decoded


def _decoded_when_asked(
    listing: FolderListing,
    split: str,
    broken: dict[int, Failure],
    bits: dict[int, int],
    image_size: int,
    fingerprint: str,
) -> DecodedSplit:
    return DecodedSplit(FileImages(kept_paths(listing, split, broken), image_size), broken, bits, fingerprint)


def kept_labels(listing: FolderListing, split: str, broken: dict[int, Failure]) -> NDArray[np.int64]:
    """Return the labels of the images that could be read."""
    return np.delete(listing.labels[split], list(broken)) if broken else listing.labels[split]


def kept_paths(listing: FolderListing, split: str, broken: dict[int, Failure]) -> tuple[str, ...]:
    """Return the absolute paths of the images that could be read."""
    return tuple(path for position, path in enumerate(listing.absolute(split)) if position not in broken)


def _with_fingerprint(
    images: Images, split: str, broken: dict[int, Failure], bits: dict[int, int], listing: FolderListing
) -> DecodedSplit:
    decoded = DecodedSplit(images, broken, bits, fingerprint="")
    return replace(decoded, fingerprint=_fingerprint(decoded, split, listing))


def _fingerprint(decoded: DecodedSplit, split: str, listing: FolderListing) -> str:
    labels = kept_labels(listing, split, decoded.broken)
    return content_fingerprint(decoded.images, labels, listing.class_names)
