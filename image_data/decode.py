"""Decode one image file to uint8 RGB pixels: here only, so that pixels agree everywhere."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from sightline.image_data.formats import (
    HEIC,
    HEIC_PLUGIN,
    ImageFormat,
    format_of_content,
    pillow_formats,
    readable_names,
)
from sightline.image_data.png import without_metadata
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.splits import DataError
from sightline.image_data.square import shorter_side, square

_VERSION = 2  # rises whenever the same file would give other pixels

_PHOTOMETRIC = 262  # TIFF's tag
_ORIENTATION = 0x0112  # EXIF's, and how each of its values is undone
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)
_DEPTHS = (8, 10, 12, 14)  # bits of cameras and scanners whose values often lie in files of 16 bits


class Decoded(NamedTuple):
    """The outcome of decoding a file."""

    pixels: NDArray[np.uint8]
    """H×W×3, 0–255."""
    bits: int | None
    """8, 10, 12 or 14 where a file of 16 bits a channel uses no more than the lowest so many; else None."""


class ImageError(DataError):
    """A file that could not be decoded."""

    def __init__(self, file: str | Path | BinaryIO, error: Exception) -> None:
        self.reason = failure_reason(error)
        self.is_refused = isinstance(error, OSError) and error.errno is not None  # by the file system: it may pass
        name = file if isinstance(file, (str, Path)) else getattr(file, "name", "The image")
        super().__init__(f"{name} could not be read as an image: {self.reason}.")


def decode_image(
    file: str | Path | BinaryIO, image_size: int | None = None, resize: Resize = CROP
) -> NDArray[np.uint8]:
    """Decode a file to uint8 H×W×3: upright (EXIF), transparency on white, 16-bit grey scaled to 8 bits.

    Args:
        file: JPEG, PNG, BMP, GIF, WebP, TIFF, PNM, AVIF, or HEIC where pillow-heif is installed, whatever its name;
            of an animation the first frame. A path, or an open file.
        image_size: with None, the pixels as they are. Otherwise they become image_size × image_size.
        resize: how; by default the shorter side is resized (bicubic, antialiased) and the middle is cut out.

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
    return decode_file(file, image_size, resize).pixels


def decode_file(file: str | Path | BinaryIO, image_size: int | None = None, resize: Resize = CROP) -> Decoded:
    """Decode as `decode_image`, and say how many bits a file of 16 bits a channel uses."""
    try:
        try:
            return _decode(file, image_size, resize)
        except (ValueError, SyntaxError, OSError, DataError) as error:
            if getattr(error, "errno", None) is not None:  # of the file system
                raise
            # Pillow gives a PNG up for text or a colour profile that it finds too large, or broken.
            with _opened(file) as stream:
                plain = without_metadata(stream)
            if plain is None:
                raise
            return _decode(plain, image_size, resize)
    except Exception as error:  # a broken file can make a decoder raise anything
        raise ImageError(file, error) from error


def upright_size(file: str | Path | BinaryIO) -> tuple[int, int]:
    """Return width and height of an image as `decode_image` gives it, pixels, without decoding it.

    Raises ImageError.
    """
    try:
        with Image.open(file, formats=pillow_formats()) as opened:
            width, height = opened.size
            return (height, width) if opened.getexif().get(_ORIENTATION) in _ON_ITS_SIDE else (width, height)
    except Exception as error:  # a broken file can make a decoder raise anything
        raise ImageError(file, error) from error


def decoder_state() -> str:
    """Return a text that is another one as soon as the same file may give other pixels."""
    return f"{_VERSION} {PIL.__version__} {' '.join(pillow_formats())}"


def failure_reason(error: Exception) -> str:
    """Return a few words on why a file could not be decoded."""
    if isinstance(error, ImageError):
        return error.reason
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image, or not of the formats {readable_names()}"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    if isinstance(error, DataError):
        return str(error)
    if "MAX_TEXT_" in str(error):
        return "its text or colour profile is larger than Pillow reads"
    words = str(error).lower()
    return "truncated" if "truncated" in words or "unexpected end" in words else "damaged"


def _decode(file: str | Path | BinaryIO, image_size: int | None, resize: Resize) -> Decoded:
    try:
        opened = Image.open(file, formats=pillow_formats())
    except UnidentifiedImageError as error:
        with _opened(file) as stream:
            found = format_of_content(stream)
        if found is None:
            raise
        raise DataError(_why_unread(found)) from error
    with opened:
        _refuse_bomb(opened)
        stored = str(opened.tile)  # gone after load()
        if image_size is not None:  # a JPEG can be decoded at 1/2, 1/4 or 1/8: still twice what is needed
            enough = 2 * shorter_side(image_size, resize)
            opened.draft(None, (enough, enough))
        opened.load()
        image = to_rgb(_upright(opened), *_black_and_white(opened, stored))
        if image_size is not None:
            image = square(image, image_size, resize)
        return Decoded(np.array(image, dtype=np.uint8), _bits_used(opened, stored))


def _opened(file: str | Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    if isinstance(file, (str, Path)):
        return open(file, "rb")
    file.seek(0)
    return nullcontext(file)


def _why_unread(found: ImageFormat) -> str:
    """Say why a file of this format is not read."""
    if found is HEIC and not found.is_read:
        return f"HEIC, which is read after pip install '{HEIC_PLUGIN}'"
    if found.is_read:
        return f"damaged, or a kind of {found.name} that is not read"
    return f"{found.name}, which is not read; save it as PNG or JPEG"


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


def to_rgb(image: Image.Image, black: int = 0, white: int = 65535) -> Image.Image:
    """Return an image of any mode as RGB: transparency on white; in grey of 16 bits these values are black and white.

    Raises DataError for values that no image file has.
    """
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(image, black, white)).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image, black: int, white: int) -> NDArray[np.uint8]:
    """Scale grey of more than 8 bits: `black` becomes 0, `white` 255. Pillow's own conversion would clip at 255."""
    values = np.asarray(image)
    if image.mode == "F" or values.min(initial=0) < 0 or values.max(initial=0) > 65535:
        raise DataError("its values do not fit into 16 bits; save it with 8 or 16 bits a channel")
    return np.rint((values - np.float32(black)) * (255 / (white - black))).astype(np.uint8)


def _black_and_white(image: Image.Image, stored: str) -> tuple[int, int]:
    """Return the values of black and white in grey of more than 8 bits: a TIFF may have 12 bits, or white at 0."""
    most = 4095 if "I;12" in stored else 65535
    is_inverted = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0
    return (most, 0) if is_inverted else (0, most)


def _bits_used(image: Image.Image, stored: str) -> int | None:
    """Return 8, 10, 12 or 14 where a file of 16 bits a channel uses only the lowest so many; else None.

    Nothing in such a file says so: PNG's sBIT is of values that were scaled to 16 bits, and TIFF's MaxSampleValue
    is of one image, so that to follow it would make images incomparable.
    """
    if image.mode.startswith("I") and "I;12" not in stored:
        most = int(np.asarray(image).max(initial=0))
    elif image.mode.startswith("RGB") and ";16" in stored:  # of which Pillow keeps the upper eight bits
        most = int(np.asarray(image)[..., :3].max(initial=0)) << 8 | 0xFF
    else:
        return None
    return next((bits for bits in _DEPTHS if 0 < most < 2**bits), None)
