"""The formats of images that people keep: which of them are read, and how a file of each is told.

The list of those that are read is closed: each of their decoders is let near files of strangers.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import BinaryIO

SIGNATURE_BYTES = 132  # at the start of a file: DICOM's name ends there
HEIC_PLUGIN = "pillow-heif>=1.1,<2"


@dataclass(frozen=True)
class ImageFormat:
    """A format, under the name that people know it by."""

    name: str
    suffixes: tuple[str, ...]
    """Lower case, with the dot."""
    signature: re.Pattern[bytes] | None = None
    """Matches the start of a file; None where this is unsure or never needed."""
    decoders: tuple[str, ...] = ()
    """Pillow's names for it; none: it is not read."""

    @property
    def is_read(self) -> bool:
        """Whether files of it become pixels here, which HEIC's do where the plugin is installed."""
        return bool(self.decoders) and (self is not HEIC or _has_heic_plugin())


@cache
def _has_heic_plugin() -> bool:
    return find_spec("pillow_heif") is not None


def _format(name: str, suffixes: str, signature: bytes = b"", *decoders: str) -> ImageFormat:
    pattern = re.compile(signature, re.DOTALL) if signature else None
    return ImageFormat(name, tuple(f".{suffix}" for suffix in suffixes.split()), pattern, decoders)


HEIC = _format("HEIC", "heic heics heif heifs hif", rb".{4}ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", "HEIF")
FORMATS = (
    _format("JPEG", "jpg jpeg jpe jfif jfi jif pjpeg pjp mpo", rb"\xff\xd8\xff", "JPEG"),
    _format("PNG", "png apng", rb"\x89PNG\r\n\x1a\n", "PNG"),
    _format("BMP", "bmp dib", rb"BM.{4}\0{4}", "BMP", "DIB"),
    _format("GIF", "gif", rb"GIF8[79]a", "GIF"),
    _format("WebP", "webp", rb"RIFF.{4}WEBP", "WEBP"),
    _format("TIFF", "tif tiff", rb"II[*+]\0|MM\0[*+]", "TIFF"),
    _format("PNM", "ppm pgm pbm pnm", rb"P[1-6]\s+[#\d]", "PPM"),
    _format("AVIF", "avif avifs", rb".{4}ftyp(avi[fs]|m[is]f1.{4,32}avi[fs])", "AVIF"),
    HEIC,
    # Not read: the decoder is missing, guesses, or has too bad a record to be let near files of strangers.
    _format("JPEG 2000", "jp2 j2k j2c jpc jpf jpx jpm", rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    _format("JPEG XL", "jxl", rb"\xff\x0a|\0\0\0\x0cJXL "),
    _format("JPEG XR", "jxr wdp hdp", rb"II\xbc"),
    _format("Photoshop", "psd psb", rb"8BPS"),
    _format("GIMP", "xcf", rb"gimp xcf"),
    _format(
        "camera raw", "raw cr2 cr3 crw nef nrw dng arw sr2 srf orf rw2 rwl raf pef srw x3f 3fr fff iiq erf kdc mrw"
    ),
    _format("SVG", "svg svgz", rb"\s*<svg[\s>]"),
    _format("PostScript", "eps ps ai", rb"%!PS"),
    _format("TGA", "tga icb vda vst"),
    _format("ICO", "ico cur icns", rb"icns"),
    _format("DICOM", "dcm dicom", rb".{128}DICM"),
    _format("NIfTI", "nii"),
    _format("OpenEXR", "exr", rb"\x76\x2f\x31\x01"),
    _format("HDR", "hdr rgbe pfm", rb"#\?RADIANCE|#\?RGBE|P[Ff]\s"),
    _format("FITS", "fits fit fts", rb"SIMPLE  ="),
    _format("microscopy", "svs ndpi mrxs scn bif vsi czi lif nd2 oib oif lsm"),
    *(_format(name, name.lower()) for name in ("PCX", "DDS", "QOI", "SGI", "RAS", "IFF", "PICT", "XBM", "XPM", "WMF")),
)
_BY_SUFFIX = {suffix: each for each in FORMATS for suffix in each.suffixes}
# What lies beside images as a rule. Files with other endings, or none, are looked into.
# fmt: off
_NOT_IMAGES = {
    ".txt", ".md", ".rst", ".log", ".htm", ".html", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".json", ".jsonl",
    ".xml", ".csv", ".tsv", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".db", ".sqlite", ".lnk", ".url", ".py", ".ipynb",
    ".sh", ".m", ".npy", ".npz", ".mat", ".h5", ".hdf5", ".pkl", ".pt", ".pth", ".parquet", ".tfrecord", ".zip", ".tar",
    ".gz", ".bz2", ".xz", ".7z", ".rar", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".mp3", ".wav", ".aae", ".xmp",
    ".pp3", ".tfw", ".jgw", ".pgw",
}
# fmt: on


def format_of_name(name: str) -> ImageFormat | None:
    """Return the format that the ending of a file's name stands for; None where it stands for none.

    >>> format_of_name("IMG_1.JFIF").name, format_of_name("logo.svg").is_read, format_of_name("notes.txt")
    ('JPEG', False, None)
    """
    return _BY_SUFFIX.get(name[name.rfind(".") :].lower())  # os.path.splitext takes four times as long


def may_be_image(name: str) -> bool:
    """Tell whether a file whose name stands for no format may be an image all the same, and must be looked into."""
    return os.path.splitext(name)[1].lower() not in _NOT_IMAGES


def format_of_content(file: BinaryIO) -> ImageFormat | None:
    """Return the format that the first bytes of an open file are those of, and go back to where it stood."""
    position = file.tell()
    start = file.read(SIGNATURE_BYTES)
    file.seek(position)
    return next((each for each in FORMATS if each.signature and each.signature.match(start)), None)


@cache
def pillow_formats() -> tuple[str, ...]:
    """Return Pillow's names of all that is read here, with the plugin for HEIC made known to it."""
    if HEIC.is_read:
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(decoder for each in FORMATS if each.is_read for decoder in each.decoders)


def readable_names() -> str:
    """Return the names of the formats that are read, for messages."""
    return ", ".join(each.name for each in FORMATS if each.is_read)
