"""The training images of a run: those it was trained on and no others, or a sentence."""

import json
import shutil

import numpy as np
import pytest
import torch

from sightline.explain.why import training_images
from sightline.explain.why.training_images import input_batches, load_training_split
from sightline.image_data import DataError, content_fingerprint
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.training.recipe import TrainConfig
from sightline.training.train import train
from tests.app_pages import edit_record

pytestmark = pytest.mark.usefixtures("data_dir")


def make_foreign(run):
    """Let a run say that it was trained elsewhere: it was only judged here."""
    record = json.loads((run / "run.json").read_text())
    edit_record(run, fingerprints={"test": record["fingerprints"]["test"]}, image_counts={"test": 64})
    return Run(run)


def test_a_run_has_the_images_that_it_was_trained_on(tiny_run, tiny_data):
    split = load_training_split(Run(tiny_run))
    order = np.argsort(tiny_data.train.labels, kind="stable")  # a folder is sorted by class
    names = [tiny_data.train.class_names[label] for label in tiny_data.train.labels[order]]
    assert sorted(split.class_names[label] for label in split.labels) == sorted(names)
    assert split.fingerprint == Run(tiny_run).record.fingerprints["train"]
    assert {image.tobytes() for image in split.images[:]} == {image.tobytes() for image in tiny_data.train.images}


def test_images_held_out_and_left_out_of_the_training_are_none_of_them(tiny_folder, tmp_path):
    options = {"model": "resnet18_narrow", "epochs": 1, "batch_size": 32, "held_out": 28, "threads": 1}
    run = Run(train(TrainConfig(dataset=f"folder:{tiny_folder}", run=tmp_path / "run", **options)))
    before = load_training_split(run)
    assert len(before) == 100
    rest = [row for row in range(100) if row not in (3, 98)]
    images, labels = before.images[rest], before.labels[rest]
    (run.path / "without.csv").write_text("path,train_index\nsome,98\nother,3\n")
    edit_record(
        run.path,
        recipe={**run.record.recipe, "without": "list.csv"},
        fingerprints={"train": content_fingerprint(images, labels, before.class_names), "test": "t"},
    )
    split = load_training_split(Run(run.path))
    assert np.array_equal(split.images[:], images) and np.array_equal(split.labels, labels)
    assert split.paths == tuple(before.paths[row] for row in rest)


@pytest.mark.parametrize("content", ["train_index\n-1\n", "train_index\n128\n", "train_index\nx\n", "index\n1\n", None])
def test_a_damaged_list_of_what_was_left_out_is_a_sentence(tiny_run_copy, content):
    edit_record(tiny_run_copy, recipe={**Run(tiny_run_copy).record.recipe, "without": "list.csv"})
    if content is not None:
        (tiny_run_copy / "without.csv").write_text(content)
    with pytest.raises(RunError, match=r"without\.csv .*(Restore it|Put the list back)"):
        load_training_split(Run(tiny_run_copy))


def test_other_images_are_refused_wherever_they_are_said_to_be(tiny_run_copy, tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "moved")
    edit_record(tiny_run_copy, dataset="folder:gone")
    with pytest.raises(DataError, match="There is no folder gone"):
        load_training_split(Run(tiny_run_copy))
    assert len(load_training_split(Run(tiny_run_copy), f"folder:{folder}")) == 128
    first, second = sorted((folder / "train" / "star").iterdir())[:2]
    shutil.copy(first, second)
    with pytest.raises(RunError, match=r"moved is not the one that run tiny was trained on; restore it first"):
        load_training_split(Run(tiny_run_copy), f"folder:{folder}")


def test_of_a_run_that_was_trained_elsewhere_the_user_names_them(tiny_run_copy, tiny_folder):
    run = make_foreign(tiny_run_copy)
    with pytest.raises(RunError, match="tiny was trained elsewhere and does not say on which images; name them with"):
        load_training_split(run)
    expected = load_training_split(Run(tiny_run_copy), f"folder:{tiny_folder}")
    assert len(expected) == 128 and expected.class_names == run.record.class_names
    with pytest.raises(DataError, match="has no folder training"):
        load_training_split(run, f"folder:{tiny_folder}", "training")


def test_classes_are_those_of_the_run_by_name(tiny_run_copy, tmp_path):
    run = make_foreign(tiny_run_copy)
    images, labels = np.zeros((3, 32, 32, 3), np.uint8), np.array([0, 1, 1])
    np.savez(tmp_path / "own.npz", train_images=images, train_labels=labels, class_names=["star", "circle"])
    split = load_training_split(run, f"npz:{tmp_path / 'own.npz'}")
    assert [run.record.class_names[label] for label in split.labels] == ["star", "circle", "circle"]
    np.savez(tmp_path / "own.npz", train_images=images, train_labels=labels, class_names=["star", "whale"])
    with pytest.raises(DataError, match="Run tiny has no class whale"):
        load_training_split(run, f"npz:{tmp_path / 'own.npz'}")


def test_a_program_is_run_only_where_the_user_names_it(tiny_run_copy, tiny_folder, tmp_path):
    ran = tmp_path / "ran"
    file = tmp_path / "mine.py"
    file.write_text(
        "from torchvision.datasets import ImageFolder\n"
        f"open({str(ran)!r}, 'w').close()\n"
        f"data = {{name: ImageFolder({str(tiny_folder)!r} + '/' + name) for name in ('train', 'test')}}\n"
    )
    edit_record(tiny_run_copy, dataset=f"{file}:data")
    with pytest.raises(RunError, match=r"run only where you name it yourself: --dataset .*mine\.py:data"):
        load_training_split(Run(tiny_run_copy))
    assert not ran.exists()
    assert len(load_training_split(Run(tiny_run_copy), f"{file}:data", run_code=True)) == 128


def test_the_network_sees_every_image_as_in_training(tiny_run, tiny_data, monkeypatch):
    monkeypatch.setitem(training_images.MOST_IMAGES, "cpu", 50)
    run = Run(tiny_run)
    parts = list(input_batches(run, tiny_data.train.images, torch.device("cpu"), "features"))
    assert [part for part, _ in parts] == [slice(0, 50), slice(50, 100), slice(100, 128)]
    assert torch.equal(torch.cat([seen for _, seen in parts]), run.to_input(tiny_data.train.images))
