"""CIFAR-10 on a small copy in the real file format, verified by torchvision itself; never over the network."""

import hashlib
import io
import pickle
import tarfile
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest

from sightline.image_data import DataError, load_image_data
from sightline.image_data import cifar10 as module

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")


@pytest.fixture
def small_cifar10(tmp_path, monkeypatch):
    """The archive of a small CIFAR-10, four images a batch, whose checksums torchvision now expects."""
    from torchvision.datasets import CIFAR10

    generator = np.random.default_rng(0)
    pixels = {name: generator.integers(0, 256, (4, 3072), dtype=np.uint8) for name in BATCHES}
    files = {
        name: pickle.dumps({"data": pixels[name], "labels": [0, 3, 9, number], "batch_label": name}, protocol=2)
        for number, name in enumerate(BATCHES)
    }
    files["batches.meta"] = pickle.dumps({"label_names": CLASSES, "num_cases_per_batch": 4}, protocol=2)
    archive = tmp_path / "origin.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5[name]] for name in BATCHES[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5["batches.meta"]})
    return archive, pixels


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def put_archive(archive, data_dir):
    (data_dir / "cifar-10-python.tar.gz").write_bytes(archive.read_bytes())


def unpack(archive, data_dir):
    with tarfile.open(archive) as tar:
        tar.extractall(data_dir, filter="data")


@pytest.mark.parametrize("put", [put_archive, unpack])
def test_local_copy_is_read_as_height_width_channel(small_cifar10, data_dir, put):
    archive, pixels = small_cifar10
    put(archive, data_dir)
    data = load_image_data("cifar10", data_dir=data_dir)
    assert data.name == "cifar10"
    assert data.train.class_names == tuple(CLASSES)
    assert data.train.images.shape == (20, 32, 32, 3) and data.test.images.shape == (4, 32, 32, 3)
    assert data.test.labels.tolist() == [0, 3, 9, 5]
    # A row of a batch holds 1024 red, 1024 green and 1024 blue values, each line by line.
    assert data.test.images[2, 7, 11].tolist() == pixels["test_batch"][2, [7 * 32 + 11, 1259, 2283]].tolist()
    assert data.train.images[5, 31, 0].tolist() == pixels["data_batch_2"][1, [992, 2016, 3040]].tolist()


def test_archive_and_unpacked_copy_have_one_fingerprint(small_cifar10, tmp_path):
    fingerprints = set()
    for put in (put_archive, unpack):
        folder = tmp_path / put.__name__
        folder.mkdir()
        put(small_cifar10[0], folder)
        fingerprints.add(load_image_data("cifar10", data_dir=folder).train.fingerprint)
    assert len(fingerprints) == 1


def test_missing_copy_is_downloaded_and_kept(small_cifar10, data_dir, monkeypatch):
    content = small_cifar10[0].read_bytes()
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer(content))
    assert len(load_image_data("cifar10", data_dir=data_dir / "new").train) == 20

    def refuse(*arguments, **options):
        raise AssertionError("asked the network again")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert len(load_image_data("cifar10", data_dir=data_dir / "new").train) == 20
    assert [file.name for file in (data_dir / "new").iterdir()] == ["cifar-10-batches-py"]


class Answer(io.BytesIO):
    """As much of an HTTP response as torchvision reads."""

    url = None

    @property
    def length(self):
        return len(self.getvalue())


def test_without_a_network_the_error_names_three_ways_out(data_dir):
    with pytest.raises(DataError) as error:
        load_image_data("cifar10", data_dir=data_dir)
    for way_out in (str(data_dir), "cifar-10-python.tar.gz", "folder:DIR", "planted-shapes"):
        assert way_out in str(error.value)
    assert list(data_dir.iterdir()) == []


def test_a_server_that_never_answers_is_given_up(data_dir, monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.05)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: ended.wait())
    try:
        with pytest.raises(DataError, match="does not answer"):
            load_image_data("cifar10", data_dir=data_dir)
    finally:
        ended.set()


def test_a_download_that_breaks_off_leaves_nothing_behind(small_cifar10, data_dir, monkeypatch):
    content = small_cifar10[0].read_bytes()
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer(content[: len(content) // 2]))
    with pytest.raises(DataError, match="Three ways out"):
        load_image_data("cifar10", data_dir=data_dir)
    assert list(data_dir.iterdir()) == []
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Answer(content))
    assert len(load_image_data("cifar10", data_dir=data_dir).test) == 4


def test_damaged_batch_is_replaced_from_the_archive(small_cifar10, data_dir):
    unpack(small_cifar10[0], data_dir)
    put_archive(small_cifar10[0], data_dir)
    (data_dir / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"half a download")
    assert len(load_image_data("cifar10", data_dir=data_dir).train) == 20
    assert (data_dir / "cifar-10-batches-py" / "data_batch_3").stat().st_size > 12_000


@pytest.mark.parametrize("damaged", ["data_batch_3", "batches.meta", "test_batch"])
def test_damaged_copy_without_a_network_is_an_error_not_a_wrong_data_set(small_cifar10, data_dir, damaged):
    unpack(small_cifar10[0], data_dir)
    (data_dir / "cifar-10-batches-py" / damaged).write_bytes(b"half a download")
    with pytest.raises(DataError, match="Three ways out"):
        load_image_data("cifar10", data_dir=data_dir)


def test_truncated_archive_is_not_used(small_cifar10, data_dir):
    content = small_cifar10[0].read_bytes()
    (data_dir / "cifar-10-python.tar.gz").write_bytes(content[:-100])
    with pytest.raises(DataError, match="Three ways out"):
        load_image_data("cifar10", data_dir=data_dir)


def test_archive_that_cannot_be_unpacked_beside_itself_is_read_all_the_same(small_cifar10, data_dir, monkeypatch):
    put_archive(small_cifar10[0], data_dir)

    def refuse(*paths):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.rename", refuse)
    assert len(load_image_data("cifar10", data_dir=data_dir).train) == 20
    assert [file.name for file in data_dir.iterdir()] == ["cifar-10-python.tar.gz"]
