"""Opening the files of a run that a stranger made: regular files inside the run only, without waiting."""

import os
import shutil
from contextlib import closing

import numpy as np
import pytest

from sightline.run_store import files
from sightline.run_store.checkpoint import read_checkpoint
from sightline.run_store.files import FileError, open_file
from sightline.run_store.left_out import left_out
from sightline.run_store.maps import MapsWriter, read_map
from sightline.run_store.quality import read_quality, read_values
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from tests.app_pages import edit_record

READERS = {
    files.METRICS: lambda run: run.metrics(),
    files.NOTE: lambda run: run.note(),
    files.PREDICTIONS: lambda run: run.predictions(),
    files.IMAGES: lambda run: run.images(),
    files.MASKS: lambda run: run.masks(),
    files.FEATURES: lambda run: run.features(),
    files.MODEL: lambda run: run.load_model(),
    files.CHECKPOINT: read_checkpoint,
    files.QUALITY: read_quality,
    files.QUALITY_VALUES: read_values,
    files.HISTORY: Run.history,
    files.epoch_weights(1): lambda run: Run(run.path, epoch=1).load_model(),
    files.WITHOUT: left_out,
    "maps/gradcam/layer4/predicted.npy": lambda run: read_map(run, "gradcam", "layer4", "predicted", 0),
    files.RECORD: lambda run: run.record,
}
MADE = {
    "pipe": os.mkfifo,
    "device": lambda file: file.symlink_to("/dev/zero"),
    "link out of the run": lambda file: file.symlink_to("/etc/passwd"),
    "loop": lambda file: file.symlink_to(file),
    "folder": os.mkdir,
}


@pytest.fixture
def run(fabricated, tmp_path):
    """A run with every file that one can have."""
    path = shutil.copytree(fabricated, tmp_path / "runs" / "run")
    edit_record(path, recipe={"without": "list.csv"})
    return Run(path)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_of_the_run_is_refused_at_once_and_named(run, name, kind):
    file = run.path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    MADE[kind](file)
    if name.startswith("maps"):
        shutil.copy(run.path / files.IMAGES, file.with_name("predicted.scale.npy"))
    may_lack = {files.METRICS, files.NOTE, files.MASKS, files.QUALITY, files.QUALITY_VALUES}
    may_lack |= {files.CHECKPOINT, files.HISTORY}
    if kind == "loop" and name in may_lack:
        return  # a link to nowhere is no file
    with pytest.raises(RunError, match=name.rpartition("/")[2]):
        READERS[name](run)


def test_the_lock_of_a_stranger_is_not_waited_for(run):
    (run.path / files.LOCK).unlink()
    os.mkfifo(run.path / files.LOCK)
    assert not files.is_locked(run.path)


def test_a_link_to_another_file_of_the_run_and_a_link_to_the_run_are_followed(run, tmp_path):
    (run.path / "thumbnails.npy").write_bytes((run.path / files.IMAGES).read_bytes())
    (run.path / files.IMAGES).unlink()
    (run.path / files.IMAGES).symlink_to("thumbnails.npy")
    (tmp_path / "linked").symlink_to(run.path)
    assert Run(tmp_path / "linked").state == "complete" and Run(tmp_path / "linked").images()[0].shape == (32, 32, 3)


def test_a_file_of_another_run_whose_name_begins_alike_is_outside(run):
    shutil.copytree(run.path, run.path.with_name("runner"))
    (run.path / files.NOTE).symlink_to(run.path.with_name("runner") / files.METRICS)
    with pytest.raises(FileError, match="leads out of the run"):
        open_file(run.path, files.NOTE)


@pytest.mark.parametrize("name", [files.RECORD, files.METRICS, files.NOTE, files.QUALITY, files.HISTORY, files.WITHOUT])
def test_a_text_larger_than_any_of_ours_is_not_read(run, name):
    with open(run.path / name, "ab") as stream:
        stream.truncate(files.MOST_BYTES[name] + 1)
    with pytest.raises(RunError, match=f"{name} is larger than"):
        READERS[name](run)


def test_the_weights_of_an_epoch_are_bound_as_those_of_the_run_are(run):
    (run.path / files.EPOCHS).mkdir()
    with open(run.path / files.epoch_weights(3), "wb") as stream:
        stream.truncate(files.MOST_BYTES[files.MODEL] + 1)
    with pytest.raises(FileError, match="is larger than 16,777,216 KiB"):
        open_file(run.path, files.epoch_weights(3))


def test_rows_of_an_array_are_those_of_numpy(run):
    whole, stored = np.load(run.path / files.IMAGES), run.images()
    assert (stored.shape, stored.dtype, stored.ndim, len(stored)) == (whole.shape, whole.dtype, whole.ndim, len(whole))
    for rows in (
        0,
        -1,
        slice(None),
        slice(2, 9, 3),
        slice(5, 1, -2),
        [],
        [3, 4, 5, 0, 0],
        np.arange(12) % 5 == 0,
        [-2],
    ):
        expected = whole[[] if isinstance(rows, list) and not rows else rows]
        np.testing.assert_array_equal(stored[rows], expected)
    np.testing.assert_array_equal(stored, whole)
    for rows in (12, -13, [0, 12]):
        with pytest.raises(IndexError):
            stored[rows]


@pytest.mark.parametrize("change", [lambda array: array[:5], lambda array: array.astype(np.uint16)])
def test_an_array_that_is_rewritten_in_place_ends_in_an_error_and_not_in_the_end_of_the_process(run, change):
    """As by `cp -r` onto a run; a memory map would end in SIGBUS."""
    stored = run.images()
    with closing(open_file(run.path, files.IMAGES)) as kept:
        content = change(np.load(kept))
    with open(run.path / files.IMAGES, "r+b") as stream:
        stream.truncate(0)
        with pytest.raises(RunError, match="has changed"):
            stored[3]
        np.save(stream, content)
    with pytest.raises(RunError, match="images.npy has changed while it was read; look again"):
        stored[3]


def test_what_is_written_does_not_follow_links_of_a_stranger(run, tmp_path):
    private = tmp_path / "private"
    private.write_text("mine")
    (run.path / f".{files.NOTE}.{os.getpid()}").symlink_to(private)
    files.write_atomically(run.path / files.NOTE, b"{}")
    assert private.read_text() == "mine" and (run.path / files.NOTE).read_bytes() == b"{}"
    new = tmp_path / "new"
    (run.path / files.LOCK).unlink(missing_ok=True)
    (run.path / files.LOCK).symlink_to(new)
    with pytest.raises(OSError, match="link"):
        files.take_lock(run.path)
    assert not new.exists() and not files.is_locked(run.path)


def test_maps_are_written_inside_the_run_only(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder = run.path / files.MAPS / "gradcam"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "layer4").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="holds a link that leads out of the run"):
        MapsWriter(run, "gradcam", "layer4", "label", (4, 4))
    (folder / "layer4").unlink()
    (folder / "layer4").mkdir()
    private = tmp_path / "private"
    private.write_text("mine")
    for name in ("label.npy", "label.scale.npy"):
        (folder / "layer4" / f".{name}.partial.new").symlink_to(private)
    MapsWriter(run, "gradcam", "layer4", "label", (4, 4))
    assert private.read_text() == "mine"
