"""Which folders of a data set are its splits and its classes, where it is laid out in one of the other usual ways."""

import shutil
from functools import partial

import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from sightline.image_data import DataError, load_test_split, training_classes
from tests.image_files import save


@pytest.fixture
def load_test(folder, tmp_path):
    """Load the test split of `folder`."""
    return partial(load_test_split, f"folder:{folder}", image_size=16, data_dir=tmp_path / "data")


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Test", "VAL"])
def test_the_test_split_is_found_under_its_other_names(folder, load, load_test, name):
    (folder / "test").rename(folder / name)
    said = () if name == "Test" else (f"The test split is {folder}/{name}.",)
    split, notes = load_test()
    assert notes == said and split.paths[0] == str(folder / name / "cat" / "0.png")
    data = load()
    assert data.warnings == said and data.test.fingerprint == split.fingerprint and len(data.train) == 6


def test_test_goes_before_val(folder, load_test):
    shutil.copytree(folder / "train", folder / "val")
    shutil.copytree(folder / "train", folder / "valid")
    assert "/test/" in load_test()[0].paths[0]
    shutil.rmtree(folder / "test")
    assert "/val/" in load_test()[0].paths[0]


def test_a_split_can_be_named(folder, load_test):
    (folder / "test").rename(folder / "holdout")
    with pytest.raises(DataError, match="has no folder test, but holdout, train; .*; --split train judges"):
        load_test()
    split, notes = load_test(split="holdout")
    assert "/holdout/" in split.paths[0] and notes == (f"The test split is {folder}/holdout.",)
    assert "/train/" in load_test(split="train")[0].paths[0]
    with pytest.raises(DataError, match="has no folder dev, but holdout, train"):
        load_test(split="dev")


def test_without_splits_all_images_are_the_test_split(folder, load, load_test):
    shutil.rmtree(folder / "test")
    (folder / "train" / "cat").rename(folder / "cat")
    (folder / "train" / "dog").rename(folder / "dog")
    (folder / "train").rmdir()
    save(Image.new("L", (16, 16)), folder / "loose.png")
    split, notes = load_test()
    assert split.class_names == ("cat", "dog") and len(split) == 6
    assert notes[0] == f"{folder} has no folder of a split, so that all images in it are the test split."
    assert "1 outside the class folders (loose.png)" in notes[1]
    with pytest.raises(DataError, match="has no folder train, but cat, dog and 1 image"):
        load()


def test_folders_inside_a_class_are_walked_where_no_image_lies_in_it(folder, load, load_test):
    for split in ("train", "test"):
        inner = folder / split / "dog" / "session 1" / "a"
        inner.mkdir(parents=True)
        for file in (folder / split / "dog").glob("*.png"):
            file.rename(inner / file.name)
        (inner / "back").symlink_to(folder / split / "dog")  # a circle
    data = load()
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    theirs = [path for path, _ in ImageFolder(folder / "train").samples if "back" not in path]
    assert data.train.paths == tuple(theirs)
    assert data.warnings == (
        "Images lie in folders inside the folder of their class (train/dog, test/dog); "
        "they are of this class, as in torchvision's ImageFolder.",
    )
    before = load_test()[0].fingerprint
    save(Image.new("L", (16, 16), 3), folder / "test" / "dog" / "session 2" / "9.png")
    assert load_test()[0].fingerprint != before  # it is no stale entry of the cache


def test_a_folder_above_the_right_one_is_not_taken_for_classes(folder, tmp_path):
    above = tmp_path / "above"
    above.mkdir()
    folder.rename(above / "photos")
    with pytest.raises(DataError, match="photos would be a class, but has a folder (test|train): give a folder that"):
        load_test_split(f"folder:{above}", image_size=16, data_dir=tmp_path / "data")


def test_training_classes_are_those_of_any_training_folder(folder):
    (folder / "train").rename(folder / "Training")
    assert training_classes(f"folder:{folder}") == ("cat", "dog")
