"""Load the images of a listing from their files: decoded once, then cached."""

from __future__ import annotations

import errno
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.folder import cache as folder_cache
from sightline.image_data.folder.decoded import (
    Batches,
    DecodedFolder,
    decode_in_memory,
    decoded_bytes,
    kept_labels,
    kept_paths,
)
from sightline.image_data.folder.decoding_pool import DecodingPool
from sightline.image_data.folder.listing import FolderListing
from sightline.image_data.folder.passed_over import summarise
from sightline.image_data.folder.room import NoRoomError, make_room
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.splits import DataError, ImageSplit, Progress

IN_MEMORY_BYTES = 2**28  # of decoded images that cannot be cached: 1,783 of 224×224, or all of CIFAR-10
FULL = (errno.ENOSPC, errno.EDQUOT)


def load_files(
    listing: FolderListing,
    image_size: int,
    cache: Path,
    *,
    resize: Resize = CROP,
    strict: bool = False,
    progress: Progress | None = None,
) -> tuple[dict[str, ImageSplit], tuple[str, ...]]:
    """Load the splits of a listing, and sentences for the user to be warned with.

    The images are decoded once, then read from `cache` as long as no file changes.

    Args:
        image_size, resize: every image becomes image_size × image_size pixels, by this rule.
        cache: made if it is missing. What does not fit (see `room`), or cannot be written, is decoded into memory
            if it is small (`IN_MEMORY_BYTES`), else whenever its rows are asked for, with a warning.
        strict: refuse images that are broken, or that would be passed over, instead of leaving them out with a warning.
        progress: called while images are decoded.

    Raises:
        DataError: a class has no readable image (to evaluate, without "train": no class has one), `strict` is set and
            an image would be left out, or the disk became full.
    """
    passed_over = listing.passed_over.sentences()
    if passed_over and strict:
        raise DataError(f"{passed_over} Convert, move or remove them, or leave out strict.")
    entry = folder_cache.entry_folder(cache, listing, image_size, resize)
    sentences: list[str] = []
    decoded = folder_cache.read_entry(entry, listing)
    if decoded is None:
        decoded, sentences = _decode(entry, listing, image_size, resize, progress)
    broken = _broken_sentence(listing, decoded)
    if broken and strict:
        raise DataError(f"{broken} Mend or remove them, or leave out strict.")
    labels = {split: kept_labels(listing, split, decoded[split].findings) for split in listing.files}
    counts = {split: np.bincount(labels[split], minlength=len(listing.class_names)).tolist() for split in labels}
    listing.refuse_empty_classes(counts, broken)
    if broken:
        sentences.append(f"{broken} They were left out.")
    sentences += filter(None, (*listing.notes, passed_over, _bits_sentence(listing, decoded)))
    return {split: _image_split(listing, decoded, split, labels[split]) for split in labels}, tuple(sentences)


def _decode(
    entry: Path, listing: FolderListing, image_size: int, resize: Resize, progress: Progress | None
) -> tuple[DecodedFolder, list[str]]:
    """Decode all images into the cache; where they cannot be kept there, say why, and keep them otherwise or not."""
    cache, size = entry.parent, decoded_bytes(listing, image_size)
    with DecodingPool(_total(listing)) as pool, warnings.catch_warnings():
        # What matters of Pillow's warnings is in ours; the rest is about metadata.
        warnings.filterwarnings("ignore", module="PIL")
        batches = _batches(pool, listing, image_size, resize, progress)
        try:
            make_room(cache, size)
            return folder_cache.build_entry(entry, listing, image_size, batches), []
        except NoRoomError as error:
            reason, remedy = error.args
        except OSError as error:
            reason = error.strerror or str(error)
            remedy = "make it writable, or set SIGHTLINE_DATA to one that is"
            if error.errno in FULL:
                raise DataError(
                    f"The disk of {cache} became full ({reason}) while images were decoded; make room, set "
                    "SIGHTLINE_DATA to a folder on a larger disk, or SIGHTLINE_CACHE_GB=0 to keep none of them."
                ) from error
            batches = _batches(pool, listing, image_size, resize, progress)
        if size <= IN_MEMORY_BYTES:
            decoded, outcome = decode_in_memory(listing, batches), "every start decodes them again"
        else:
            outcome = "they are decoded each time they are needed, which is slower"
            decoded = folder_cache.read_checked(entry, listing, image_size, resize) or folder_cache.check_entry(
                entry, listing, image_size, batches, resize
            )
    return decoded, [f"The decoded images could not be kept in {cache} ({reason}), so that {outcome}; {remedy}."]


def _batches(
    pool: DecodingPool, listing: FolderListing, image_size: int, resize: Resize, progress: Progress | None
) -> Batches:
    done, total = 0, _total(listing)
    for split in listing.files:
        for batch in pool.decode(listing.absolute(split), image_size, resize):
            done += len(batch.images) + len(batch.failures)
            if progress:
                progress(done, total)
            yield split, batch


def _image_split(listing: FolderListing, decoded: DecodedFolder, split: str, labels: NDArray[np.int64]) -> ImageSplit:
    paths = kept_paths(listing, split, decoded[split].findings)
    return ImageSplit(decoded[split].images, labels, listing.class_names, decoded[split].fingerprint, paths=paths)


def _broken_sentence(listing: FolderListing, decoded: DecodedFolder) -> str:
    named = [
        f"{listing.files[split][position]} ({failure.reason})"
        for split in listing.files
        for position, failure in sorted(decoded[split].findings.broken.items())
    ]
    if not named:
        return ""
    return f"{len(named):,} of {_total(listing):,} images could not be read: {summarise(named)}."


def _bits_sentence(listing: FolderListing, decoded: DecodedFolder) -> str:
    """Announce images that look dark; stretched one by one, they could not be compared."""
    named = [
        listing.files[split][position] for split in listing.files for position in sorted(decoded[split].findings.bits)
    ]
    if not named:
        return ""
    bits = max(bits for split in decoded.values() for bits in split.findings.bits.values())
    return (
        f"{len(named):,} of {_total(listing):,} images have 16 bits a channel and use values up to {2**bits - 1:,} "
        f"of 65,535 only, so that they look dark: {summarise(named)}. If they hold {bits} bits, save them again "
        f"with all values multiplied by {2 ** (16 - bits)}."
    )


def _total(listing: FolderListing) -> int:
    return sum(map(len, listing.files.values()))
