"""Folders of images: how files become pixels, what is cached, and what is said about input that is wrong."""

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image_data import DataError, content_fingerprint, decode_image, decoding_pool, load_image_data
from image_data.folder import default_image_size

RED, GREEN, BLUE, WHITE = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]


def save(image, file, **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file, **options)
    return file


@pytest.fixture
def folder(tmp_path):
    """Two classes, three images each and split, 16×16 PNGs of one grey value each."""
    root = tmp_path / "images"
    for s, split in enumerate(("train", "test")):
        for c, name in enumerate(("dog", "cat")):
            for k in range(3):
                value = 100 * s + 50 * c + 10 * k
                save(Image.new("L", (16, 16), value), root / split / name / f"{k}.png")
    return root


@pytest.fixture
def load(folder, tmp_path):
    def load(**options):
        return load_image_data(f"folder:{folder}", data_dir=tmp_path / "data", **options)

    return load


@pytest.fixture
def decodes(monkeypatch):
    """The files that are decoded from now on."""
    seen = []
    original = decoding_pool.decode

    def spy(file, image_size):
        seen.append(Path(file).name)
        return original(file, image_size)

    monkeypatch.setattr(decoding_pool, "decode", spy)
    return seen


def entry(tmp_path):
    (found,) = (tmp_path / "data" / "cache").iterdir()
    return found


# One file


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


# A folder


def test_images_labels_and_paths_belong_together(load, folder):
    data = load()
    assert data.train.class_names == ("cat", "dog")  # sorted
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.train.images[:, 0, 0, 0].tolist() == [50, 60, 70, 0, 10, 20]
    assert data.test.images[:, 15, 15, 2].tolist() == [150, 160, 170, 100, 110, 120]
    assert data.train.paths[4] == str(folder / "train" / "dog" / "1.png")
    assert all(Path(path).is_absolute() for path in data.test.paths)
    assert data.name == f"folder:{folder}" and data.warnings == () and data.train.masks is None


def test_relative_folder_gives_absolute_paths(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGHTLINE_DATA", raising=False)
    data = load_image_data("folder:images")
    assert data.name == "folder:images" and data.train.paths[0] == str(folder / "train" / "cat" / "0.png")
    assert (tmp_path / ".data" / "cache").is_dir()


def test_cache_lies_where_the_environment_says(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_DATA", str(tmp_path / "elsewhere"))
    load_image_data(f"folder:{folder}")
    assert (tmp_path / "elsewhere" / "cache").is_dir()


def test_class_names_are_kept_as_they_are(folder, load):
    names = ["<img src=x onerror=alert(1)>"[:10], ":red[x]", "naïve 猫", "a\nb"]
    for split in ("train", "test"):
        for name in names:
            shutil.copytree(folder / split / "cat", folder / split / name)
    assert set(load().train.class_names) == {"cat", "dog", *names}


def test_hidden_files_and_other_files_are_passed_over(folder, load):
    for name in (".DS_Store", "._0.png", "notes.txt", "Thumbs.db"):
        (folder / "train" / "cat" / name).write_bytes(b"x")
    (folder / "train" / ".ipynb_checkpoints").mkdir()
    (folder / "train" / "README.md").write_text("x")
    save(Image.new("L", (16, 16)), folder / "train" / "cat" / "UPPER.PNG")
    data = load()
    assert len(data.train) == 7 and data.warnings == ()


def test_folders_inside_a_class_are_reported(folder, load):
    save(Image.new("L", (16, 16)), folder / "train" / "cat" / "more" / "x.png")
    (warning,) = load().warnings
    assert "train/cat/more" in warning


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(32, 32)] * 3, 32),
        ([(28, 28)] * 3, 28),
        ([(200, 200)] * 3, 200),
        ([(512, 512)] * 3, 224),
        ([(640, 480), (480, 640)], 224),
        ([(100, 80), (90, 120)], 64),  # shorter sides 80 and 90; half of them reach 90, and so 64
        ([(96, 96), (96, 100)], 96),
        ([(20, 24), (28, 30)], 32),
    ],
)
def test_default_size(sizes, expected):
    assert default_image_size(sizes) == expected


def test_images_of_several_sizes_become_one(folder, load):
    save(Image.new("L", (100, 80), 7), folder / "train" / "cat" / "3.jpg")
    assert load(image_size=24).train.images.shape == (7, 24, 24, 3)
    assert load().train.images.shape == (7, 32, 32, 3)


@pytest.mark.parametrize("size", [0, -1, 5000])
def test_senseless_image_size_is_refused(load, size):
    with pytest.raises(DataError, match="between 8 and 1024"):
        load(image_size=size)


def test_many_small_files_in_worker_processes_give_the_same(load, monkeypatch, tmp_path):
    expected = load()
    shutil.rmtree(tmp_path / "data")
    monkeypatch.setattr(decoding_pool, "PROCESSES_FROM", 1)
    monkeypatch.setattr(decoding_pool, "BATCH", 2)
    monkeypatch.setattr(decoding_pool, "_available_cores", lambda: 2)
    data = load()
    assert data.train.fingerprint == expected.train.fingerprint
    assert data.test.fingerprint == expected.test.fingerprint


def test_worker_process_that_dies_is_done_without(load, monkeypatch):
    monkeypatch.setattr(decoding_pool, "PROCESSES_FROM", 1)
    monkeypatch.setattr(decoding_pool, "_available_cores", lambda: 2)
    monkeypatch.setattr(decoding_pool, "_WORKER", "raise SystemExit(1)")
    assert len(load().train) == 6


def test_progress_counts_to_the_total(load):
    calls = []
    load(progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (12, 12) and calls == sorted(calls)


# Broken images


def break_images(folder):
    whole = save(Image.effect_noise((64, 64), 50), folder / "whole.jpg").read_bytes()
    (folder / "train" / "cat" / "3.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "test" / "dog" / "1.png").write_bytes(b"")


def test_broken_images_are_named_counted_and_left_out(folder, load):
    break_images(folder)
    for _ in ("decoded", "cached"):
        data = load(image_size=16)
        (warning,) = data.warnings
        assert warning.startswith("2 of 13 images could not be read: ")
        assert "train/cat/3.jpg (truncated)" in warning and "test/dog/1.png (not an image" in warning
        assert data.train.images[:, 0, 0, 0].tolist() == [50, 60, 70, 0, 10, 20]
        assert data.test.images[:, 0, 0, 0].tolist() == [150, 160, 170, 100, 120]
        assert data.test.labels.tolist() == [0, 0, 0, 1, 1]
        assert [Path(path).name for path in data.test.paths[3:]] == ["0.png", "2.png"]
        labels = np.array([0, 0, 0, 1, 1])
        assert data.test.fingerprint == content_fingerprint(data.test.images, labels, ("cat", "dog"))


def test_strict_refuses_broken_images_decoded_or_cached(folder, load):
    break_images(folder)
    for _ in ("decoded", "cached"):
        with pytest.raises(DataError, match=r"2 of 13 .*train/cat/3\.jpg"):
            load(strict=True)
    assert load().warnings  # the cache does not depend on strict


def test_many_broken_images_are_summed_up(folder, load):
    for k in range(20):
        (folder / "train" / "cat" / f"b{k:02}.png").write_bytes(b"x")
    (warning,) = load().warnings
    assert "20 of 32" in warning and "b04.png" in warning and "b05.png" not in warning and "15 more" in warning


def test_class_whose_images_are_all_broken_counts_as_empty(folder, load):
    for file in (folder / "test" / "dog").iterdir():
        file.write_bytes(b"x")
    with pytest.raises(DataError, match="No readable image in test/dog"):
        load()


def test_link_to_nowhere_is_named_and_found_when_it_is_mended(folder, load, tmp_path):
    (folder / "train" / "cat" / "3.png").symlink_to(tmp_path / "later.png")
    assert "train/cat/3.png (no such file or directory)" in load().warnings[0]
    save(Image.new("L", (16, 16), 9), tmp_path / "later.png")
    assert load().train.images[3, 0, 0, 0] == 9


def test_file_that_could_not_be_opened_is_tried_again(folder, load, monkeypatch):
    original = decoding_pool.decode

    def refuse(file, image_size):
        if file.endswith("cat/1.png"):
            raise PermissionError(13, "Permission denied")
        return original(file, image_size)

    with monkeypatch.context() as refused:
        refused.setattr(decoding_pool, "decode", refuse)
        assert "permission denied" in load().warnings[0]
    assert load().warnings == ()


# The cache


def test_second_load_decodes_nothing_and_is_memory_mapped(load, decodes):
    first = load()
    assert len(decodes) == 12
    second = load()
    assert len(decodes) == 12
    assert isinstance(second.train.images.base, np.memmap) and not second.train.images.flags.writeable
    assert np.array_equal(first.train.images, second.train.images)
    assert first.train.fingerprint == second.train.fingerprint


@pytest.mark.parametrize("change", ["content", "time", "new", "gone", "renamed"])
def test_changed_folder_is_decoded_again(folder, load, decodes, change):
    before = load()
    file = folder / "train" / "cat" / "0.png"
    if change == "content":  # with size and time as they were, as by an archive unpacked over another
        status = file.stat()
        save(Image.new("L", (16, 16), 51), file)
        assert file.stat().st_size == status.st_size
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "time":
        os.utime(file, (1, 1))
    elif change == "new":
        shutil.copy(file, file.with_name("9.png"))
    elif change == "gone":
        file.unlink()
    else:
        file.rename(file.with_name("00.png"))
    decodes.clear()
    after = load()
    assert decodes
    unchanged_content = change in ("time", "renamed")
    assert (after.train.fingerprint == before.train.fingerprint) == unchanged_content


def test_other_image_size_is_another_entry(load):
    assert load(image_size=8).train.images.shape[1] == 8
    assert load(image_size=12).train.images.shape[1] == 12
    assert load(image_size=8).train.images.shape[1] == 8


def test_moved_folder_is_still_cached(folder, tmp_path, load, decodes):
    load()
    decodes.clear()
    folder.rename(tmp_path / "moved")
    data = load_image_data(f"folder:{tmp_path / 'moved'}", data_dir=tmp_path / "data")
    assert decodes == [] and data.train.paths[0] == str(tmp_path / "moved" / "train" / "cat" / "0.png")


@pytest.mark.parametrize("name", ["train.npy", "test.npy", "entry.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "other bytes", "folder"])
def test_damaged_entry_is_built_again(load, tmp_path, decodes, name, damage):
    expected = load().train.fingerprint
    file = entry(tmp_path) / name
    content = file.read_bytes()
    file.unlink()
    if damage == "empty":
        file.write_bytes(b"")
    elif damage == "truncated":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "other bytes":
        file.write_bytes(bytes(byte ^ 0x55 for byte in content))
    elif damage == "folder":
        file.mkdir()
    decodes.clear()
    data = load()
    assert decodes and data.warnings == () and data.train.fingerprint == expected
    decodes.clear()
    load()
    assert decodes == []


def test_changed_pixels_in_an_entry_are_noticed(load, tmp_path, decodes):
    load()
    file = entry(tmp_path) / "train.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    decodes.clear()
    assert load().train.images[-1, -1, -1, -1] == 20
    assert decodes


def test_copied_entry_is_used(load, tmp_path, decodes):
    load()
    os.utime(entry(tmp_path) / "train.npy", (1, 1))
    decodes.clear()
    load()
    assert decodes == []


@pytest.mark.parametrize("record", [[], {}, {"train": None, "test": 3}, "x"])
def test_entry_with_a_foreign_record_is_built_again(load, tmp_path, record):
    load()
    (entry(tmp_path) / "entry.json").write_text(json.dumps(record))
    assert len(load().train) == 6


def test_file_in_the_place_of_an_entry_is_replaced(load, tmp_path):
    load()
    place = entry(tmp_path)
    shutil.rmtree(place)
    place.write_text("x")
    assert load().warnings == () and place.is_dir()


def test_entry_built_meanwhile_by_another_process_is_left_alone(load, tmp_path):
    load()
    kept = entry(tmp_path)
    shutil.move(kept, tmp_path / "kept")

    def other_process_finishes(done, total):
        if done == total:
            shutil.move(tmp_path / "kept", kept)

    inode = (tmp_path / "kept").stat().st_ino
    assert len(load(progress=other_process_finishes).train) == 6
    assert kept.stat().st_ino == inode and entry(tmp_path) == kept


def test_interrupted_build_leaves_nothing_and_old_ones_are_swept(load, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(progress=interrupt)
    cache = tmp_path / "data" / "cache"
    assert list(cache.iterdir()) == []
    (cache / ".building-1-killed").mkdir()
    os.utime(cache / ".building-1-killed", (1, 1))
    (cache / ".building-2-running").mkdir()
    load()
    assert {path.name for path in cache.glob(".building-*")} == {".building-2-running"}


def test_cache_that_cannot_be_written_is_done_without(load, tmp_path, decodes):
    (tmp_path / "data").write_text("a file where the folder should be")
    for _ in range(2):
        data = load()
        assert len(data.train) == 6 and len(data.test) == 6
        (warning,) = data.warnings
        assert "could not be kept" in warning and "SIGHTLINE_DATA" in warning
    assert len(decodes) == 24


def test_full_disk_is_done_without(load, monkeypatch, tmp_path):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("image_data.folder_cache._npy_header", full)
    data = load()
    assert len(data.train) == 6 and "No space left" in data.warnings[0]
    assert list((tmp_path / "data" / "cache").iterdir()) == []


# A folder laid out otherwise


def test_missing_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(DataError, match="no folder .*train/<class>/"):
        load_image_data(f"folder:{tmp_path / 'nowhere'}", data_dir=tmp_path)


@pytest.mark.parametrize("split", ["train", "test"])
def test_missing_split_is_named(folder, load, split):
    shutil.rmtree(folder / split)
    with pytest.raises(DataError, match=f"no folder {split}"):
        load()


def test_split_without_classes_is_named(folder, load):
    shutil.rmtree(folder / "test")
    save(Image.new("L", (16, 16)), folder / "test" / "x.png")
    with pytest.raises(DataError, match="test has no class folders"):
        load()


def test_classes_that_differ_are_named(folder, load):
    (folder / "train" / "cat").rename(folder / "train" / "Cat")
    with pytest.raises(DataError, match="only train has Cat; only test has cat"):
        load()


def test_empty_classes_are_named(folder, load):
    shutil.rmtree(folder / "test" / "dog")
    (folder / "test" / "dog").mkdir()
    (folder / "test" / "dog" / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="No readable image in test/dog"):
        load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_folder_that_cannot_be_listed_is_named(folder, load):
    (folder / "train" / "cat").chmod(0)
    try:
        with pytest.raises(DataError, match="train/cat could not be listed"):
            load()
    finally:
        (folder / "train" / "cat").chmod(stat.S_IRWXU)
