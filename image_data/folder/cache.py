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
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from sightline.image_data.decode import decoder_state
from sightline.image_data.folder.decoded import (
    Batches,
    DecodedFolder,
    DecodedSplit,
    Findings,
    decoded_bytes,
    decoded_split,
    kept_paths,
    take,
)
from sightline.image_data.folder.file_images import FileImages
from sightline.image_data.folder.listing import FolderListing
from sightline.image_data.folder.room import discard, hold, keep_while_used, let_go, unfinished_folder
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.splits import fingerprint_before_pixels

_FORMAT = 1  # of an entry; rises when older entries can no longer be read


def entry_folder(cache: Path, listing: FolderListing, image_size: int, resize: Resize = CROP) -> Path:
    """Return where the entry of these files at this size lies. Another decoder may give other pixels."""
    how = f"{image_size}" if resize == CROP else f"{image_size} {resize}"  # entries of CROP from before stay valid
    state = f"{_FORMAT} {decoder_state()} {how} {listing.state}"
    return cache / sha256(state.encode()).hexdigest()[:32]


def read_entry(entry: Path, listing: FolderListing) -> DecodedFolder | None:
    """Return the decoded images, memory-mapped; None if there is no such entry or it is damaged."""
    return _read(entry / "entry.json", listing, lambda split, record: _read_split(entry, split, record, listing))


def read_checked(entry: Path, listing: FolderListing, image_size: int, resize: Resize = CROP) -> DecodedFolder | None:
    """Return images that are decoded when they are asked for; None if `check_entry` has not seen them all."""

    def read(split: str, record: dict[str, Any]) -> DecodedSplit:
        findings = Findings.from_json(record)
        return DecodedSplit(_file_images(listing, split, findings, image_size, resize), findings, record["fingerprint"])

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
    failures = (failure for split in decoded.values() for failure in split.findings.broken.values())
    return None if any(failure.is_refused for failure in failures) else decoded


def _read_split(entry: Path, split: str, record: dict[str, Any], listing: FolderListing) -> DecodedSplit:
    findings, fingerprint = Findings.from_json(record), record["fingerprint"]
    file = entry / f"{split}.npy"
    mapped = np.lib.format.open_memmap(file, mode="r")
    side = record["image_size"]
    if mapped.dtype != np.uint8 or mapped.shape != (len(listing.files[split]) - len(findings.broken), side, side, 3):
        raise ValueError("the entry holds other images")
    images = np.asarray(mapped)
    # Somebody wrote to the file, or copied it: only its content can tell whether it is still right.
    is_touched = file.stat().st_mtime_ns != record["mtime_ns"]
    if is_touched and decoded_split(listing, split, images, findings).fingerprint != fingerprint:
        raise ValueError("the entry was changed")
    keep_while_used(entry, mapped)
    return DecodedSplit(images, findings, fingerprint)


def build_entry(entry: Path, listing: FolderListing, image_size: int, batches: Batches) -> DecodedFolder:
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
    return {"image_size": image_size, "fingerprint": decoded.fingerprint} | vars(decoded.findings)


def _write_images(folder: Path, listing: FolderListing, image_size: int, batches: Batches) -> DecodedFolder:
    # Written as a stream, not through a memory map: a full disk is then an error, not a killed process.
    with contextlib.ExitStack() as stack:
        outputs = {split: stack.enter_context(open(folder / f"{split}.npy", "wb")) for split in listing.files}
        for split, output in outputs.items():
            output.write(_npy_header(0, image_size))
            # As long as it will be: who looks for room meanwhile sees what is needed here.
            output.truncate(output.tell() + decoded_bytes(listing, image_size, split))
        findings = take(listing, batches, lambda split, images: outputs[split].write(images.data))
        for split, output in outputs.items():
            output.truncate()  # behind what was written
            output.seek(0)
            output.write(_npy_header(len(listing.files[split]) - len(findings[split].broken), image_size))
    decoded = {}
    for split in listing.files:
        images = np.asarray(np.lib.format.open_memmap(folder / f"{split}.npy", mode="r"))
        decoded[split] = decoded_split(listing, split, images, findings[split])
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
        discard(entry)  # a damaged one is in the way
        with contextlib.suppress(OSError):  # now another process was faster: its entry is as good
            os.rename(unfinished, entry)


def check_entry(
    entry: Path, listing: FolderListing, image_size: int, batches: Batches, resize: Resize = CROP
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
    findings = take(listing, batches, lambda split, images: hashes[split].update(images.data))
    decoded = {}
    for split, found in findings.items():
        images = _file_images(listing, split, found, image_size, resize)
        decoded[split] = DecodedSplit(images, found, hashes[split].hexdigest())
        if found.broken:  # the hash began with another number of images
            decoded[split] = decoded_split(listing, split, images, found)
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


def _file_images(listing: FolderListing, split: str, findings: Findings, image_size: int, resize: Resize) -> FileImages:
    return FileImages(kept_paths(listing, split, findings), image_size, resize)
