"""The cache of decoded folders: when it is used, when it is built again, and what may be wrong with it."""

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.image_data import DataError, load_image_data
from tests.fabricated import ROOT
from tests.image_files import save


@pytest.fixture
def decodes(monkeypatch):
    """The files that Pillow opens from now on."""
    seen, opened = [], Image.open
    monkeypatch.setattr(Image, "open", lambda file, **options: seen.append(Path(file).name) or opened(file, **options))
    return seen


def entry(tmp_path):
    (found,) = (tmp_path / "data" / "cache").iterdir()
    return found


def test_cache_lies_where_the_environment_says(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGHTLINE_DATA", str(tmp_path / "elsewhere"))
    load_image_data(f"folder:{folder}", image_size=16)
    assert (tmp_path / "elsewhere" / "cache").is_dir()


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
    data = load_image_data(f"folder:{tmp_path / 'moved'}", image_size=16, data_dir=tmp_path / "data")
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


@pytest.mark.parametrize("end", [signal.SIGKILL, None])
def test_what_a_killed_process_was_building_goes_at_once_and_what_a_living_one_builds_stays(load, tmp_path, end):
    program = "import sys; from pathlib import Path; from sightline.image_data.folder.room import *\n"
    program += "lock = hold(unfinished_folder(Path(sys.argv[1]))); print(lock.name, flush=True); sys.stdin.read()"
    cache = tmp_path / "data" / "cache"
    cache.mkdir(parents=True)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program, cache], cwd=ROOT, **pipes) as process:
        building = Path(process.stdout.readline().strip()).parent
        os.utime(building, (1, 1))
        if end:
            process.send_signal(end)
            process.wait()
        load()
        assert building.exists() == (end is None)
        process.kill()


def test_cache_that_cannot_be_written_is_done_without(load, tmp_path, decodes):
    (tmp_path / "data").write_text("a file where the folder should be")
    for _ in range(2):
        data = load()
        assert len(data.train) == 6 and len(data.test) == 6
        (warning,) = data.warnings
        assert "could not be kept" in warning and "SIGHTLINE_DATA" in warning
    assert len(decodes) == 24


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_disk_that_becomes_full_is_a_sentence_and_leaves_nothing(load, monkeypatch, tmp_path, code):
    class FullDisk(io.BytesIO):
        def write(self, content):
            raise OSError(code, os.strerror(code))

    opened = open
    monkeypatch.setattr(
        "builtins.open", lambda file, mode="r", **options: FullDisk() if mode == "wb" else opened(file, mode, **options)
    )
    with pytest.raises(DataError, match=rf"became full \({os.strerror(code)}\).*SIGHTLINE_DATA"):
        load()
    assert list((tmp_path / "data" / "cache").iterdir()) == []


def test_entry_being_built_has_its_full_length_from_the_start(load, tmp_path):
    """So that another process that looks for room meanwhile sees what is needed."""
    lengths = []

    def look(done, total):
        files = (tmp_path / "data" / "cache").glob(".building-*/*.npy")
        lengths.append(sorted(file.stat().st_size for file in files))

    load(progress=look)
    assert lengths[0] == [file.stat().st_size for file in entry(tmp_path).glob("*.npy")] == [128 + 6 * 16 * 16 * 3] * 2
