"""ImageSplit, ImageData and the fingerprint."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from sightline.image_data import DataError, ImageData, ImageSplit, content_fingerprint, hold_out, leave_out
from tests.fabricated import ROOT

IMAGES = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
LABELS = np.array([1, 0], dtype=np.int64)


def make_split(**changes):
    values = {"images": IMAGES, "labels": LABELS, "class_names": ("cat", "dog"), "fingerprint": "f" * 64}
    return ImageSplit(**{**values, **changes})


def contents(split):
    return [(image.tobytes(), label) for image, label in zip(split.images, split.labels, strict=True)]


def test_split_has_the_length_of_its_images():
    assert len(make_split()) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": IMAGES.astype(np.float32)}, "uint8"),
        ({"images": IMAGES[..., 0]}, "N×H×W×3"),
        ({"labels": LABELS.astype(np.int32)}, "int64"),
        ({"labels": LABELS[:1]}, r"\(2,\)"),
        ({"labels": np.array([0, 2])}, "between 0 and 1"),
        ({"labels": np.array([-1, 0])}, "between 0 and 1"),
        ({"class_names": ("cat", "cat")}, "differ"),
        ({"masks": np.zeros((2, 4, 3), np.uint8)}, r"\(2, 4, 4\)"),
        ({"masks": np.zeros((2, 4, 4), bool)}, "uint8"),
        ({"paths": ("/a.png",)}, "2 images, 1 paths"),
    ],
)
def test_split_refuses_arrays_that_contradict_each_other(changes, says):
    with pytest.raises(DataError, match=says):
        make_split(**changes)


def test_data_set_refuses_splits_of_other_classes_or_sizes():
    with pytest.raises(DataError, match="same classes"):
        ImageData("x", make_split(), make_split(class_names=("dog", "cat")))
    with pytest.raises(DataError, match="one size"):
        ImageData("x", make_split(), make_split(images=np.zeros((2, 5, 5, 3), np.uint8)))


def test_held_out_images_leave_the_training_split_and_are_always_the_same(tiny_data):
    data, again = hold_out(tiny_data, 28), hold_out(tiny_data, 28)
    assert (len(data.train), len(data.test)) == (100, 28)
    pairs = contents(data.train) + contents(data.test)
    assert sorted(pairs) == sorted(contents(tiny_data.train))
    assert data.test.fingerprint == again.test.fingerprint != tiny_data.test.fingerprint
    for split in (data.train, data.test):
        assert split.fingerprint == content_fingerprint(split.images, split.labels, split.class_names)
        assert len(split.masks) == len(split)


def test_held_out_images_keep_their_files():
    train = make_split(images=np.stack([IMAGES[0]] * 3), labels=np.array([0, 1, 1]), paths=("/a", "/b", "/c"))
    data = hold_out(ImageData("x", train, make_split()), 1)
    assert sorted(data.train.paths + data.test.paths) == ["/a", "/b", "/c"]


@pytest.mark.parametrize("count", [0, 128, 500])
def test_holding_out_nothing_or_everything_is_refused(tiny_data, count):
    with pytest.raises(DataError, match="from 1 to 127"):
        hold_out(tiny_data, count)


def test_images_that_are_left_out_leave_the_training_split_alone(tiny_data):
    data = leave_out(tiny_data, np.array([127, 3, 3, 0]))
    kept = np.setdiff1d(np.arange(128), [0, 3, 127])
    assert contents(data.train) == [contents(tiny_data.train)[row] for row in kept]
    assert np.array_equal(data.train.masks, tiny_data.train.masks[kept])
    assert data.train.fingerprint == content_fingerprint(data.train.images, data.train.labels, data.train.class_names)
    assert data.test is tiny_data.test and data.warnings == tiny_data.warnings


@pytest.mark.parametrize(
    ("indices", "labels", "says"),
    [
        ([128], None, "Image 128 is not in the training split, whose 128 images are numbered from 0 to 127"),
        ([5, -1], None, "Image -1 is not in the training split"),
        ([5], ["Cat"], "Image 5 of the training split is of the class '.*', and 'Cat' in the list"),
        (range(128), None, "Of 128 training images 0 would be left, and at least 2 are needed"),
    ],
)
def test_images_that_cannot_be_left_out_are_one_sentence(tiny_data, indices, labels, says):
    with pytest.raises(DataError, match=says):
        leave_out(tiny_data, np.array(indices), labels)


def test_class_names_are_compared_in_one_spelling_and_lost_classes_are_named():
    split = make_split(
        images=np.zeros((9, 4, 4, 3), np.uint8), labels=np.arange(9) % 7, class_names=("caf\u00e9", *"bcdefghi")
    )
    data = ImageData("x", split, make_split(class_names=split.class_names))
    left = leave_out(data, np.arange(7), ["cafe\u0301", *[""] * 6])
    assert left.train.labels.tolist() == [0, 1]
    assert left.warnings == ("No training image is left of the class c, d, e, f, g.",)
    assert leave_out(data, np.arange(1, 8)).warnings == ("No training image is left of the class c, d, e, f, g.",)
    many = make_split(images=np.zeros((9, 4, 4, 3), np.uint8), labels=np.arange(9), class_names=split.class_names)
    found = leave_out(ImageData("x", many, data.test), np.arange(2, 9)).warnings
    assert found == ("No training image is left of the class c, d, e, f, g and 2 more.",)


def test_fingerprint_is_the_documented_hash():
    header = b'{"class_names": ["cat", "dog"], "shape": [2, 4, 4, 3]}'
    labels = (1).to_bytes(8, "little") + (0).to_bytes(8, "little")
    expected = hashlib.sha256(header + labels + bytes(range(96))).hexdigest()
    assert content_fingerprint(IMAGES, LABELS, ("cat", "dog")) == expected


def test_fingerprint_does_not_depend_on_storage(tmp_path):
    np.save(tmp_path / "images.npy", np.asfortranarray(IMAGES))
    stored = np.load(tmp_path / "images.npy", mmap_mode="r")
    expected = content_fingerprint(IMAGES, LABELS, ("cat", "dog"))
    assert content_fingerprint(stored, LABELS, ["cat", "dog"]) == expected


def test_fingerprint_changes_with_every_part_of_the_content():
    names = ("cat", "dog")
    variants = [
        (IMAGES, LABELS, names),
        (IMAGES, LABELS[::-1], names),
        (IMAGES, LABELS, ("cat,", "dog")),
        (IMAGES.reshape(2, 2, 8, 3), LABELS, names),
        (IMAGES ^ np.uint8(1), LABELS, names),
    ]
    assert len({content_fingerprint(*variant) for variant in variants}) == len(variants)


def test_fingerprint_accepts_class_names_that_are_no_valid_text():
    assert len(content_fingerprint(IMAGES, LABELS, ("caf\udce9", ":red[x]"))) == 64


def test_the_package_loads_without_torch():
    modules = "image_data.folder, image_data.planted_shapes, image_data.cifar10"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    root = ROOT
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0
