"""Pixels and labels: `load_image_data` turns the name of a data set into two splits of uint8 images."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from sightline.image_data.decode import decode_image
from sightline.image_data.splits import DataError, ImageData, ImageSplit, content_fingerprint, hold_out

__all__ = [
    "DataError",
    "ImageData",
    "ImageSplit",
    "content_fingerprint",
    "decode_image",
    "hold_out",
    "load_image_data",
    "load_test_split",
]

CHOICES = "planted-shapes, planted-shapes:honest, planted-shapes:shortcut, cifar10, folder:DIR"

Progress = Callable[[int, int], None]


def load_image_data(
    dataset: str,
    *,
    image_size: int | None = None,
    data_dir: Path | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> ImageData:
    """Load a data set by its name on the command line.

    Args:
        dataset: `planted-shapes` (the honest variant), `planted-shapes:honest`, `planted-shapes:shortcut`,
            `cifar10` or `folder:DIR`.
        image_size: side in pixels that the images of a folder are brought to, required for a folder, 8–1024.
            Planted shapes and CIFAR-10 are 32 pixels wide, always.
        data_dir: where CIFAR-10 lies or is downloaded to, and where decoded folders are cached; by default
            the environment variable SIGHTLINE_DATA, else `.data`.
        strict: refuse a folder with broken images instead of leaving them out with a warning.
        progress: called as `progress(done, total)` while the images of a folder are decoded.

    Raises:
        DataError: the name is unknown, or the data cannot be had; the sentence says what to do.
    """
    data_dir = data_dir or Path(os.environ.get("SIGHTLINE_DATA") or ".data")
    kind, _, argument = dataset.partition(":")
    if kind == "folder" and argument:
        loaded, warnings = _load_folder(argument, ("train", "test"), image_size, data_dir, strict, progress)
        return ImageData(dataset, loaded["train"], loaded["test"], warnings)
    if dataset not in CHOICES.split(", "):
        raise DataError(f"Unknown data set {dataset!r}; choose from: {CHOICES}.")
    if image_size not in (None, 32):
        raise DataError(
            f"The images of {dataset} are 32×32 and cannot be loaded at {image_size} pixels; "
            "leave the image size out, or use folder:DIR."
        )
    if kind == "cifar10":
        from sightline.image_data.cifar10 import load_cifar10

        return load_cifar10(data_dir)
    from sightline.image_data.planted_shapes import planted_shapes

    return planted_shapes(argument or "honest")


def load_test_split(
    dataset: str,
    *,
    image_size: int | None = None,
    data_dir: Path | None = None,
    progress: Progress | None = None,
) -> tuple[ImageSplit, tuple[str, ...]]:
    """The test split alone, and sentences for the user to be warned with; of a folder, train/ need not be there.

    Arguments and errors are those of `load_image_data`.
    """
    kind, _, argument = dataset.partition(":")
    if kind == "folder" and argument:
        data_dir = data_dir or Path(os.environ.get("SIGHTLINE_DATA") or ".data")
        loaded, warnings = _load_folder(argument, ("test",), image_size, data_dir, False, progress)
        return loaded["test"], warnings
    data = load_image_data(dataset, image_size=image_size, data_dir=data_dir)
    return data.test, data.warnings


def _load_folder(
    folder: str,
    splits: tuple[str, ...],
    image_size: int | None,
    data_dir: Path,
    strict: bool,
    progress: Progress | None,
) -> tuple[dict[str, ImageSplit], tuple[str, ...]]:
    from sightline.image_data.folder.load import IMAGE_SIZES, load_folder

    if image_size is None:
        raise DataError(
            "The images of a folder may be of any size: "
            f"give image_size, the side in pixels to bring them to, from {IMAGE_SIZES[0]} to {IMAGE_SIZES[1]}."
        )
    cache = data_dir / "cache"
    return load_folder(Path(folder).expanduser(), image_size, cache, splits, strict=strict, progress=progress)
