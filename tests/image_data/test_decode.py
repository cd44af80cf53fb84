"""How one image file becomes pixels."""

import numpy as np
import pytest
from PIL import Image

from sightline.image_data import DataError, decode_image
from tests.image_files import save

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
