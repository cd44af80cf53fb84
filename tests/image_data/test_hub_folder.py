"""Folders that Hugging Face's library wrote or reads are data sets, without the network and without their code."""

import io
import json
import socket
import sys
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from sightline.image_data import DataError, load_image_data, load_test_split
from tests.image_files import content, save

datasets = pytest.importorskip("datasets")

COLOURS = (10, 120, 230)


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Refuse every connection."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was tried"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
    datasets.disable_progress_bars()


@pytest.fixture
def data():
    """Three images of one colour each: a dog, a cat and a dog."""
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    images = [Image.new("RGB", (40, 20), (colour, 0, 0)) for colour in COLOURS]
    return datasets.Dataset.from_dict({"image": images, "label": [1, 0, 1]}, features=features)


@pytest.fixture
def load(tmp_path):
    return lambda folder, **options: load_test_split(
        f"hf:{folder}", default_size=16, data_dir=tmp_path / "data", **options
    )[0]


def is_the_data(split, names=("cat", "dog")):
    right = split.images[:, 8, 8, 0].tolist() == list(COLOURS) and split.labels.tolist() == [1, 0, 1]
    return right and split.class_names == names and split.images.shape == (3, 16, 16, 3)


def test_what_was_saved_to_disk_is_read(data, load, tmp_path):
    data.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=data.select([0]), validation=data).save_to_disk(tmp_path / "splits")
    assert is_the_data(load(tmp_path / "one")) and is_the_data(load(tmp_path / "splits"))
    assert len(load(tmp_path / "splits", split="train")) == 1


def test_parquet_files_are_read_by_split(data, load, tmp_path):
    (tmp_path / "set" / "data").mkdir(parents=True)
    data.to_parquet(tmp_path / "set" / "data" / "test-00000-of-00001.parquet")
    data.select([0, 1]).to_parquet(tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    (tmp_path / "set" / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: https://x/y\n---\n"
    )
    (tmp_path / "set" / "set.py").write_text("raise SystemExit('the code of the folder was run')\n")
    assert is_the_data(load(tmp_path / "set"))
    both = load_image_data(f"hf:{tmp_path / 'set'}", default_size=16, data_dir=tmp_path / "data")
    assert both.train.labels.tolist() == [1, 0]


def test_folders_of_images_and_web_data_sets_are_read(load, tmp_path):
    for name in ("cat", "dog"):
        save(Image.new("RGB", (20, 20), (9, 9, 9)), tmp_path / "images" / "test" / name / "0.png")
    assert load(tmp_path / "images").class_names == ("cat", "dog")
    (tmp_path / "web").mkdir()
    with tarfile.open(tmp_path / "web" / "test-000.tar", "w") as tar:
        for number, colour in enumerate(COLOURS):
            picture = content(Image.new("RGB", (40, 20), (colour, 0, 0)), "PNG")
            for ending, stored in (("png", picture), ("cls", str((number + 1) % 2).encode())):
                member = tarfile.TarInfo(f"{number:03}.{ending}")
                member.size = len(stored)
                tar.addfile(member, io.BytesIO(stored))
    assert is_the_data(load(tmp_path / "web"), ("0", "1"))


def test_names_of_text_labels_are_the_same_in_every_split(tmp_path):
    images = [Image.new("RGB", (8, 8))] * 3
    both = {
        split: datasets.Dataset.from_dict({"img": images[: len(labels)], "label": labels}).cast_column(
            "img", datasets.Image()
        )
        for split, labels in (("train", ["owl", "cat", "dog"]), ("test", ["dog"]))
    }
    datasets.DatasetDict(both).save_to_disk(tmp_path / "set")
    found = load_image_data(f"hf:{tmp_path / 'set'}", default_size=8, data_dir=tmp_path / "data")
    assert found.test.class_names == ("cat", "dog", "owl") and found.test.labels.tolist() == [1]


@pytest.mark.parametrize("path", ["/etc/hostname", "../../secret.png", "https://example.invalid/a.png"])
def test_an_image_that_is_a_file_elsewhere_is_refused(data, load, tmp_path, path):
    save(Image.new("RGB", (8, 8)), tmp_path / "secret.png")
    (tmp_path / "set").mkdir()
    data.to_parquet(tmp_path / "set" / "test.parquet")
    honest = pq.read_table(tmp_path / "set" / "test.parquet")
    elsewhere = pa.array([{"bytes": None, "path": path}] * 3, honest.schema.field("image").type)
    pq.write_table(honest.set_column(0, honest.schema.field("image"), elsewhere), tmp_path / "set" / "test.parquet")
    with pytest.raises(DataError, match="Item 0 .*which does not lie in the folder of the data set"):
        load(tmp_path / "set")


@pytest.mark.parametrize("path", ["/etc/hostname", "https://example.invalid/a.png"])
def test_what_other_columns_point_to_is_not_opened(data, load, tmp_path, path):
    (tmp_path / "set").mkdir()
    data.add_column("other", [None] * 3, feature=datasets.Image()).to_parquet(tmp_path / "set" / "test.parquet")
    honest = pq.read_table(tmp_path / "set" / "test.parquet")
    elsewhere = pa.array([{"bytes": None, "path": path}] * 3, honest.schema.field("other").type)
    pq.write_table(honest.set_column(2, honest.schema.field("other"), elsewhere), tmp_path / "set" / "test.parquet")
    assert is_the_data(load(tmp_path / "set"))


def test_what_was_saved_to_disk_elsewhere_is_refused(data, load, tmp_path):
    data.save_to_disk(tmp_path / "secret")
    data.save_to_disk(tmp_path / "file")
    (tmp_path / "split").mkdir()
    state = json.loads((tmp_path / "file" / "state.json").read_text())
    state["_data_files"] = [{"filename": f"../secret/{state['_data_files'][0]['filename']}"}]
    (tmp_path / "file" / "state.json").write_text(json.dumps(state))
    (tmp_path / "split" / "dataset_dict.json").write_text(json.dumps({"splits": ["../secret"]}))
    for name in ("file", "split"):
        with pytest.raises(DataError, match="takes data from .*secret.*, which does not lie in it"):
            load(tmp_path / name)


def test_what_cannot_be_read_is_a_sentence(load, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    pq.write_table(pa.table({"text": ["a"], "score": [0.5]}), tmp_path / "text" / "test.parquet")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "state.json").write_text(json.dumps({}))
    for name, words in (
        ("nowhere", "There is no folder"),
        ("empty", "could not be read as a data set of Hugging Face"),
        ("text", r"has the columns text \(Value\), score \(Value\); it needs one of type Image"),
        ("broken", "could not be read as a data set of Hugging Face"),
    ):
        with pytest.raises(DataError, match=words):
            load(tmp_path / name)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"needs the library of Hugging Face: pip install 'sightline-vision\[hf\]'"):
        load(tmp_path / "text")


def test_images_are_as_other_files_of_them_would_be(load, tmp_path):
    for name in ("cat", "dog"):
        save(Image.fromarray(np.full((30, 20), 40000, np.uint16)), tmp_path / "set" / "test" / name / "0.png")
    assert (load(tmp_path / "set").images == round(40000 / 257)).all()
