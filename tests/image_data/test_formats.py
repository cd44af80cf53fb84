"""How the format of a file is told, and which formats become pixels."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from sightline.image_data import DataError, decode_image, formats
from sightline.image_data.formats import FORMATS, format_of_content, format_of_name, pillow_formats
from tests.image_files import content

RED = Image.new("RGB", (16, 16), (200, 30, 40))
READ = {
    "JPEG": ("JPEG", "a.jpg", "a.JFIF", "a.jpe"),
    "PNG": ("PNG", "a.png", "a.apng"),
    "BMP": ("BMP", "a.bmp", "a.dib"),
    "GIF": ("GIF", "a.gif"),
    "WEBP": ("WebP", "a.webp"),
    "TIFF": ("TIFF", "a.tif", "a.TIFF"),
    "PPM": ("PNM", "a.ppm", "a.pgm", "a.pbm", "a.pnm"),
    "AVIF": ("AVIF", "a.avif"),
}


@pytest.fixture
def without_plugin(monkeypatch):
    """As where pillow-heif is not installed."""
    monkeypatch.setattr(formats, "_has_heic_plugin", lambda: False)
    pillow_formats.cache_clear()
    yield
    pillow_formats.cache_clear()


@pytest.mark.parametrize(("pillow", "expected"), READ.items(), ids=READ)
def test_a_format_that_is_read_is_told_by_name_and_by_content_and_decoded(pillow, expected):
    name, *files = expected
    file = content(RED, pillow)
    assert {format_of_name(file).name for file in files} == {name}
    assert format_of_content(BytesIO(file)).name == name and format_of_content(BytesIO(file)).is_read
    assert np.abs(decode_image(BytesIO(file)).astype(int) - (200, 30, 40)).max() < 12


def test_a_bitmap_without_its_file_header_is_read_too():
    assert decode_image(BytesIO(content(RED, "DIB")))[3, 3].tolist() == [200, 30, 40]


def test_heic_is_read_where_the_plugin_is_installed():
    assert "HEIF" in pillow_formats()
    file = content(RED, "HEIF", quality=95)
    assert format_of_content(BytesIO(file)).name == format_of_name("IMG_1.HEIC").name == "HEIC"
    assert np.abs(decode_image(BytesIO(file)).astype(int) - (200, 30, 40)).max() < 12


def test_heic_is_named_with_its_plugin_where_this_is_missing(without_plugin):
    heic = b"\0\0\0\x18ftypheic" + bytes(100)
    assert not format_of_name("IMG_1.HEIC").is_read and "HEIF" not in pillow_formats()
    with pytest.raises(DataError, match="HEIC, which is read after pip install 'pillow-heif"):
        decode_image(BytesIO(heic))


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("JPEG XL", b"\xff\x0a\x10"),
        ("Photoshop", b"8BPS\0\1"),
        ("DICOM", bytes(128) + b"DICM"),
        ("OpenEXR", b"\x76\x2f\x31\x01"),
    ],
)
def test_a_format_that_is_not_read_is_named_by_its_content(name, start):
    assert format_of_content(BytesIO(start)).name == name
    with pytest.raises(DataError, match=f"{name}, which is not read; save it as PNG or JPEG"):
        decode_image(BytesIO(start))


@pytest.mark.parametrize("start", [b"", b"BMW is a brand", b"P1 is a plan", b"GIF of a cat", b"MM", b"II", b"<html>"])
def test_text_is_no_image(start):
    assert format_of_content(BytesIO(start)) is None


@pytest.mark.parametrize("brand", [b"avif\0\0\0\0mif1miaf", b"mif1\0\0\0\0avifmiaf"])
def test_avif_and_heic_are_told_apart_where_both_say_mif1(brand):
    assert format_of_content(BytesIO(b"\0\0\0\x1cftyp" + brand)).name == "AVIF"
    assert format_of_content(BytesIO(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(200))).name == "HEIC"


def test_no_ending_stands_for_two_formats():
    suffixes = [suffix for each in FORMATS for suffix in each.suffixes]
    assert len(suffixes) == len(set(suffixes)) and not formats._NOT_IMAGES & {*suffixes}


def test_only_listed_decoders_are_let_near_a_file():
    assert {*pillow_formats()} <= {"JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM", "AVIF", "HEIF"}
    for other in ("TGA", "ICO", "JPEG2000"):
        with pytest.raises(DataError):
            decode_image(BytesIO(content(RED, other)))
