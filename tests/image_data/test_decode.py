"""How one image file becomes pixels."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from sightline.image_data import DataError, decode_image
from sightline.image_data.decode import decode_file, failure_reason
from tests.image_files import content, save

RED, GREEN, BLUE, WHITE = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]


def test_grey_of_16_bits_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 255, 256], [32768, 65278, 65535]], dtype=np.uint16)
    for name in ("grey.png", "grey.tif"):
        pixels = decode_image(save(Image.fromarray(values), tmp_path / name))
        assert pixels[..., 0].tolist() == [[0, 1, 1], [128, 254, 255]]
        assert pixels.shape == (2, 3, 3) and pixels.dtype == np.uint8


def test_big_endian_and_pgm_of_16_bits_are_scaled_too(tmp_path):
    (tmp_path / "grey.pgm").write_bytes(b"P5 2 1 65535\n" + bytes([0xFF, 0xFF, 0x80, 0x00]))
    assert decode_image(tmp_path / "grey.pgm")[0, :, 0].tolist() == [255, 128]


def test_values_beyond_16_bits_are_refused(tmp_path):
    file = save(Image.fromarray(np.array([[0, 70_000]], dtype=np.int32)), tmp_path / "deep.tif")
    with pytest.raises(DataError, match="16 bits"):
        decode_image(file)


def test_palette_with_transparency_is_laid_on_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette(RED + GREEN)
    image.putdata([0, 1])
    assert decode_image(save(image, tmp_path / "plain.png")).tolist() == [[RED, GREEN]]
    assert decode_image(save(image, tmp_path / "clear.png", transparency=1)).tolist() == [[RED, WHITE]]


def test_transparent_pixels_are_laid_on_white(tmp_path):
    rgba = Image.new("RGBA", (2, 1))
    rgba.putdata([(0, 0, 255, 255), (255, 0, 0, 0)])
    assert decode_image(save(rgba, tmp_path / "rgba.png")).tolist() == [[BLUE, WHITE]]
    grey = Image.new("LA", (2, 1))
    grey.putdata([(0, 51), (10, 255)])  # black at 51/255 = 20 %: 80 % white remain
    assert decode_image(save(grey, tmp_path / "la.png")).tolist() == [[[204] * 3, [10] * 3]]


def test_colour_key_transparency_is_laid_on_white(tmp_path):
    image = Image.new("RGB", (2, 1))
    image.putdata([(255, 0, 0), (0, 255, 0)])
    file = save(image, tmp_path / "key.png", transparency=(255, 0, 0))
    assert decode_image(file).tolist() == [[WHITE, GREEN]]


@pytest.mark.parametrize(("mode", "colour"), [("L", 0), ("1", 0), ("CMYK", (0, 0, 0, 255)), ("RGB", (0, 0, 0))])
def test_other_modes_become_rgb(tmp_path, mode, colour):
    pixels = decode_image(save(Image.new(mode, (8, 8), colour), tmp_path / "black.tif"))
    assert pixels.shape == (8, 8, 3) and pixels.max() == 0


def test_cmyk_jpeg_has_the_right_sign(tmp_path):
    file = save(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), tmp_path / "red.jpg", quality=100)
    assert np.abs(decode_image(file).astype(int) - RED).max() <= 3


# A red upper left corner as it is stored, and the corner in which an upright viewer sees it (EXIF 2.3, 4.6.4).
@pytest.mark.parametrize(
    ("orientation", "row", "column"),
    [(1, 0, 0), (2, 0, -1), (3, -1, -1), (4, -1, 0), (5, 0, 0), (6, 0, -1), (7, -1, -1), (8, -1, 0)],
)
@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "photo.tif"])
def test_exif_orientation_is_applied(tmp_path, name, orientation, row, column):
    image = Image.new("RGB", (32, 16))
    image.paste((255, 0, 0), (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode_image(save(image, tmp_path / name, exif=exif))
    assert pixels.shape == ((16, 32, 3) if orientation < 5 else (32, 16, 3))
    assert pixels[row, column, 0] > 240
    assert pixels[..., 0].mean() == pytest.approx(255 / 8, rel=0.1)


def test_resizing_keeps_the_middle_square(tmp_path):
    image = Image.new("RGB", (120, 40), (0, 0, 255))
    image.paste((255, 0, 0), (40, 0, 80, 40))
    pixels = decode_image(save(image, tmp_path / "wide.png"), image_size=20)
    assert pixels.shape == (20, 20, 3)
    assert (pixels[:, 2:-2] == RED).all()  # the outer two columns are interpolated with blue
    assert (pixels[..., 0] > 200).all()


def test_resizing_is_antialiased(tmp_path):
    chequer = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pixels = decode_image(save(Image.fromarray(chequer), tmp_path / "fine.png"), image_size=8)
    assert np.abs(pixels.astype(int) - 127).max() < 6


def test_image_of_the_asked_size_keeps_its_pixels(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert (decode_image(save(Image.fromarray(values), tmp_path / "x.png"), image_size=16) == values).all()


def test_large_jpeg_decoded_at_a_fraction_looks_like_the_whole_one_made_smaller(tmp_path):
    y, x = np.mgrid[0:512, 0:512] / 512
    values = (127 + 120 * np.stack([np.sin(9 * x), np.cos(7 * y), np.sin(5 * x * y)], axis=-1)).astype(np.uint8)
    file = save(Image.fromarray(values), tmp_path / "large.jpg", quality=95)
    expected = values.reshape(32, 16, 32, 16, 3).mean(axis=(1, 3))
    assert np.abs(decode_image(file, image_size=32) - expected).max() < 8


def test_decompression_bomb_is_refused(tmp_path, monkeypatch):
    file = save(Image.new("L", (40, 30)), tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1200)
    assert decode_image(file).shape == (30, 40, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)  # at once, where Pillow warns until twice the limit
    with pytest.warns(Image.DecompressionBombWarning), pytest.raises(DataError, match="more than 700 pixels"):
        decode_image(file)


def test_missing_or_foreign_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png.*no such file"):
        decode_image(tmp_path / "gone.png")
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(DataError, match=r"text\.png.*not an image"):
        decode_image(tmp_path / "text.png")


# What Pillow refuses beside the pixels


def png_chunk(kind, content, is_right=True):
    check = zlib.crc32(kind + content) if is_right else 0
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


LARGE = zlib.compress(bytes(2_000_000))  # Pillow reads no more than a megabyte
METADATA = {
    "text": png_chunk(b"zTXt", b"key\0\0" + LARGE),
    "international text": png_chunk(b"iTXt", b"key\0\1\0\0\0" + LARGE),
    "colour profile": png_chunk(b"iCCP", b"name\0\0" + LARGE),
    "much text": b"".join(png_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(10**6))) for _ in range(70)),
    "text with a wrong check sum": png_chunk(b"tEXt", b"key\0value", is_right=False),
    "a gamma cut short": png_chunk(b"pHYs", b"\0"),
}


@pytest.mark.parametrize("place", [33, -12], ids=["before the pixels", "after them"])
@pytest.mark.parametrize("metadata", METADATA.values(), ids=METADATA)
def test_metadata_too_large_or_broken_do_not_make_the_pixels_of_a_png_unreadable(metadata, place):
    values = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    whole = content(Image.fromarray(values), "PNG")
    assert np.array_equal(decode_image(BytesIO(whole[:place] + metadata + whole[place:])), values)


@pytest.mark.parametrize("kind", ["text", "colour profile", "much text"])
def test_pillow_s_limit_is_named_where_it_alone_opens_a_file(kind):
    whole = content(Image.new("L", (2, 2)), "PNG")
    with pytest.raises(ValueError) as error:
        Image.open(BytesIO(whole[:33] + METADATA[kind] + whole[33:]))
    assert failure_reason(error.value) == "its text or colour profile is larger than Pillow reads"


def test_orientation_and_transparency_survive_where_metadata_are_dropped():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("P", (2, 1))
    image.putpalette(RED + GREEN)
    image.putdata([0, 1])
    whole = content(image, "PNG", transparency=1, exif=exif)
    assert decode_image(BytesIO(whole[:33] + METADATA["text"] + whole[33:])).tolist() == [[RED], [WHITE]]


def test_a_broken_png_stays_broken_with_its_reason():
    whole = content(Image.effect_noise((64, 64), 50), "PNG")
    with pytest.raises(DataError, match="truncated"):
        decode_image(BytesIO(whole[: len(whole) // 2]))


@pytest.mark.parametrize("segment", [b"Exif\0\0II*\0\xff\xff\xff\xff", b"http://ns.adobe.com/xap/1.0/\0<x"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_and_xmp_do_not_make_a_jpeg_unreadable(segment):
    whole = content(Image.new("L", (8, 8), 99), "JPEG")
    marker = b"\xff\xe1" + struct.pack(">H", len(segment) + 2)
    assert np.abs(decode_image(BytesIO(whole[:2] + marker + segment + whole[2:])).astype(int) - 99).max() <= 1


# 10, 12 and 14 bits


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("most", "bits"),
    [(0, None), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14), (16384, None)],
)
def test_a_file_of_16_bits_that_uses_only_the_lowest_says_so(format, most, bits):
    grey = Image.fromarray(np.array([[0, most]], dtype=np.uint16))
    decoded = decode_file(BytesIO(content(grey, format)))
    assert decoded.bits == bits and decoded.pixels[0, 1].tolist() == [round(most / 257)] * 3  # as dark as it is


def test_colour_of_16_bits_says_so_too():
    # PNG, colour type 2, 16 bits: one row, no filter.
    def colour(*values):
        header = struct.pack(">IIBBBBB", len(values) // 3, 1, 16, 2, 0, 0, 0)
        row = zlib.compress(b"\0" + struct.pack(f">{len(values)}H", *values))
        chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", row) + png_chunk(b"IEND", b"")
        return decode_file(BytesIO(b"\x89PNG\r\n\x1a\n" + chunks))

    assert colour(0, 4095, 256).bits == 12 and colour(0, 0, 1023).bits == 10
    assert colour(0, 65535, 256).bits is None and colour(0, 65535, 256).pixels.tolist() == [[[0, 255, 1]]]


def test_colour_of_8_bits_is_dark_without_a_word():
    assert decode_file(BytesIO(content(Image.new("RGB", (2, 2), (1, 2, 3)), "PNG"))).bits is None


def packed_tiff(values, bits):
    """One row of grey values of so many bits each, with nothing between them."""
    packed = int("".join(f"{value:0{bits}b}" for value in values), 2).to_bytes(len(values) * bits // 8, "big")
    tags = {256: len(values), 257: 1, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_a_tiff_of_12_bits_is_scaled_by_them():
    decoded = decode_file(BytesIO(packed_tiff([0, 4095, 2048, 273], bits=12)))
    assert decoded.pixels[0, :, 0].tolist() == [0, 255, 128, 17] and decoded.bits is None


def test_a_kind_of_a_format_that_is_not_read_is_not_called_no_image():
    with pytest.raises(DataError, match="damaged, or a kind of TIFF that is not read"):
        decode_image(BytesIO(packed_tiff([0, 1023, 512, 1], bits=10)))


def test_a_tiff_whose_white_is_0_is_turned_round():
    grey = Image.fromarray(np.array([[0, 13107, 65535]], np.uint16))  # Pillow writes these values as they are
    assert decode_image(BytesIO(content(grey, "TIFF", tiffinfo={262: 0})))[0, :, 0].tolist() == [255, 204, 0]
