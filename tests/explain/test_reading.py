"""Images are read batch by batch: the same batches from wherever they lie, and never many images at a time."""

import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sightline.explain import reading
from sightline.explain.reading import on_gpu_if_small, read_ahead
from sightline.explain.world import ALONE, World
from sightline.image_data import DataError, ImageData, ImageSplit, images, load_image_data
from sightline.image_data.folder import decoding_pool
from sightline.image_data.folder import load as load_module
from sightline.image_data.folder.file_images import FileImages
from sightline.run_store.record import RunRecord
from sightline.run_store.run import Run
from sightline.training import inference
from sightline.training import train as train_module
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig, TrainingError
from sightline.training.train import train
from tests.fabricated import ROOT

CPU = torch.device("cpu")
RECORD = RunRecord(
    model="resnet18_narrow", layers=("layer4",), dataset="planted-shapes", fingerprints={}, image_counts={},
    class_names=tuple("abcdefghij"), mean=(0.1, 0.2, 0.3), std=(1.0, 1.0, 1.0), input_size=32, parameters=2,
    recipe={"precision": "float32"}, seed=0, threads=1, device="cpu", created="2026-01-01",
)  # fmt: skip
EVERYTHING = TrainConfig(batch_size=32, crop_padding=4, flip=True, cutout=8)
KINDS = {
    "moved": EVERYTHING,
    "alternating": replace(EVERYTHING, alternating_flip=True),
    "mixup": replace(EVERYTHING, mix="mixup"),
    "cutmix": replace(EVERYTHING, mix="cutmix"),
}


class Watched:
    """Images that know how many of those that were asked for somebody still has."""

    def __init__(self, images):
        self._images = images
        self.shape, self.dtype = images.shape, images.dtype
        self.alive = self.most = 0

    def __len__(self):
        return len(self._images)

    def __getitem__(self, rows):
        pixels = np.array(self._images[rows])
        count = len(pixels) if pixels.ndim == 4 else 1
        self.alive += count
        self.most = max(self.most, self.alive)
        weakref.finalize(pixels, self.forget, count)
        return pixels

    def forget(self, count):
        self.alive -= count


def batches(data, config=EVERYTHING, world=ALONE, held=None):
    """Those of two epochs, one at a lower resolution."""
    loop = Loop(config, nn.Linear(1, 1), data, RECORD, world)
    loop.images = loop.images if held is None else held
    return [batch for epoch, side in ((1, 24), (2, 32)) for batch in loop.batches(side, epoch)]


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_batches_are_the_same_from_a_memory_map_and_from_a_tensor_on_the_device(tiny_data, tmp_path, config):
    np.save(tmp_path / "images.npy", tiny_data.train.images)
    mapped = replace(tiny_data.train, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    held = torch.from_numpy(tiny_data.train.images.copy())
    for one, other in zip(
        batches(replace(tiny_data, train=mapped), config), batches(tiny_data, config, held=held), strict=True
    ):
        assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])


@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_each_process_reads_and_changes_its_part_as_one_process_does(tiny_data, monkeypatch, config, size):
    monkeypatch.setattr(World, "wrapped", lambda self, model: model)
    watched = Watched(tiny_data.train.images)
    data = replace(tiny_data, train=replace(tiny_data.train, images=watched))
    for rank in range(size):
        world = World(rank, size)
        for part, whole in zip(batches(data, config, world), batches(tiny_data, config), strict=True):
            assert all(torch.equal(mine, all_of_it[rank::size]) for mine, all_of_it in zip(part, whole, strict=True))
    if not config.mix:
        assert watched.most <= (reading.AHEAD + 2) * 32 / size


def test_what_fits_into_a_gpu_is_placed_there_whole(monkeypatch, tiny_data):
    """A CPU stands in for the GPU, of which only the free memory is asked for."""
    gpu, whole = torch.device("cuda"), tiny_data.test.images
    free = int(whole.size / reading.GPU_SHARE)
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *shape, device, **kind: empty(*shape, **kind))
    monkeypatch.setattr(images, "CHUNK_BYTES", whole[:9].size)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10 * free))
    assert np.array_equal(on_gpu_if_small(whole, gpu).numpy(), whole)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free - 4, 10 * free))
    assert on_gpu_if_small(whole, gpu) is whole and on_gpu_if_small(whole, CPU) is whole


def test_an_error_of_the_reading_thread_is_raised_where_the_batch_is_taken():
    class Broken(Watched):
        def __getitem__(self, rows):
            if rows.start == 4:
                raise DataError("it is gone")
            return super().__getitem__(rows)

    taken = read_ahead(
        Broken(np.zeros((8, 2, 2, 3), np.uint8)), [slice(start, start + 2) for start in range(0, 8, 2)], CPU
    )
    assert next(taken).shape == next(taken).shape == (2, 2, 2, 3)
    with pytest.raises(DataError, match="it is gone"):
        next(taken)


@pytest.fixture
def small(monkeypatch):
    """Eight images at a time, wherever all are looked at in turn."""
    monkeypatch.setattr(images, "CHUNK_BYTES", 8 * 100 * 100 * 3)
    monkeypatch.setattr(inference, "FORWARD_PIXELS", 8 * 100 * 100)


@pytest.mark.parametrize("held_out", [None, 24])
def test_a_training_never_has_many_images_at_a_time(small, tmp_path, monkeypatch, held_out):
    """Neither for mean and deviation, nor for the fingerprint, the steps, the test split or the thumbnails."""

    def split(count):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 100, 100, 3), dtype=np.uint8)
        labels = np.arange(count) % 2
        return ImageSplit(Watched(pixels), labels, ("a", "b"), "")

    data = ImageData("watched", split(64), split(40))
    monkeypatch.setattr(train_module, "load_image_data", lambda *_, **__: data)
    config = TrainConfig(
        model="resnet18_narrow",
        epochs=1,
        batch_size=8,
        threads=1,
        device="cpu",
        run=tmp_path / "run",
        held_out=held_out,
    )
    run = Run(train(config))
    assert len(run.images()) == (held_out or 40) and run.state == "complete"
    most = max(data.train.images.most, data.test.images.most)
    assert 8 < most <= (reading.AHEAD + 2) * 8
    assert data.train.images.alive == data.test.images.alive == 0


PREDICTING = """
import numpy as np, torch
from pathlib import Path
from sightline.model_zoo.device import keep_freed_memory
from sightline.training.inference import infer

class Mean(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 10)

    def forward(self, images):
        return self.fc(images.mean((2, 3)))

def look(done, total):
    words = Path("/proc/self/status").read_text().split()
    megabytes.append(int(words[words.index("RssAnon:") + 1]) / 1000)

megabytes = []
keep_freed_memory()
images = np.broadcast_to(np.uint8(0), (4000, 96, 96, 3))
infer(Mean(), images, (0.5,) * 3, (0.2,) * 3, "fc", batch_size=100, progress=look)
print(megabytes[-1] - megabytes[9])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel does not say it")
def test_predictions_leave_the_memory_that_is_kept_to_the_next_batch():
    """Small tensors kept of each batch split the freed blocks, so that the next batch took new ones, of 10 MB."""
    done = subprocess.run([sys.executable, "-c", PREDICTING], cwd=ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 60  # of 30 batches


# Images for which there is no room in the cache


@pytest.fixture
def no_room(monkeypatch, tmp_path):
    monkeypatch.setenv("SIGHTLINE_CACHE_GB", "0")
    monkeypatch.setenv("SIGHTLINE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(load_module, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(decoding_pool, "_available_cores", lambda: 1)  # processes take long to start


OPTIONS = TrainConfig(model="resnet18_narrow", epochs=1, batch_size=32, learning_rate=0.05, threads=1, device="cpu")


def test_a_training_whose_images_are_decoded_when_needed_ends_with_the_same_weights(
    tiny_folder, data_dir, tmp_path, request, capsys
):
    config = replace(OPTIONS, dataset=f"folder:{tiny_folder}", held_out=28)
    mapped = Run(train(replace(config, run=tmp_path / "mapped")))
    request.getfixturevalue("no_room")
    decoded = Run(train(replace(config, run=tmp_path / "decoded")))
    assert "each time they are needed" in capsys.readouterr().err
    for name in ("model.safetensors", "images.npy", "features.npy", "predictions.parquet"):
        assert (decoded.path / name).read_bytes() == (mapped.path / name).read_bytes()
    assert decoded.record.fingerprints == mapped.record.fingerprints and decoded.record.mean == mapped.record.mean


def test_an_image_that_goes_during_a_training_fails_the_run_with_a_sentence(folder, tmp_path, no_room, monkeypatch):
    data = load_image_data(f"folder:{folder}", image_size=32)
    assert isinstance(data.train.images, FileImages)
    epoch = Loop.train_epoch

    def train_epoch(self, number, bar):
        (folder / "train" / "dog" / "0.png").unlink(missing_ok=True)
        return epoch(self, number, bar)

    monkeypatch.setattr(Loop, "train_epoch", train_epoch)
    with pytest.raises(TrainingError, match=r"train/dog/0.png could be read before, but no longer"):
        train(replace(OPTIONS, dataset=f"folder:{folder}", run=tmp_path / "run", batch_size=4))
    run = Run(tmp_path / "run")
    assert run.state == "failed" and "could be read before" in run.record.reason
