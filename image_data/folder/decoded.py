"""The decoded images of a folder, with what decoding them has shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data.folder.decoding_pool import Batch, Failure
from sightline.image_data.folder.listing import FolderListing
from sightline.image_data.images import Images
from sightline.image_data.splits import content_fingerprint

Batches = Iterator[tuple[str, Batch]]  # of each split in turn, in the order of the listing


@dataclass(frozen=True)
class Findings:
    """What decoding the files of a split has shown, by their position in the listing."""

    broken: dict[int, Failure] = field(default_factory=dict)
    """Why a file could not be read."""
    bits: dict[int, int] = field(default_factory=dict)
    """The bits used, where a file of 16 bits uses only the lowest few."""

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Findings:
        """Read what `asdict` became in JSON. Raises many kinds of Exception for anything else."""
        broken = {int(position): Failure(*failure) for position, failure in record["broken"].items()}
        return cls(broken, {int(position): int(count) for position, count in record["bits"].items()})


@dataclass(frozen=True, eq=False)
class DecodedSplit:
    """The images of a split that could be read."""

    images: Images  # uint8 N×S×S×3, in the order of the listing, without the broken ones
    findings: Findings
    fingerprint: str


DecodedFolder = dict[str, DecodedSplit]


def take(
    listing: FolderListing, batches: Batches, images: Callable[[str, NDArray[np.uint8]], object]
) -> dict[str, Findings]:
    """Hand the images of every batch on, with their split; return what was found in each split."""
    findings = {split: Findings() for split in listing.files}
    seen = dict.fromkeys(listing.files, 0)
    for split, batch in batches:
        findings[split].broken.update({seen[split] + position: why for position, why in batch.failures.items()})
        findings[split].bits.update({seen[split] + position: bits for position, bits in batch.bits.items()})
        seen[split] += len(batch.images) + len(batch.failures)
        images(split, batch.images)
    return findings


def decode_in_memory(listing: FolderListing, batches: Batches) -> DecodedFolder:
    """Return the images where nothing can be written."""
    images: dict[str, list[NDArray[np.uint8]]] = {split: [] for split in listing.files}
    findings = take(listing, batches, lambda split, batch: images[split].append(batch))
    return {split: decoded_split(listing, split, np.concatenate(images[split]), findings[split]) for split in images}


def decoded_split(listing: FolderListing, split: str, images: Images, findings: Findings) -> DecodedSplit:
    """Return a split with the fingerprint of its images, which are all looked at for it."""
    labels = kept_labels(listing, split, findings)
    return DecodedSplit(images, findings, content_fingerprint(images, labels, listing.class_names))


def kept_labels(listing: FolderListing, split: str, findings: Findings) -> NDArray[np.int64]:
    """Return the labels of the images that could be read."""
    return np.delete(listing.labels[split], list(findings.broken)) if findings.broken else listing.labels[split]


def kept_paths(listing: FolderListing, split: str, findings: Findings) -> tuple[str, ...]:
    """Return the absolute paths of the images that could be read."""
    return tuple(path for position, path in enumerate(listing.absolute(split)) if position not in findings.broken)


def decoded_bytes(listing: FolderListing, image_size: int, *splits: str) -> int:
    """Return how much the decoded images of splits, by default of all, take: bytes, where none is broken."""
    return sum(len(listing.files[split]) for split in splits or listing.files) * image_size**2 * 3
