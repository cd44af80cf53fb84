"""Load images in folders: DIR/train/<class>/* and DIR/test/<class>/*."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.folder import cache as folder_cache
from sightline.image_data.folder.cache import DecodedFolder
from sightline.image_data.folder.decoding_pool import Batch, DecodingPool
from sightline.image_data.folder.listing import FolderListing, list_folder
from sightline.image_data.folder.passed_over import summarise
from sightline.image_data.splits import SPLITS, DataError, ImageSplit, Progress


def load_folder(
    folder: Path,
    image_size: int,
    cache: Path,
    splits: Sequence[str] = SPLITS,
    *,
    strict: bool = False,
    progress: Progress | None = None,
) -> tuple[dict[str, ImageSplit], tuple[str, ...]]:
    """Load splits of a folder of images, and sentences for the user to be warned with.

    The images are decoded once, then read from `cache` as long as no file changes.

    Args:
        folder: holds train/<class>/ and test/<class>/ with images directly in them.
        image_size: every image becomes image_size × image_size pixels.
        cache: made if it is missing. If it cannot be written, every call decodes anew, with a warning.
        splits: which; the others need not be there.
        strict: refuse images that are broken, or that would be passed over, instead of leaving them out with a warning.
        progress: called while images are decoded.

    Raises:
        DataError: the folder is missing or not laid out like this, a class has no readable image (to evaluate, without
            "train": no class has one), or `strict` is set and an image would be left out.
    """
    listing = list_folder(folder, splits)
    passed_over = listing.passed_over.sentences()
    if passed_over and strict:
        raise DataError(f"{passed_over} Convert, move or remove them, or leave out strict.")
    entry = folder_cache.entry_folder(cache, listing, image_size)
    sentences: list[str] = []
    decoded = folder_cache.read_entry(entry, listing)
    if decoded is None:
        decoded, sentences = _decode(entry, listing, image_size, progress)
    broken = _broken_sentence(listing, decoded)
    if broken and strict:
        raise DataError(f"{broken} Mend or remove them, or leave out strict.")
    labels = {split: folder_cache.kept_labels(listing, split, decoded[split].broken) for split in splits}
    counts = {split: np.bincount(labels[split], minlength=len(listing.class_names)).tolist() for split in splits}
    listing.refuse_empty_classes(counts, broken)
    if broken:
        sentences.append(f"{broken} They were left out.")
    sentences += filter(None, (passed_over, _bits_sentence(listing, decoded)))
    return {split: _image_split(listing, decoded, split, labels[split]) for split in splits}, tuple(sentences)


def _decode(
    entry: Path, listing: FolderListing, image_size: int, progress: Progress | None
) -> tuple[DecodedFolder, list[str]]:
    """Decode all images into the cache, or into memory where it cannot be written."""
    files = {split: listing.absolute(split) for split in listing.files}
    total = sum(map(len, files.values()))

    def batches() -> Iterator[tuple[str, Batch]]:
        done = 0
        for split in listing.files:
            for batch in pool.decode(files[split], image_size):
                done += len(batch.images) + len(batch.failures)
                if progress:
                    progress(done, total)
                yield split, batch

    with DecodingPool(total) as pool, warnings.catch_warnings():
        # What matters of Pillow's warnings is in ours; the rest is about metadata.
        warnings.filterwarnings("ignore", module="PIL")
        try:
            return folder_cache.build_entry(entry, listing, image_size, batches()), []
        except OSError as error:
            sentence = (
                f"The decoded images could not be kept in {entry.parent} ({error.strerror or error}), so "
                "that every start decodes them again; make it writable, or set SIGHTLINE_DATA to one that is."
            )
            return folder_cache.decode_in_memory(listing, batches()), [sentence]


def _image_split(listing: FolderListing, decoded: DecodedFolder, split: str, labels: NDArray[np.int64]) -> ImageSplit:
    broken = decoded[split].broken
    paths = listing.absolute(split)
    if broken:
        paths = [path for position, path in enumerate(paths) if position not in broken]
    return ImageSplit(
        decoded[split].images, labels, listing.class_names, decoded[split].fingerprint, paths=tuple(paths)
    )


def _broken_sentence(listing: FolderListing, decoded: DecodedFolder) -> str:
    named = [
        f"{listing.files[split][position]} ({failure.reason})"
        for split in listing.files
        for position, failure in sorted(decoded[split].broken.items())
    ]
    if not named:
        return ""
    return f"{len(named):,} of {_total(listing):,} images could not be read: {summarise(named)}."


def _bits_sentence(listing: FolderListing, decoded: DecodedFolder) -> str:
    """Announce images that look dark; stretched one by one, they could not be compared."""
    named = [listing.files[split][position] for split in listing.files for position in sorted(decoded[split].bits)]
    if not named:
        return ""
    bits = max(max(decoded[split].bits.values(), default=0) for split in listing.files)
    return (
        f"{len(named):,} of {_total(listing):,} images have 16 bits a channel and use values up to {2**bits - 1:,} "
        f"of 65,535 only, so that they look dark: {summarise(named)}. If they hold {bits} bits, save them again "
        f"with all values multiplied by {2 ** (16 - bits)}."
    )


def _total(listing: FolderListing) -> int:
    return sum(map(len, listing.files.values()))
