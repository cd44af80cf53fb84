"""Precomputed maps in a run: what is read is what was written, whole or not at all, and inside the run's folder."""

import errno
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from sightline.run_store.maps import MapsWriter, are_written, read_map, read_maps, remove_maps
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from tests.fabricated import ROOT

KEY = ("gradcam", "layer1.0.bn2", "predicted")
IMAGES, SIZE = 4, (2, 3)


@pytest.fixture
def run(tmp_path):
    """A run of four images, without a model."""
    record = RunRecord(
        model="resnet18_narrow", layers=("layer1",), dataset="none", fingerprints={}, image_counts={"test": IMAGES},
        class_names=("a", "b"), mean=(0.5,) * 3, std=(0.2,) * 3, input_size=8, parameters=1, recipe={}, seed=0,
        threads=1, device="cpu", created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    with RunWriter.create(tmp_path / "runs" / "some", record) as writer:
        writer.save_images(np.zeros((IMAGES, 8, 8, 3), np.uint8), None)
    return Run(writer.path)


@pytest.fixture
def maps(random_numbers):
    return random_numbers.normal(size=(IMAGES, *SIZE)).astype(np.float32)


def write(run, maps, key=KEY):
    writer = MapsWriter(run, *key, maps.shape[1:])
    writer.write(np.arange(len(maps)), maps)
    writer.finish()
    return run.path / "maps" / key[0] / key[1]


def read_all(run):
    return np.stack([read_map(run, *KEY, image) for image in range(IMAGES)])


def files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_several_maps_are_read_in_the_order_in_which_they_are_asked_for(run, maps):
    assert read_maps(run, *KEY, [2, 0]) is None
    write(run, maps)
    assert np.array_equal(read_maps(run, *KEY, [2, 0]), read_all(run)[[2, 0]])
    assert read_maps(run, *KEY, []).shape == (0, *SIZE)


def test_each_map_is_kept_as_float16_divided_by_its_largest_magnitude(run):
    maps = np.zeros((IMAGES, *SIZE), np.float32)
    maps[1] = [[1000, -500, 250], [0, 0, 0]]
    maps[2] = [[-8, 0, 0], [0, 0, 2]]
    folder = write(run, maps)
    assert files(folder) == ["predicted.npy", "predicted.scale.npy"]
    stored, scales = np.load(folder / "predicted.npy"), np.load(folder / "predicted.scale.npy")
    assert (stored.dtype, scales.dtype) == (np.float16, np.float32)
    assert scales.tolist() == [0, 1000, 8, 0]
    assert stored[1].tolist() == [[1, -0.5, 0.25], [0, 0, 0]] and stored[2].tolist() == [[-1, 0, 0], [0, 0, 0.25]]
    assert np.array_equal(read_all(run), maps)
    assert read_all(run).dtype == np.float32


@pytest.mark.parametrize("magnitude", [1e-42, 1e-30, 1.0, 1e30])
def test_no_magnitude_costs_more_than_half_of_the_last_of_eleven_bits(run, maps, magnitude):
    maps = (maps * magnitude / np.abs(maps).max()).astype(np.float32)
    write(run, maps)
    largest = np.abs(maps.astype(float)).max(axis=(1, 2))
    smallest_step = 1.5e-45  # of float32
    error = np.abs(read_all(run).astype(float) - maps).max(axis=(1, 2))
    assert (error <= largest * 2**-12 + smallest_step).all()


def test_what_is_not_finite_stays_so_beside_values_that_are(run):
    maps = np.zeros((IMAGES, *SIZE), np.float32)
    maps[0, 0] = [np.nan, 4, -2]
    maps[1, 1] = [np.inf, -np.inf, 0.5]
    maps[2] = np.nan
    maps[3, 0, 0] = np.inf
    write(run, maps)
    assert np.array_equal(read_all(run), maps, equal_nan=True)
    assert are_written(run, *KEY)


def test_nothing_is_read_before_all_is_written(run, maps):
    writer = MapsWriter(run, *KEY, SIZE)
    assert read_map(run, *KEY, 0) is None
    writer.write(np.array([2, 0]), maps[[2, 0]])
    assert read_map(run, *KEY, 2) is None and not are_written(run, *KEY)
    with pytest.raises(ValueError, match="2 maps of layer1.0.bn2 are missing"):
        writer.finish()
    writer.write(np.array([1, 3]), maps[[1, 3]])
    writer.finish()
    np.testing.assert_allclose(read_all(run), maps, atol=1e-3)
    assert are_written(run, *KEY)


def test_a_killed_writer_keeps_what_it_finished(run):
    program = (
        "import os, signal, sys; from pathlib import Path; import numpy as np\n"
        "from sightline.run_store.run import Run; from sightline.run_store.maps import MapsWriter\n"
        f"writer = MapsWriter(Run(Path(sys.argv[1])), *{KEY}, {SIZE})\n"
        f"writer.write(np.array([1, 3]), np.full((2, *{SIZE}), 5, np.float32)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run.path)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert not are_written(run, *KEY)
    writer = MapsWriter(run, *KEY, SIZE)
    assert np.flatnonzero(writer.todo).tolist() == [0, 2]
    writer.write(np.array([0, 2]), np.full((2, *SIZE), 7, np.float32))
    writer.finish()
    assert read_all(run)[:, 0, 0].tolist() == [7, 5, 7, 5]
    assert files(run.path / "maps") == [
        "gradcam/layer1.0.bn2/predicted.npy",
        "gradcam/layer1.0.bn2/predicted.scale.npy",
    ]


def test_a_writer_that_ends_between_its_two_files_has_written_nothing(run, maps, monkeypatch):
    writer = MapsWriter(run, *KEY, SIZE)
    writer.write(np.arange(IMAGES), maps)
    replace = os.replace

    def end_before_the_maps(source, target):
        if target.name == "predicted.npy":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", end_before_the_maps)
        writer.finish()
    assert read_map(run, *KEY, 0) is None and not are_written(run, *KEY)
    write(run, maps)
    np.testing.assert_allclose(read_all(run), maps, atol=1e-3)


@pytest.mark.parametrize("size", [(2, 2), (3, 2)])
def test_what_was_left_of_other_maps_is_not_gone_on_with(run, maps, size):
    writer = MapsWriter(run, *KEY, size)
    writer.write(np.array([1]), np.ones((1, *size), np.float32))
    assert MapsWriter(run, *KEY, SIZE).todo.all()


def test_old_scales_never_vouch_for_new_maps(run, monkeypatch):
    MapsWriter(run, *KEY, (2, 2)).write(np.arange(IMAGES), np.ones((IMAGES, 2, 2), np.float32))
    replace, left = os.replace, iter(range(1))

    def end_after_the_first_file(source, target):
        if next(left, None) is None:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", end_after_the_first_file)
        MapsWriter(run, *KEY, SIZE)
    assert MapsWriter(run, *KEY, SIZE).todo.all()


def test_maps_of_another_size_are_not_copied(run, maps):
    write(run, np.ones((IMAGES, 3, 3), np.float32))
    writer = MapsWriter(run, "gradcam", KEY[1], "label", SIZE)
    writer.copy(run, "gradcam", "predicted", np.arange(IMAGES))
    assert writer.todo.all()


def test_damaged_leftovers_are_not_gone_on_with(run, maps):
    writer = MapsWriter(run, *KEY, SIZE)
    writer.write(np.arange(IMAGES), maps)
    for file in (run.path / "maps").rglob("*.partial"):
        file.write_bytes(file.read_bytes()[:-10])
    assert MapsWriter(run, *KEY, SIZE).todo.all()


def test_maps_are_copied_from_another_target(run, maps):
    write(run, maps)
    writer = MapsWriter(run, "gradcam", KEY[1], "label", SIZE)
    writer.copy(run, "gradcam", "predicted", np.array([0, 3]))
    assert np.flatnonzero(writer.todo).tolist() == [1, 2]
    writer.write(np.array([1, 2]), 2 * maps[[1, 2]])
    writer.finish()
    labels = np.stack([read_map(run, "gradcam", KEY[1], "label", image) for image in range(IMAGES)])
    assert np.array_equal(labels[[0, 3]], read_all(run)[[0, 3]])
    assert np.array_equal(labels[[1, 2]], 2 * read_all(run)[[1, 2]])


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", "a\0b", ".hidden", "\udce9", "x" * 201, "ü" * 101]
)
def test_no_name_leads_out_of_its_folder(run, name):
    before = files(run.path.parent)
    for place in range(3):
        key = [*KEY[:place], name, *KEY[place + 1 :]]
        for refused in (
            lambda key=key: read_map(run, *key, 0),
            lambda key=key: are_written(run, *key),
            lambda key=key: MapsWriter(run, *key, SIZE),
        ):
            with pytest.raises(RunError, match="can be no folder of maps; a name is made of letters"):
                refused()
    assert files(run.path.parent) == before


@pytest.mark.parametrize("name", ["gradcam++", "layer1.0.bn2", "Schicht_ü-1"])
def test_names_that_modules_have_are_allowed(run, maps, name):
    write(run, maps, ("gradcam", name, "label"))
    assert read_map(run, "gradcam", name, "label", 0) is not None


def turn_into_folder(file):
    file.unlink()
    file.mkdir()


DAMAGES = {
    "empty": lambda file: file.write_bytes(b""),
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "other bytes": lambda file: file.write_bytes(np.random.default_rng(0).bytes(500)),
    "text": lambda file: file.write_text("[" * 10_000),
    "folder": turn_into_folder,
    "pickle": lambda file: np.save(file, np.array([{}] * IMAGES), allow_pickle=True),
    "another type": lambda file: np.save(file, np.load(file).astype(np.float64)),
    "of fewer images": lambda file: np.save(file, np.load(file)[1:]),
    "of another shape": lambda file: np.save(file, np.load(file)[:, None]),
}


@pytest.mark.parametrize("name", ["predicted.npy", "predicted.scale.npy"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_maps_are_a_sentence_that_says_how_to_write_them_again(run, maps, name, damage):
    damage(write(run, maps) / name)
    says = f"--run {run.path} --layers layer1.0.bn2 --targets predicted --method gradcam"
    with pytest.raises(RunError, match=f"predicted.npy (is|has|does).*sightline precompute {says}"):
        read_map(run, *KEY, 0)
    assert not are_written(run, *KEY)


@pytest.mark.parametrize("scale", [np.nan, np.inf, -1.0])
def test_an_impossible_scale_is_damage_of_that_map_only(run, maps, scale):
    folder = write(run, maps)
    scales = np.load(folder / "predicted.scale.npy")
    scales[2] = scale
    np.save(folder / "predicted.scale.npy", scales)
    assert read_map(run, *KEY, 0) is not None
    with pytest.raises(RunError, match="without a scale"):
        read_map(run, *KEY, 2)
    assert not are_written(run, *KEY)


@pytest.mark.parametrize("name", ["predicted.npy", "predicted.scale.npy"])
def test_a_lost_file_means_that_nothing_was_precomputed(run, maps, name):
    (write(run, maps) / name).unlink()
    assert read_map(run, *KEY, 0) is None and not are_written(run, *KEY)


def test_a_full_disk_is_noticed_before_the_first_map_and_leaves_no_file(run, monkeypatch):
    def disk_full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", disk_full)
    with pytest.raises(OSError, match="No space left on device"):
        MapsWriter(run, *KEY, SIZE)
    assert files(run.path / "maps") == []


def test_maps_are_removed_and_a_reader_keeps_its_own(run, maps):
    folder = write(run, maps)
    opened = np.load(folder / "predicted.npy", mmap_mode="r")
    (run.path / ".maps.outdated" / "left").mkdir(parents=True)
    for _ in range(2):  # the second time there is nothing to remove
        remove_maps(run.path)
        assert sorted(file.name for file in run.path.iterdir()) == [".lock", "images.npy", "metrics.csv", "run.json"]
    assert opened.shape == (IMAGES, *SIZE) and np.abs(opened).max() == 1


def test_maps_that_lie_elsewhere_are_not_read_and_only_their_link_is_removed(run, maps, tmp_path):
    write(run, maps)
    shutil.move(run.path / "maps", tmp_path / "large disk")
    (run.path / "maps").symlink_to(tmp_path / "large disk")
    with pytest.raises(RunError, match="is a link that leads out of the run"):
        read_map(run, *KEY, 0)
    remove_maps(run.path)
    assert not (run.path / "maps").exists() and len(files(tmp_path / "large disk")) == 2
