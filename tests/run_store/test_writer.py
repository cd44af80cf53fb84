"""Writing run directories: whole files or none, one writer at a time, nothing overwritten."""

import errno
import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from filelock import lock_descriptor
from safetensors.torch import load_file
from torch import nn

from sightline.image_data import images
from sightline.image_data.images import Rows
from sightline.run_store import files
from sightline.run_store.files import is_locked, write_atomically
from sightline.run_store.metrics import METRICS_COLUMNS
from sightline.run_store.neighbours import unit_rows
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from tests.fabricated import ROOT
from tests.tiny_networks import Shared

HOSTILE = ("<img src=x onerror=alert(1)>", ":red[x]", "a,b\n\"c\"", "Ünï ☃", "\udce9 lone surrogate")  # fmt: skip
ROW = dict(zip(METRICS_COLUMNS, (1, 2.5, 0.25, 2.0, 1 / 3, 0.1, 30.5), strict=True))


def record(**changes):
    values = {
        "model": "resnet18_narrow", "layers": ("layer1", "layer4"), "dataset": "planted-shapes",
        "class_names": ("a", "b"), "fingerprints": {"train": "f", "test": "g"}, "image_counts": {"train": 4, "test": 2},
        "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.2), "input_size": 8, "parameters": 1, "recipe": {"epochs": 1},
        "seed": 0, "threads": 1, "device": "cpu", "created": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    return RunRecord(**(values | changes))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def disk_full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fill_disk_at(monkeypatch, name):
    """From now on there is no room for this file."""
    write = files.write_atomically

    def write_or_fail(file, content):
        (disk_full if file.name == name else write)(file, content)

    monkeypatch.setattr(files, "write_atomically", write_or_fail)


@pytest.fixture
def closed_folder(tmp_path):
    """A folder in which this process may write nothing, even if root started it."""
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)  # nobody
    yield folder
    if is_root:
        os.seteuid(0)


def test_a_failed_write_leaves_the_old_content_and_no_temporary_file(tmp_path, monkeypatch):
    file = tmp_path / "run.json"
    write_atomically(file, b"old")
    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, disk_full)
            with pytest.raises(OSError, match="No space"):
                write_atomically(file, b"new")
    assert (file.read_bytes(), names_in(tmp_path)) == (b"old", ["run.json"])


def test_pieces_are_written_one_after_another_and_a_failure_among_them_keeps_the_old_content(tmp_path):
    file = tmp_path / "images.npy"
    write_atomically(file, (part for part in (b"a", memoryview(b"bc"), b"")))
    assert file.read_bytes() == b"abc"

    def full_after_one():
        yield b"new"
        assert (tmp_path / f".images.npy.{os.getpid()}").exists()
        disk_full()

    with pytest.raises(OSError, match="No space"):
        write_atomically(file, full_after_one())
    assert (file.read_bytes(), names_in(tmp_path)) == (b"abc", ["images.npy"])


def test_an_atomic_write_replaces_the_content(tmp_path):
    write_atomically(tmp_path / "a", b"old")
    write_atomically(tmp_path / "a", b"new")
    assert ((tmp_path / "a").read_bytes(), names_in(tmp_path)) == (b"new", ["a"])


def test_a_reader_keeps_its_memory_map_while_the_file_is_replaced(tmp_path):
    np.save(tmp_path / "a.npy", np.array([1, 2]))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    write_atomically(tmp_path / "a.npy", b"")
    assert mapped.tolist() == [1, 2]


def test_a_new_run_is_running_until_its_writer_ends(tmp_path):
    with RunWriter.create(tmp_path / "deep" / "run", record()) as writer:
        assert (Run(writer.path).state, is_locked(writer.path)) == ("running", True)
        assert len(Run(writer.path).metrics()) == 0
    assert (Run(writer.path).state, is_locked(writer.path)) == ("interrupted", False)


def test_the_record_survives_the_round_trip_with_hostile_class_names_but_for_what_is_no_unicode(tmp_path):
    written = record(class_names=HOSTILE, recipe={"note": HOSTILE[0]}, packages={"torch": "2"})
    readable = tuple(name.replace("\udce9", "\ufffd") for name in HOSTILE)
    with RunWriter.create(tmp_path / HOSTILE[1], written) as writer:
        assert Run(writer.path).record == replace(written, class_names=readable) != written
    assert "<img src=x onerror=alert(1)>" in (writer.path / "run.json").read_text(encoding="utf-8")


def test_a_record_that_nobody_could_read_is_refused_before_anything_is_written(tmp_path):
    many = record(class_names=tuple(map(str, range(2**15))))
    with pytest.raises(RunError, match="run.json has 32,768 class_names, and there may be 32,767"):
        RunWriter.create(tmp_path / "run", many)
    assert not (tmp_path / "run").exists()


def test_metrics_survive_the_round_trip(tmp_path):
    with RunWriter.create(tmp_path / "run", record()) as writer:
        writer.append_metrics(ROW)
        writer.append_metrics(ROW | {"epoch": 2})
    first, second = Run(writer.path).metrics()
    assert (first.epoch, second.epoch, first.seconds, second.seconds) == (1, 2, 30.5, 30.5)
    assert (first.test_accuracy, second.test_accuracy) == pytest.approx((1 / 3, 1 / 3), rel=1e-7)


def test_a_figure_that_is_not_known_is_empty_in_the_file_and_no_number_when_read(tmp_path):
    with RunWriter.create(tmp_path / "run", record()) as writer:
        writer.append_metrics({"epoch": 3, "train_loss": 0.5, "test_loss": float("nan"), "seconds": float("inf")})
    assert (writer.path / "metrics.csv").read_text().split("\n")[1] == "3,0.5,,,,,inf"
    (epoch,) = Run(writer.path).metrics()
    assert epoch[:2] == (3, 0.5) and all(map(math.isnan, epoch[2:6])) and epoch.seconds == math.inf


def test_a_run_is_described_anew_once_more_is_known(tmp_path):
    with RunWriter.create(tmp_path / "run", record(model="", recipe={})) as writer:
        writer.append_metrics(ROW)
        writer.describe(record(model="resnet34"))
        assert (writer.record, Run(writer.path).record) == (record(model="resnet34"),) * 2
        assert (Run(writer.path).state, len(Run(writer.path).metrics())) == ("running", 1)
        with pytest.raises(RunError, match="cannot be written: its run.json"):
            writer.describe(record(class_names=("a", "a")))
        assert Run(writer.path).record == record(model="resnet34")


def test_predictions_make_a_run_complete(tmp_path):
    with RunWriter.create(tmp_path / "run", record()) as writer:
        writer.save_images(np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 8, 8), 4, np.uint8))
        assert Run(writer.path).state == "running"
        table = predictions_table(np.eye(2, dtype=np.float32), np.array([0, 0]))
        writer.complete(table, np.array([[1 / 3], [2.0]]))
    run = Run(writer.path)
    assert (run.state, run.record.state, len(run.predictions())) == ("complete", "complete", 2)
    assert run.masks()[:].max() == 4
    assert run.features()[:].tolist() == [[np.float16(1 / 3)], [2]]


@pytest.mark.parametrize("order", ["C", "F"])
def test_images_that_are_written_in_chunks_are_the_same_file_as_numpys(tmp_path, monkeypatch, order):
    monkeypatch.setattr(images, "CHUNK_BYTES", 2 * 8 * 8 * 3)
    pixels = np.asarray(np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8), order=order)
    np.save(tmp_path / "numpys.npy", np.ascontiguousarray(pixels))
    with RunWriter.create(tmp_path / "run", record()) as writer:
        writer.save_images(Rows(pixels, np.arange(5)), None)
    assert (writer.path / "images.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()


def test_new_predictions_remove_the_maps_that_explain_the_old_ones(tmp_path):
    table, seen = predictions_table(np.eye(2, dtype=np.float32), np.array([0, 0])), []
    with RunWriter.create(tmp_path / "run", record()) as writer:
        writer.save_images(np.zeros((2, 8, 8, 3), np.uint8), None)
        for _ in range(2):
            writer.complete(table, np.zeros((2, 1)))
            seen.append((writer.path / "maps").exists())
            (writer.path / "maps" / "gradcam" / "layer1").mkdir(parents=True)
            (writer.path / "maps" / "gradcam" / "layer1" / "label.npy").write_bytes(b"old")
    assert seen == [False, False]
    assert [name for name in names_in(writer.path) if "maps" in name] == ["maps"]  # and no trace of the removed ones


def test_a_run_is_never_overwritten(tmp_path):
    with RunWriter.create(tmp_path / "run", record(seed=1)):
        pass
    with pytest.raises(RunError, match="is not empty, and a run is never overwritten; choose another path"):
        RunWriter.create(tmp_path / "run", record(seed=2))
    assert Run(tmp_path / "run").record.seed == 1


def test_nothing_is_written_beside_foreign_files(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(RunError, match="not empty"):
        RunWriter.create(tmp_path, record())
    assert names_in(tmp_path) == ["holiday.jpg"]


def test_only_one_process_writes_a_run(tmp_path):
    path = tmp_path / "run"
    with RunWriter.create(path, record()), pytest.raises(RunError, match="Another process is writing"):
        RunWriter.reopen(path, record())
    with RunWriter.reopen(path, record()):
        assert is_locked(path)


@pytest.fixture
def looked_at(tmp_path, monkeypatch):
    """A run whose lock somebody who looks holds, until another waits for it."""
    with RunWriter.create(tmp_path / "run", record()) as writer:
        pass
    with open(writer.path / ".lock") as look:
        assert lock_descriptor(look.fileno(), blocking=False)
        monkeypatch.setattr(files.time, "sleep", lambda _: look.close())
        yield writer.path


def test_looking_at_the_lock_does_not_keep_a_writer_out(looked_at):
    with RunWriter.reopen(looked_at, record()):
        assert is_locked(looked_at)


def test_another_look_at_the_lock_is_not_taken_for_a_writer(looked_at):
    assert not is_locked(looked_at)


def test_a_killed_writer_leaves_a_run_that_can_be_opened_again(tmp_path):
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from sightline.run_store.record import parse_record; from sightline.run_store.writer import RunWriter\n"
        "writer = RunWriter.create(Path(sys.argv[1]), parse_record(sys.stdin.buffer.read()))\n"
        f"writer.append_metrics({ROW}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "run"
    command = [sys.executable, "-c", program, str(path)]
    subprocess.run(command, cwd=ROOT, input=record().to_json(), text=True)
    assert (Run(path).state, len(Run(path).metrics())) == ("interrupted", 1)
    with RunWriter.reopen(path, record()):
        assert Run(path).state == "running"


def test_a_folder_without_rights_is_a_sentence(closed_folder):
    with pytest.raises(RunError, match=r"Cannot write a run to .* \(Permission denied\); choose another path"):
        RunWriter.create(closed_folder / "run", record())
    with pytest.raises(RunError, match=r"Cannot write to .* \(Permission denied\); check its permissions"):
        RunWriter.reopen(closed_folder, record())


def test_a_path_below_a_file_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("keep me")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match="Cannot write a run to"):
            RunWriter.create(path, record())
    assert (tmp_path / "file").read_text() == "keep me"


@pytest.mark.parametrize("name", ["run.json", "metrics.csv"])
def test_a_run_that_found_no_room_to_begin_leaves_nothing(tmp_path, monkeypatch, name):
    fill_disk_at(monkeypatch, name)
    with pytest.raises(RunError, match="No space left on device"):
        RunWriter.create(tmp_path / "run", record())
    assert names_in(tmp_path) == []


def test_a_run_without_room_for_predictions_is_not_complete(tmp_path, monkeypatch):
    fill_disk_at(monkeypatch, "predictions.parquet")
    with RunWriter.create(tmp_path / "run", record()) as writer:
        with pytest.raises(OSError, match="No space"):
            writer.complete(predictions_table(np.eye(2, dtype=np.float32), np.array([0, 1])), np.zeros((2, 1)))
        writer.fail("No space left on device.")
    assert names_in(writer.path) == [".lock", "features.npy", "metrics.csv", "run.json"]
    assert (Run(writer.path).state, Run(writer.path).record.reason) == ("failed", "No space left on device.")


def test_weights_are_saved_contiguous_and_under_their_own_names(tmp_path):
    model = nn.Conv2d(3, 2, 3).to(memory_format=torch.channels_last)
    with RunWriter.create(tmp_path / "run", record()) as writer:
        writer.save_model(model)
    loaded = load_file(writer.path / "model.safetensors")
    assert loaded.keys() == {"weight", "bias"}
    assert loaded["weight"].is_contiguous() and torch.equal(loaded["weight"], model.weight)


def test_a_tensor_under_several_names_is_saved_under_each(tmp_path):
    model = Shared(2)
    model.register_buffer("spread", torch.tensor([7.0]).expand(3))
    with RunWriter.create(tmp_path / "run", record()) as writer:
        writer.save_model(model)
    loaded = load_file(writer.path / "model.safetensors")
    assert loaded.keys() == model.state_dict().keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())
    assert loaded["part"].tolist() == [2, 3, 4, 5] and loaded["spread"].tolist() == [7, 7, 7]


def test_the_weights_of_an_epoch_are_the_file_that_the_model_would_be(tmp_path):
    model = Shared(2)
    with RunWriter.create(tmp_path / "run", record()) as writer:
        writer.save_model(model)
        for epoch in (1, 20):
            writer.save_epoch(epoch, model.state_dict())
    assert names_in(writer.path / "epochs") == ["1.safetensors", "20.safetensors"]
    kept = {file.read_bytes() for file in (writer.path / "epochs").iterdir()}
    assert kept == {(writer.path / "model.safetensors").read_bytes()}


def test_no_weights_are_written_or_removed_through_a_link_of_a_stranger(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".1.safetensors.42").write_text("mine")
    with RunWriter.create(tmp_path / "run", record()) as writer:
        (writer.path / "epochs").symlink_to(elsewhere)
        with pytest.raises(RunError, match="epochs is a link, and no weights are written through it; remove it"):
            writer.save_epoch(1, {})
    with RunWriter.reopen(writer.path, writer.record):
        assert names_in(elsewhere) == [".1.safetensors.42"]
    (writer.path / "epochs").unlink()
    elsewhere.rename(writer.path / "epochs")
    with RunWriter.reopen(writer.path, writer.record):
        assert names_in(writer.path / "epochs") == []


def test_features_beyond_float16_keep_their_direction_and_are_counted(tmp_path):
    features = np.array(
        [[3, 4], [300_000, 400_000], [-3e38, 2.25e38], [3e-9, 4e-9], [0, 0], [np.nan, 70_000], [1, -np.inf]]
    )
    with RunWriter.create(tmp_path / "run", record()) as writer:
        table = predictions_table(np.tile(np.eye(2, dtype=np.float32)[:1], (7, 1)), np.zeros(7, np.int64))
        assert writer.complete(table, features.astype(np.float32)) == 4
    kept = np.load(writer.path / "features.npy")
    assert kept.dtype == np.float16 and kept[0].tolist() == [3, 4]
    np.testing.assert_allclose(unit_rows(kept[:4]), [[0.6, 0.8], [0.6, 0.8], [-0.8, 0.6], [0.6, 0.8]], atol=2**-11)
    assert kept[4].tolist() == [0, 0] and np.isnan(kept[5, 0]) and np.isfinite(kept[5, 1])
    assert kept[6].tolist() == [1, -np.inf]


def test_a_checkpoint_holds_nothing_but_tensors_and_numbers(tmp_path):
    with RunWriter.create(tmp_path / "run", record()) as writer:
        writer.save_checkpoint({"weight": torch.arange(3), "metrics": [[1, 0.5]]})
    loaded = torch.load(writer.path / "resume.pt", weights_only=True)
    assert loaded["weight"].tolist() == [0, 1, 2] and loaded["metrics"] == [[1, 0.5]]
