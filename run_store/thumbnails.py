"""The small pictures that a run keeps of large images, and whether an image is the one that a picture was made of."""

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from sightline.run_store.files import FileError, open_regular

if TYPE_CHECKING:
    from sightline.image_data.images import Images
    from sightline.image_data.resize import Resize
    from sightline.image_data.splits import ImageSplit

THUMBNAIL_SIZE = 96  # larger images are kept as square thumbnails of this side, in pixels
_MOST_DIFFERENCE = 16  # of 255: another version of a decoder or of a filter differs by a few


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Shrink an image, uint8 S×S×3, to the pixels that a run keeps of it: itself, up to THUMBNAIL_SIZE.

    >>> thumbnail(np.zeros((224, 224, 3), np.uint8)).shape
    (96, 96, 3)
    """
    if image.shape[0] <= THUMBNAIL_SIZE:
        return image
    side = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    return np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BOX))


def thumbnails(images: "Images") -> "Images":
    """Return the thumbnails of all images, made when they are asked for; up to THUMBNAIL_SIZE the images themselves."""
    return images if images.shape[1] <= THUMBNAIL_SIZE else _Thumbnails(images)


def kept_images(split: "ImageSplit") -> "Images":
    """Return what a run keeps of the images of a split: thumbnails of large ones that can be read again from files.

    Others are kept as the model sees them, and so are those with masks, which lie on the pixels of both.
    """
    is_elsewhere = split.paths is not None and split.masks is None
    return thumbnails(split.images) if is_elsewhere else split.images


class _Thumbnails:
    def __init__(self, images: "Images") -> None:
        self._images = images
        self.shape, self.dtype = (len(images), THUMBNAIL_SIZE, THUMBNAIL_SIZE, 3), images.dtype

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Any, /) -> np.ndarray:
        images = self._images[rows]
        return thumbnail(images) if images.ndim == 3 else np.stack([thumbnail(image) for image in images])


def is_of(kept: np.ndarray, image: np.ndarray) -> bool:
    """Tell whether `kept` is the thumbnail of `image`, uint8 S×S×3.

    >>> is_of(np.zeros((96, 96, 3), np.uint8), np.zeros((224, 224, 3), np.uint8))
    True
    """
    shrunk = thumbnail(image)
    return kept.shape == shrunk.shape and int(np.abs(kept.astype(int) - shrunk).max()) <= _MOST_DIFFERENCE


def read_original(file: str, kept: np.ndarray, side: int, resize: "Resize") -> np.ndarray | None:
    """Decode the image, uint8 side×side×3, that a thumbnail was made of; None where the file shows nothing or another.

    A run may name any file, and shows none but its own: whether there is such a file is no business of the run's.
    """
    from sightline.image_data import DataError, decode_image

    try:
        with closing(open_regular(file)) as stream:
            image = decode_image(stream, side, resize)
    except (OSError, ValueError, DataError, FileError):
        return None
    return image if is_of(kept, image) else None


def read_originals(files: Sequence[str], kept: np.ndarray, side: int, resize: "Resize") -> np.ndarray:
    """Decode the images, uint8 n×side×side×3, that n thumbnails were made of. Raises FileError for the first without.

    The error begins with the file's name.
    """
    found = []
    for file, image in zip(files, kept, strict=True):
        original = read_original(file, image, side, resize)
        if original is None:
            raise FileError(f"{file} is missing, cannot be read, or shows something else")
        found.append(original)
    return np.stack(found)
