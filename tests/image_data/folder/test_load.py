"""Folders of images: what is read from them, and what is said about folders that are wrong."""

import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.image_data import DataError, content_fingerprint, load_image_data
from tests.image_files import content, save


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
    data = load_image_data("folder:images", image_size=16)
    assert data.name == "folder:images" and data.train.paths[0] == str(folder / "train" / "cat" / "0.png")
    assert (tmp_path / ".data" / "cache").is_dir()


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


def test_images_of_several_sizes_become_one(folder, load):
    save(Image.new("L", (100, 80), 7), folder / "train" / "cat" / "3.jpg")
    assert load(image_size=24).train.images.shape == (7, 24, 24, 3)


def test_image_size_of_a_folder_must_be_given(folder, tmp_path):
    with pytest.raises(DataError, match="give image_size"):
        load_image_data(f"folder:{folder}", data_dir=tmp_path / "data")


@pytest.mark.parametrize("size", [0, -1, 5000])
def test_senseless_image_size_is_refused(load, size):
    with pytest.raises(DataError, match="between 8 and 1024"):
        load(image_size=size)


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
    with pytest.raises(DataError, match=r"No readable image in test/dog .* 3 of 12 .*test/dog/0\.png \(not an image"):
        load()


def test_link_to_nowhere_is_named_and_found_when_it_is_mended(folder, load, tmp_path):
    (folder / "train" / "cat" / "3.png").symlink_to(tmp_path / "later.png")
    assert "train/cat/3.png (no such file or directory)" in load().warnings[0]
    save(Image.new("L", (16, 16), 9), tmp_path / "later.png")
    assert load().train.images[3, 0, 0, 0] == 9


def test_file_that_could_not_be_opened_is_tried_again(folder, load, monkeypatch):
    opened = Image.open

    def refuse(file, **options):
        if file.endswith("cat/1.png"):
            raise PermissionError(13, "Permission denied")
        return opened(file, **options)

    with monkeypatch.context() as refused:
        refused.setattr(Image, "open", refuse)
        assert "permission denied" in load().warnings[0]
    assert load().warnings == ()


def test_what_pillow_says_of_metadata_is_not_passed_on(folder, load, recwarn):
    whole = content(Image.new("L", (8, 8), 99), "JPEG")
    exif = b"\xff\xe1\0\x10Exif\0\0II*\0\xff\xff\xff\xff"
    (folder / "train" / "cat" / "3.jpg").write_bytes(whole[:2] + exif + whole[2:])
    assert len(load().train) == 7 and not recwarn.list


# A folder laid out otherwise


def test_missing_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(DataError, match="no folder .*train/<class>/"):
        load_image_data(f"folder:{tmp_path / 'nowhere'}", image_size=16, data_dir=tmp_path)


@pytest.mark.parametrize("split", ["train", "test"])
def test_missing_split_is_named(folder, load, split):
    shutil.rmtree(folder / split)
    with pytest.raises(DataError, match=f"no folder {split}, but {'train' if split == 'test' else 'test'};"):
        load()


def test_folders_laid_out_in_other_ways_are_named(folder, tmp_path):
    def sentence():
        with pytest.raises(DataError) as error:
            load_image_data(f"folder:{folder}", image_size=16, data_dir=tmp_path)
        return str(error.value)

    (folder / "test").rename(folder / "holdout")
    assert "has no folder test, but holdout, train; it must hold" in sentence()
    shutil.rmtree(folder)
    save(Image.new("L", (16, 16)), folder / "a.png")
    assert "has no folder train, but 1 image; it must hold" in sentence()
    (folder / "dog\n").mkdir()
    assert "has no folder train, but dog\\n and 1 image; it must hold" in sentence()


def test_split_without_classes_is_named(folder, load):
    shutil.rmtree(folder / "test")
    save(Image.new("L", (16, 16)), folder / "test" / "x.png")
    with pytest.raises(DataError, match="test has no class folders, but 1 image"):
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


@pytest.mark.parametrize("place", ["train/caf\udce9/x.png", "test/cat/caf\udce9.png", "train/cat/caf\udce9/x.png"])
def test_name_that_is_not_utf8_is_shown_escaped(folder, load, place):
    try:
        save(Image.new("L", (16, 16)), folder / place)  # os.fsencode writes the surrogate as the byte E9
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match=r"caf\\udce9.*rename it") as error:
        load()
    assert str(error.value).isascii()


def test_folder_whose_own_name_is_not_utf8_is_refused(folder, tmp_path):
    foreign = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.rename(foreign)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(DataError, match=r"caf\\udce9.*rename it"):
        load_image_data(f"folder:{foreign}", image_size=16, data_dir=tmp_path / "data")
