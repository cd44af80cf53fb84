"""The cache has a bound: what goes, what stays, and how images are read for which there is no room."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from sightline.image_data import DataError, ImageData, content_fingerprint, hold_out, load_image_data
from sightline.image_data.folder import decoding_pool, room
from sightline.image_data.folder import load as load_module
from sightline.image_data.folder.file_images import FileImages
from tests.fabricated import ROOT
from tests.image_files import save, save_folder

BYTES = 12 * 16 * 16 * 3  # of the decoded `folder`
ENTRY = BYTES + 2 * 128 + 304  # of its entry, with two headers and a record of at most so many


@pytest.fixture
def large(monkeypatch):
    """However small: nothing is decoded into memory for want of room; nor by processes, which take long to start."""
    monkeypatch.setattr(load_module, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(decoding_pool, "_available_cores", lambda: 1)


@pytest.fixture
def allow(monkeypatch):
    """Let the cache hold so many bytes."""
    return lambda size: monkeypatch.setenv("SIGHTLINE_CACHE_GB", f"{size / 1e9:.9f}")


@pytest.fixture
def another(tmp_path):
    """Load another folder of the same images into the same cache: entry `number`, last used in that second."""

    def another(number):
        images = save_folder(tmp_path / f"images{number}")
        before = entries(tmp_path)
        data = load_image_data(f"folder:{images}", image_size=16, data_dir=tmp_path / "data")
        (new,) = entries(tmp_path) - before
        del data
        gc.collect()
        os.utime(tmp_path / "data" / "cache" / new, (number, number))
        return new

    return another


@pytest.fixture
def opened(monkeypatch):
    """The files that Pillow opens from now on."""
    seen, opening = [], Image.open
    monkeypatch.setattr(Image, "open", lambda file, **options: seen.append(file) or opening(file, **options))
    return seen


USER = """
import sys
from pathlib import Path
from sightline.image_data import load_image_data
data = load_image_data(f"folder:{sys.argv[1]}", image_size=16, data_dir=Path(sys.argv[2]))
print("loaded", flush=True)
sys.stdin.read()
"""


def entries(tmp_path):
    cache = tmp_path / "data" / "cache"
    return {folder.name for folder in cache.iterdir() if folder.is_dir()} if cache.exists() else set()


def test_the_entries_used_longest_ago_make_room(load, another, allow, tmp_path):
    oldest, older, newest = (another(number) for number in (1, 2, 3))
    allow(3 * ENTRY)
    assert load().warnings == ()
    assert oldest not in entries(tmp_path) and {older, newest} < entries(tmp_path)
    allow(ENTRY)
    shutil.rmtree(tmp_path / "data" / "cache" / newest)
    another(4)
    assert len(entries(tmp_path)) == 1


def test_an_entry_that_is_read_again_becomes_the_last_to_go(another, load, allow, tmp_path):
    first, second = another(1), another(2)
    load_image_data(f"folder:{tmp_path / 'images1'}", image_size=16, data_dir=tmp_path / "data")
    allow(2.5 * ENTRY)
    load()
    assert first in entries(tmp_path) and second not in entries(tmp_path)


def test_an_entry_in_use_by_another_process_stays_until_that_has_ended(another, load, allow, tmp_path, large):
    used = another(1)
    command = [sys.executable, "-c", USER, tmp_path / "images1", tmp_path / "data"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"loaded\n"
        allow(1.5 * ENTRY)
        (warning,) = load().warnings
        assert "are in use" in warning and "SIGHTLINE_CACHE_GB" in warning and entries(tmp_path) == {used}
    finally:
        process.send_signal(signal.SIGKILL)  # which leaves its lock behind
        process.communicate()
    assert load().warnings == () and used not in entries(tmp_path)


def test_an_entry_in_use_by_this_process_stays_until_its_images_are_gone(another, load, allow, tmp_path, large):
    used = another(1)
    data = load_image_data(f"folder:{tmp_path / 'images1'}", image_size=16, data_dir=tmp_path / "data")
    allow(1.5 * ENTRY)
    assert load().warnings and entries(tmp_path) == {used}
    chosen = hold_out(data, 2).test
    del data
    gc.collect()
    assert load().warnings and chosen.images[0].shape == (16, 16, 3)
    del chosen
    gc.collect()
    assert load().warnings == () and used not in entries(tmp_path)


def test_an_entry_that_may_only_be_read_is_read(load, monkeypatch, opened):
    load()
    opened.clear()
    monkeypatch.setattr(os, "utime", Mock(side_effect=PermissionError(13, "Permission denied")))
    assert load().warnings == () and opened == []


def test_nothing_goes_in_vain_nor_what_is_not_an_entry_or_being_built(another, load, allow, tmp_path, large):
    kept = another(1)
    allow(BYTES - 1)
    load()
    assert entries(tmp_path) == {kept}
    foreign = [tmp_path / "data" / "cache" / name for name in (".building-1-running", "mine")]
    for folder in foreign:
        folder.mkdir()
        (folder / "x").write_bytes(bytes(ENTRY))
    allow(3 * ENTRY)
    assert load().warnings == ()
    assert kept not in entries(tmp_path) and all(folder.is_dir() for folder in foreign)


def test_room_is_left_on_the_disk_and_old_entries_make_it(another, load, monkeypatch, tmp_path):
    gone = another(1)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(room.SPARE_BYTES + BYTES // 2))
    assert load().warnings == () and gone not in entries(tmp_path)


def test_the_disk_is_looked_at_before_anything_is_decoded(load, monkeypatch, tmp_path, large):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(room.SPARE_BYTES + BYTES - 1))
    monkeypatch.setattr(load_module.folder_cache, "build_entry", lambda *_: pytest.fail("it was written"))
    (warning,) = load().warnings
    assert "to spare" in warning and "larger disk" in warning and entries(tmp_path) == set()


@pytest.mark.parametrize("words", ["abc", "-1", "nan"])
def test_a_bound_that_is_no_number_is_a_sentence(load, monkeypatch, words):
    monkeypatch.setenv("SIGHTLINE_CACHE_GB", words)
    with pytest.raises(DataError, match=f"0 or more, not '{words}'"):
        load()


@pytest.mark.parametrize("words", ["", "inf", "1e30", "0.5"])
def test_bounds_that_are_large_enough(load, monkeypatch, words):
    monkeypatch.setenv("SIGHTLINE_CACHE_GB", words)
    assert load().warnings == ()


# Images for which there is no room


def assert_same(data: ImageData, expected: ImageData):
    for split, other in ((data.train, expected.train), (data.test, expected.test)):
        assert np.array_equal(split.images[:], other.images[:])
        assert split.fingerprint == other.fingerprint and split.paths == other.paths
        assert split.labels.tolist() == other.labels.tolist()
        assert split.fingerprint == content_fingerprint(split.images, split.labels, split.class_names)


@pytest.mark.parametrize("broken", [False, True])
def test_images_without_room_are_decoded_when_asked_for_as_the_cached_ones(folder, load, allow, large, opened, broken):
    if broken:
        (folder / "train" / "cat" / "00.png").write_bytes(b"x")
    cached = load()
    allow(0)
    shutil.rmtree(next((folder.parent / "data" / "cache").iterdir()))
    data = load()
    assert isinstance(data.train.images, FileImages)
    assert "each time they are needed" in data.warnings[0] and data.warnings[1:] == cached.warnings
    assert_same(data, cached)
    opened.clear()
    assert data.train.images[[4, 1]].shape == (2, 16, 16, 3)
    assert opened == [data.train.paths[4], data.train.paths[1]]
    held_out = hold_out(data, 2)
    assert_same(held_out, hold_out(cached, 2))


def test_the_second_start_decodes_nothing_before_it_is_asked_for(load, allow, large, opened, tmp_path):
    allow(0)
    first = load()
    opened.clear()
    again = load()
    assert opened == [] and again.train.fingerprint == first.train.fingerprint
    (checked,) = (tmp_path / "data" / "cache").glob("*.json")
    checked.write_text(json.dumps({"train": 3}))
    assert load().test.fingerprint == first.test.fingerprint and opened


def test_images_are_cached_once_there_is_room(load, allow, large, opened):
    allow(0)
    load()
    allow(2 * ENTRY)
    assert load().warnings == ()
    opened.clear()
    load()
    assert opened == []


def test_small_images_without_room_are_kept_in_memory(load, allow, opened):
    allow(0)
    data = load()
    assert "every start decodes them again" in data.warnings[0] and type(data.train.images) is np.ndarray
    assert len(opened) == 12


def test_a_broken_image_is_found_before_the_first_one_is_asked_for(folder, load, allow, large):
    (folder / "test" / "dog" / "1.png").write_bytes(b"x")
    allow(0)
    assert "test/dog/1.png" in load().warnings[-1]
    with pytest.raises(DataError, match="test/dog/1.png"):
        load(strict=True)


def test_an_image_that_goes_meanwhile_is_named(folder, load, allow, large):
    allow(0)
    data = load()
    (folder / "train" / "dog" / "0.png").unlink()
    assert data.train.images[2].shape == (16, 16, 3)
    with pytest.raises(DataError, match=r"train/dog/0.png could be read before, but no longer \(no such file"):
        data.train.images[:]


def test_a_batch_is_divided_among_worker_processes_that_end_with_the_images(folder, monkeypatch):
    for number in range(20):
        save(Image.new("L", (16, 16), number), folder / "train" / "cat" / f"more{number:02}.png")
    files = sorted(map(str, folder.glob("train/*/*.png")))
    monkeypatch.setattr(decoding_pool, "_available_cores", lambda: 2)
    images = FileImages(files, 16)
    pixels = images[np.arange(len(files))[::-1]]
    assert len(images._pool._processes) == 2
    expected = [np.asarray(Image.open(file).convert("RGB")) for file in reversed(files)]
    assert np.array_equal(pixels, np.stack(expected))
    processes = images._pool._processes
    del images
    gc.collect()
    assert all(process.poll() is not None for process in processes)
