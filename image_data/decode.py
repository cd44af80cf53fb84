"""Decode one image file to uint8 RGB pixels: here only, so that pixels agree everywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from sightline.image_data.splits import DataError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
# fmt: off
EXTENSIONS = (
    ".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
)
# fmt: on
DECODER_VERSION = 1  # rises whenever the same file would give other pixels: it is part of the cache's key

_ORIENTATION = 0x0112  # the EXIF tag, and how each of its values is undone
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageError(DataError):
    """A file that could not be decoded."""

    def __init__(self, file: str | Path | BinaryIO, error: Exception) -> None:
        self.reason = failure_reason(error)
        self.is_refused = isinstance(error, OSError) and error.errno is not None  # by the file system: it may pass
        name = file if isinstance(file, (str, Path)) else getattr(file, "name", "The image")
        super().__init__(f"{name} could not be read as an image: {self.reason}.")


def decode_image(file: str | Path | BinaryIO, image_size: int | None = None) -> NDArray[np.uint8]:
    """Decode a file to uint8 H×W×3: upright (EXIF), transparency on white, 16-bit grey scaled to 8 bits.

    Args:
        file: JPEG, PNG, BMP, GIF, WebP, TIFF or PNM, whatever its name; of an animation the first frame. A path, or
            an open file.
        image_size: with None, the pixels as they are. Otherwise the shorter side is resized to this length
            (bicubic, antialiased) and the middle is cut out: image_size × image_size.

    Raises:
        ImageError, a DataError: the file is missing, broken, of another format or larger than
            `PIL.Image.MAX_IMAGE_PIXELS`.

    >>> from io import BytesIO
    >>> from PIL import Image
    >>> file = BytesIO()
    >>> Image.new("RGBA", (64, 32), (255, 0, 0, 0)).save(file, "PNG")  # transparent
    >>> decode_image(file, image_size=16).shape, decode_image(file)[0, 0].tolist()
    ((16, 16, 3), [255, 255, 255])
    """
    try:
        return _decode(file, image_size)
    except Exception as error:  # a broken file can make a decoder raise anything
        raise ImageError(file, error) from error


def _decode(file: str | Path | BinaryIO, image_size: int | None) -> NDArray[np.uint8]:
    with Image.open(file, formats=FORMATS) as opened:
        _refuse_bomb(opened)
        if image_size is not None:  # a JPEG can be decoded at 1/2, 1/4 or 1/8: still twice what is needed
            opened.draft(None, (2 * image_size, 2 * image_size))
        opened.load()
        image = _rgb(_upright(opened))
        if image_size is not None:
            image = _resize_and_crop(image, image_size)
        return np.array(image, dtype=np.uint8)


def failure_reason(error: Exception) -> str:
    """Return a few words on why a file could not be decoded."""
    if isinstance(error, ImageError):
        return error.reason
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or not of the formats " + ", ".join(FORMATS)
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    if isinstance(error, DataError):
        return str(error)
    words = str(error).lower()
    return "truncated" if "truncated" in words or "unexpected end" in words else "damaged"


def _refuse_bomb(image: Image.Image) -> None:
    # Pillow itself only warns until twice the limit.
    if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError


def _upright(image: Image.Image) -> Image.Image:
    # Only after load(): Pillow turns TIFF files upright by itself, and then says so in the tag.
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except Exception:  # unreadable EXIF data do not make the pixels unreadable
        return image
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> NDArray[np.uint8]:
    """Scale 16-bit grey to 8 bits: 65535 becomes 255. Pillow's own conversion would clip at 255."""
    values = np.asarray(image)
    if image.mode == "F" or values.min(initial=0) < 0 or values.max(initial=0) > 65535:
        raise DataError("its values do not fit into 16 bits; save it with 8 or 16 bits a channel")
    return np.rint(values / 257).astype(np.uint8)


def _resize_and_crop(image: Image.Image, size: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    if side == size:
        return image.crop(box) if image.size != (size, size) else image
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)
