"""Take from a PNG file what its pixels do not need."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import BinaryIO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_NEEDED = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_USED = {b"tRNS", b"eXIf"}  # transparency and orientation, unless they are damaged


def without_metadata(file: BinaryIO) -> BytesIO | None:
    """Copy a PNG without text, colour profile and the like, however large or damaged these are; None for no PNG.

    What comes after a chunk that is cut short, or after the end, is left out too.
    """
    file.seek(0)
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        return None
    copy = BytesIO(_SIGNATURE)
    copy.seek(0, 2)
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind not in _NEEDED | _USED:
            file.seek(length + 4, 1)
            continue
        content, check = file.read(length), file.read(4)
        if kind in _NEEDED or check == struct.pack(">I", zlib.crc32(kind + content)):
            copy.write(header + content + check)
        if kind == b"IEND":
            break
    copy.seek(0)
    return copy
