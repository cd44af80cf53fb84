"""Reading run directories in every condition that a crash, a copy or an editor leaves behind."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sightline.image_data.decode import decode_image
from sightline.model_zoo import build_model
from sightline.run_store.metrics import METRICS_COLUMNS
from sightline.run_store.record import RunError
from sightline.run_store.run import Run, list_runs
from tests.fabricated import keep_thumbnails

READERS = {
    "record": lambda run: run.record,
    "metrics": lambda run: run.metrics(),
    "predictions": lambda run: run.predictions(),
    "images": lambda run: run.images(),
    "masks": lambda run: run.masks(),
    "features": lambda run: run.features(),
    "model_images": lambda run: run.model_images([0]),
    "load_model": lambda run: run.load_model(),
}
# Which readers cannot do without a file; all others must go on working.
NEEDED_BY = {
    "run.json": {"record", "predictions", "model_images", "load_model"},
    "metrics.csv": {"metrics"},
    "images.npy": {"images", "predictions", "masks", "features", "model_images"},
    "masks.npy": {"masks"},
    "features.npy": {"features"},
    "predictions.parquet": {"predictions"},
    "model.safetensors": {"load_model"},
    "resume.pt": set(),
}
DAMAGED = {"run.json", "images.npy", "predictions.parquet"}  # without these a run is not complete
MISSING_IS_FINE = {"metrics.csv", "masks.npy"}


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def fill_with_other_bytes(file):
    file.write_bytes(np.random.default_rng(0).bytes(file.stat().st_size))


def turn_into_folder(file):
    file.unlink()
    file.mkdir()


DAMAGES = {
    "missing": lambda file: file.unlink(),
    "empty": lambda file: file.write_bytes(b""),
    "truncated": truncate,
    "other bytes": fill_with_other_bytes,
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "text": lambda file: file.write_text("[" * 100_000),
    "zip": lambda file: file.write_bytes(b"PK\3\4" + bytes(100)),
    "numpy": lambda file: np.save(file.open("wb"), np.zeros((2, 2))),
    "folder": turn_into_folder,
}
LOCK = (
    "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print('locked', flush=True); input()"
)


@pytest.fixture
def lock_holder(tiny_run_copy):
    """Another process that holds the lock of `tiny_run_copy`."""
    command = [sys.executable, "-c", LOCK, str(tiny_run_copy / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def edit_record(path, **changes):
    content = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(content | changes))


def as_in_training(path, **changes):
    """Make the run look as while it was trained: no weights and no predictions yet."""
    for name in ("model.safetensors", "features.npy", "predictions.parquet"):
        (path / name).unlink()
    edit_record(path, state="running", **changes)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", NEEDED_BY)
def test_a_damaged_file_ends_in_a_sentence_and_harms_nothing_else(tiny_run_copy, name, damage):
    np.save(tiny_run_copy / "masks.npy", np.ones((64, 32, 32), np.uint8))
    DAMAGES[damage](tiny_run_copy / name)
    refusing = set()
    for reader, read in READERS.items():
        try:
            read(Run(tiny_run_copy))
        except RunError as error:
            assert name in str(error) or name == "run.json"
            refusing.add(reader)
    # Half of metrics.csv is its header and a torn line: no epoch is readable, but nothing is wrong.
    fine = (damage == "missing" and name in MISSING_IS_FINE) or (damage == "truncated" and name == "metrics.csv")
    assert refusing == (set() if fine else NEEDED_BY[name])
    assert Run(tiny_run_copy).state == ("damaged" if name in DAMAGED else "complete")
    is_listed = not (name == "run.json" and damage in ("missing", "folder"))
    assert [run.name for run in list_runs(tiny_run_copy.parent)] == ["tiny"] * is_listed


def test_a_run_in_order_is_complete_and_says_what_it_holds(tiny_run):
    run = Run(tiny_run)
    assert (run.name, run.state, run.record.model) == ("tiny", "complete", "resnet18_narrow")
    assert [row.epoch for row in run.metrics()] == [1, 2]
    assert run.masks() is None


def test_a_locked_run_without_predictions_is_running(tiny_run_copy, lock_holder):
    as_in_training(tiny_run_copy)
    assert Run(tiny_run_copy).state == "running"


def test_the_lock_of_a_dead_process_does_not_hold(tiny_run_copy, lock_holder):
    as_in_training(tiny_run_copy)
    lock_holder.kill()
    lock_holder.wait()
    assert Run(tiny_run_copy).state == "interrupted"


def test_a_copy_of_a_run_in_training_is_interrupted(tiny_run_copy, lock_holder, tmp_path):
    as_in_training(tiny_run_copy)
    assert Run(shutil.copytree(tiny_run_copy, tmp_path / "copy")).state == "interrupted"


def test_a_failed_run_keeps_its_reason(tiny_run_copy):
    as_in_training(tiny_run_copy)
    edit_record(tiny_run_copy, state="failed", reason="the loss is not finite")
    run = Run(tiny_run_copy)
    assert (run.state, run.record.reason) == ("failed", "the loss is not finite")


def test_a_run_that_lost_a_file_says_how_to_get_it_back(tiny_run_copy):
    (tiny_run_copy / "predictions.parquet").unlink()
    with pytest.raises(RunError, match=f"lost its.*sightline evaluate --run {tiny_run_copy}"):
        Run(tiny_run_copy).predictions()


def test_predictions_of_another_length_than_the_images_are_refused(tiny_run_copy):
    file = tiny_run_copy / "predictions.parquet"
    pq.write_table(pq.read_table(file).slice(0, 60), file)
    with pytest.raises(RunError, match="60 rows but images.npy 64 images"):
        Run(tiny_run_copy).predictions()
    assert Run(tiny_run_copy).state == "damaged"


@pytest.mark.parametrize(
    ("reader", "array", "says"),
    [
        ("masks", np.zeros((63, 32, 32), np.uint8), "does not match images.npy"),
        ("masks", np.zeros((64, 16, 16), np.uint8), "does not match images.npy"),
        ("features", np.zeros((63, 4), np.float16), "does not match images.npy"),
        ("images", np.zeros((64, 32, 32, 1), np.uint8), "does not hold square RGB images"),
        ("images", np.zeros((64, 32, 16, 3), np.uint8), "does not hold square RGB images"),
        ("images", np.zeros((1, 1025, 1025, 3), np.uint8), "does not hold square RGB images"),
        ("images", np.zeros((64, 0, 0, 3), np.uint8), "does not hold rows of numbers"),
        ("images", np.zeros((0, 32, 32, 3), np.uint8), "does not hold rows of numbers"),
        ("features", np.zeros((64, 0), np.float16), "does not hold rows of numbers"),
        ("features", np.zeros((64, 2**17 + 1), np.float16), "has more than 131,072 values an image"),
    ],
)
def test_arrays_that_do_not_fit_the_images_are_refused(tiny_run_copy, reader, array, says):
    np.save(tiny_run_copy / f"{reader}.npy", array)
    with pytest.raises(RunError, match=says):
        READERS[reader](Run(tiny_run_copy))


@pytest.fixture
def large_run(fabricated, tmp_path, random_numbers):
    """A run of thumbnails, and its originals."""
    originals = [tmp_path / f"{number}.png" for number in range(12)]
    for file in originals:
        Image.fromarray(random_numbers.integers(0, 256, (130, 120, 3), dtype=np.uint8)).save(file)
    path = shutil.copytree(fabricated, tmp_path / "runs" / "large")
    edit_record(path, input_size=112)
    keep_thumbnails(path, originals, 112)
    table = pq.read_table(path / "predictions.parquet")
    pq.write_table(table.append_column("path", pa.array(map(str, originals))), path / "predictions.parquet")
    return Run(path), originals


def test_an_original_is_shown_where_its_thumbnail_is_the_one_that_the_run_keeps(large_run):
    run, originals = large_run
    expected = np.stack([decode_image(originals[row], 112) for row in (3, 1)])
    np.testing.assert_array_equal(run.model_images([3, 1]), expected)


def hide_the_end(file):
    """A picture that is almost the same."""
    pixels = np.array(Image.open(file))
    pixels[60:70, 60:70] = 255 - pixels[60:70, 60:70]
    Image.fromarray(pixels).save(file)


@pytest.mark.parametrize(
    "replace",
    [os.remove, hide_the_end, lambda file: file.write_bytes(b"text"), lambda file: (file.unlink(), os.mkfifo(file))],
)
def test_no_other_picture_of_the_disk_is_shown_and_the_sentence_does_not_tell_whether_there_is_one(large_run, replace):
    run, originals = large_run
    replace(originals[3])
    with pytest.raises(RunError, match=f"{originals[3]} is missing, cannot be read, or shows something else. Put"):
        run.model_images([3])


def test_a_thumbnail_smaller_than_ours_proves_nothing(large_run):
    """The mean colour of a private picture can be guessed."""
    run, originals = large_run
    means = [decode_image(file, 112).mean(axis=(0, 1), keepdims=True).round() for file in originals]
    np.save(run.path / "images.npy", np.stack(means).astype(np.uint8))
    with pytest.raises(RunError, match="shows something else"):
        Run(run.path).model_images([3])


def test_a_flipped_byte_in_the_predictions_is_noticed(tiny_run_copy):
    file = tiny_run_copy / "predictions.parquet"
    chunk = pq.ParquetFile(file).metadata.row_group(0).column(3)  # confidence
    content = bytearray(file.read_bytes())
    content[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(RunError, match="cannot be read"):
        Run(tiny_run_copy).predictions()


def test_a_torn_last_line_of_the_metrics_is_left_out(tiny_run_copy):
    file = tiny_run_copy / "metrics.csv"
    whole = Run(tiny_run_copy).metrics()
    for torn in ("3", "3,0.5,0.4", "3,0.5,0.4,0.3,0.2,0.1,9"):
        file.write_text("\n".join(file.read_text().split("\n")[:3]) + "\n" + torn)
        assert Run(tiny_run_copy).metrics() == whole


HEADER = ",".join(METRICS_COLUMNS)


@pytest.mark.parametrize(
    "text",
    [
        "time,loss\n1,2\n", f"x{HEADER}\n", f"{HEADER}\n1,2\n", f"{HEADER}\n1,2,3,4,5,6,7\n2,3,4\n",
        f"{HEADER}\n1,2,3,4,5,6,7,8\n", f"{HEADER}\nnan,2,3,4,5,6,7\n", f"{HEADER}\n1.5,2,3,4,5,6,7\n",
        f"{HEADER}\n\n1,2,3,4,5,6,7\n", f"{HEADER}\n1,2,<b>,4,5,6,7\n", f"{HEADER}\n{10**20},2,3,4,5,6,7\n",
    ],
)  # fmt: skip
def test_foreign_metrics_are_refused(tiny_run_copy, text):
    (tiny_run_copy / "metrics.csv").write_text(text)
    with pytest.raises(RunError, match="metrics.csv"):
        Run(tiny_run_copy).metrics()


def test_more_epochs_than_a_chart_can_draw_are_refused(tiny_run_copy):
    (tiny_run_copy / "metrics.csv").write_text(HEADER + "\n" + "1,2,3,4,5,6,7\n" * 20_001)
    with pytest.raises(RunError, match="has 20,001 epochs, and at most 20,000 can be drawn"):
        Run(tiny_run_copy).metrics()


def test_a_record_of_a_huge_network_does_not_build_it(fabricated, tmp_path):
    """VGG19 has 143 million weights, and the file of the run 700,000."""
    path = shutil.copytree(fabricated, tmp_path / "run")
    edit_record(path, model="torchvision:vgg19", input_size=224)
    with pytest.raises(RunError, match="model.safetensors holds fewer weights than torchvision:vgg19 has"):
        Run(path).load_model()


def test_a_network_that_is_built_from_numbers_comes_back(fabricated, tmp_path):
    """RegNet computes its widths with tensors, which have no values where only shapes are built."""
    path = shutil.copytree(fabricated, tmp_path / "run")
    classes = len(Run(path).record.class_names)
    model = build_model("torchvision:regnet_y_400mf", classes, 64)
    save_file({name: tensor.clone() for name, tensor in model.state_dict().items()}, path / "model.safetensors")
    edit_record(path, model="torchvision:regnet_y_400mf", input_size=64)
    assert Run(path).load_model()(torch.zeros(1, 3, 64, 64)).shape == (1, classes)


def test_a_file_far_larger_than_its_network_is_not_read(fabricated, tmp_path):
    """A file of nothing may have any size, and takes no room on the disk."""
    path = shutil.copytree(fabricated, tmp_path / "run")
    os.truncate(path / "model.safetensors", 15 * 2**30)
    with pytest.raises(RunError, match="model.safetensors is larger than the weights of resnet18_narrow"):
        Run(path).load_model()


def test_a_run_in_its_first_epoch_has_no_metrics(tiny_run_copy):
    (tiny_run_copy / "metrics.csv").write_text(HEADER + "\n")
    assert Run(tiny_run_copy).metrics() == []


def test_runs_are_listed_newest_first_and_damaged_ones_last(tiny_run_copy, tmp_path):
    for name, created in (("old", "2025-01-01"), ("new", "2026-05-01"), ("middle", "2025-06-01")):
        (tmp_path / name).mkdir()
        shutil.copy(tiny_run_copy / "run.json", tmp_path / name)
        edit_record(tmp_path / name, created=created)
    (tiny_run_copy / "run.json").write_bytes(b"\xff")
    (tmp_path / "photos").mkdir()
    (tmp_path / "note.txt").write_text("no run")
    assert [run.name for run in list_runs(tmp_path)] == ["new", "middle", "old", "tiny"]


def test_a_run_whose_name_is_not_utf8_is_left_out(tiny_run_copy, tmp_path):
    foreign = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        foreign.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    shutil.copy(tiny_run_copy / "run.json", foreign)
    assert [run.name for run in list_runs(tmp_path)] == ["tiny"]


def test_no_folder_of_runs_is_no_run(tmp_path):
    (tmp_path / "file").write_text("")
    assert list_runs(tmp_path / "nowhere") == list_runs(tmp_path / "file") == []


def test_the_model_comes_back_frozen_and_ready_to_judge(tiny_run):
    run = Run(tiny_run)
    model = run.load_model()
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    with torch.no_grad():
        predicted = model(run.to_input(run.images())).argmax(1)
    assert predicted.tolist() == run.predictions().table["predicted"].tolist()


def test_weights_of_another_model_and_an_unknown_model_are_refused(tiny_run_copy):
    edit_record(tiny_run_copy, model="resnet18")
    with pytest.raises(RunError, match="holds fewer weights than resnet18 has"):
        Run(tiny_run_copy).load_model()
    edit_record(tiny_run_copy, model="resnet19")
    with pytest.raises(RunError, match="Unknown model 'resnet19'; choose from: resnet18, "):
        Run(tiny_run_copy).load_model()
