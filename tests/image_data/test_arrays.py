"""Arrays of one file are a data set, as MedMNIST and Keras name them."""

import numpy as np
import pytest

from sightline.image_data import DataError, load_image_data, load_test_split, training_classes
from sightline.image_data.resize import Resize

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
LABELS = np.array([[0], [2], [1], [1]])


@pytest.fixture
def archive(tmp_path):
    """Save arrays: their file as a data set."""

    def save(**arrays):
        np.savez(tmp_path / "set.npz", **arrays)
        return f"npz:{tmp_path / 'set.npz'}"

    return save


MEDMNIST = {
    "train_images": IMAGES, "train_labels": LABELS, "val_images": IMAGES[1:3], "val_labels": LABELS[1:3],
    "test_images": IMAGES[:2], "test_labels": LABELS[:2],
}  # fmt: skip
KERAS = {"x_train": IMAGES, "y_train": LABELS[:, 0], "x_test": IMAGES[:2], "y_test": LABELS[:2, 0]}


@pytest.mark.parametrize("arrays", [MEDMNIST, KERAS], ids=["MedMNIST", "Keras"])
def test_splits_are_found_in_the_names_of_arrays(archive, arrays):
    name = archive(**arrays)
    data = load_image_data(name)
    assert (data.train.images == IMAGES[..., None]).all() and data.train.labels.tolist() == [0, 2, 1, 1]
    assert len(data.test) == 2 and data.test.class_names == ("0", "1", "2") == training_classes(name)
    assert load_test_split(name, split="train")[0].fingerprint == data.train.fingerprint


def test_the_validation_split_can_be_named(archive):
    assert load_test_split(archive(**MEDMNIST), split="val")[0].labels.tolist() == [2, 1]
    with pytest.raises(DataError, match="has no split dev, but test, train, val"):
        load_test_split(archive(**MEDMNIST), split="dev")


def test_images_keep_their_size_unless_one_is_asked_for(archive):
    name = archive(images=IMAGES, labels=LABELS)
    for options, side in (({}, 28), ({"default_size": 32}, 32), ({"image_size": 14, "default_size": 32}, 14)):
        split, _ = load_test_split(name, **options)
        assert split.images.shape == (4, side, side, 3) and split.preprocessing.size == side
    with pytest.raises(DataError, match="has no split train, it has no splits"):
        load_image_data(name)


def test_names_and_masks_are_read(archive):
    wide = np.repeat(IMAGES, 2, axis=2)  # 28×56
    masks = np.zeros(wide.shape, np.uint8)
    masks[:, :, 28:] = 255
    name = archive(images=wide, labels=LABELS, masks=masks, class_names=np.array(["cat", "dog", "owl"]))
    for resize, start in ((None, 7), (Resize("squash"), 7), (Resize(share=0.5), 7)):
        split, _ = load_test_split(name, image_size=14, resize=resize)
        assert split.class_names == ("cat", "dog", "owl")
        assert (split.masks[:, :, :start] == 0).all() and (split.masks[:, :, start:] == 1).all()


def test_masks_of_truth_values_are_of_objects(archive):
    split, _ = load_test_split(archive(images=IMAGES, labels=LABELS, masks=IMAGES > 128))
    assert (split.masks == (IMAGES > 128)).all()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": IMAGES}, r"has a; it must have images \(N×H×W or N×H×W×3\) and labels"),
        ({"images": IMAGES, "labels": LABELS[:3]}, "has 4 images and 3 labels; there must be as many of each"),
        ({"images": IMAGES, "labels": np.array([{}, 1, 2, 3])}, "it holds Python objects, which are not read"),
        (
            {"images": IMAGES, "labels": LABELS, "masks": IMAGES[:, :14]},
            "Item 0: its mask is 14×28 and its image 28×28",
        ),
        ({"images": IMAGES, "labels": LABELS, "masks": IMAGES}, "Item 0: its mask has the values .* and more"),
        ({"images": IMAGES, "labels": LABELS, "classes": np.array(["a", "b"])}, r"Item 1 has the label 2; .* \(a, b\)"),
        ({"images": IMAGES, "labels": LABELS, "classes": np.arange(3)}, "classes in .* must be an array of text"),
        ({"images": IMAGES.astype(float) - 99, "labels": LABELS}, "Item 0: it has values outside 0–1: give the mean"),
        ({"images": IMAGES[0], "labels": LABELS[:1]}, "has 28 images and 1 labels"),
    ],
)
def test_wrong_arrays_are_a_sentence(archive, arrays, words):
    with pytest.raises(DataError, match=words):
        load_test_split(archive(**arrays))


def test_what_is_no_archive_is_a_sentence(tmp_path):
    (tmp_path / "text.npz").write_text("text")
    np.save(tmp_path / "one.npy", IMAGES)
    whole = (tmp_path / "cut.npz", tmp_path / "set.npz")
    np.savez_compressed(whole[1], images=IMAGES, labels=LABELS)
    whole[0].write_bytes(whole[1].read_bytes()[:500])
    for name, words in (
        ("text.npz", "could not be read as an .npz file"),
        ("one.npy", "holds one array only; save images and labels with np.savez"),
        ("cut.npz", "could not be read as an .npz file"),
        ("none.npz", r"could not be read \(No such file"),
    ):
        with pytest.raises(DataError, match=words):
            load_test_split(f"npz:{tmp_path / name}")


def test_mean_and_std_that_were_used_can_be_said(archive):
    normalised = ((IMAGES / 255 - 0.5) / 0.25).astype(np.float32)
    split, _ = load_test_split(archive(images=normalised, labels=LABELS), mean=(0.5,) * 3, std=(0.25,) * 3)
    assert (split.images == IMAGES[..., None]).all()
