"""The names of a model's classes: read from a file, and put in the place of a folder's."""

import json
import unicodedata

import numpy as np
import pytest

from sightline.image_data import DataError, ImageSplit, content_fingerprint, read_class_names, with_classes

NAMES = ("cat", "dog", "caf\u00e9")


@pytest.fixture
def file(tmp_path):
    """Write a file, and return where."""

    def write(name, content):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    "text",
    ["cat\ndog\ncaf\u00e9", "cat\r\n dog \r\ncafe\u0301\r\n\r\n", "\ufeffcat\ndog\ncaf\u00e9\n"],
    ids=["Unix", "Windows, and an accent of its own", "with a byte-order mark"],
)
def test_a_text_file_has_a_name_a_line(file, text):
    assert read_class_names(file("names.txt", text)) == NAMES


@pytest.mark.parametrize(
    "content",
    [
        list(NAMES),
        {"1": "dog", "0": "cat", "2": "caf\u00e9"},
        {"dog": 1, "cat": 0, "caf\u00e9": 2},
        {"model_type": "vit", "id2label": {"0": "cat", "1": "dog", "2": "caf\u00e9"}, "label2id": {}},
        {"architecture": "resnet18", "label_names": list(NAMES)},
    ],
    ids=["list", "code to name", "name to code", "configuration of transformers", "of timm"],
)
def test_json_names_classes_in_each_usual_form(file, content):
    assert read_class_names(file("names.JSON", json.dumps(content))) == NAMES


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", "", "has no name for class 0"),
        ("a.txt", "cat\n\ndog\n", "has no name for class 1; give one for each output"),
        ("a.txt", "cat\ndog\ncat\n", "calls the classes 0 and 2 alike, cat; make them differ"),
        ("a.txt", "caf\u00e9\ncafe\u0301\n", "calls the classes 0 and 1 alike, caf\u00e9"),
        ("a.txt", b"caf\xe9\n", "is not text in UTF-8"),
        ("a.json", "{", "is not valid JSON"),
        ("a.json", "[]", "does not name classes; give a list of names, or an object"),
        ("a.json", '["cat", 3]', "does not name classes"),
        ("a.json", '"cat"', "does not name classes"),
        ("a.json", '{"1": "cat", "2": "dog"}', "with a name for each code from 0 on"),
        ("a.json", '{"cat": 0, "dog": 0}', "with a name for each code from 0 on"),
        ("a.json", '{"0": ["n01440764", "tench"]}', "does not name classes"),
        ("a.json", "[" * 100_000, "is not valid JSON"),
    ],
)
def test_a_file_that_names_no_classes_is_a_sentence(file, name, content, says):
    with pytest.raises(DataError, match=says):
        read_class_names(file(name, content))


def test_a_missing_file_is_a_sentence(tmp_path):
    for path in (tmp_path / "no.txt", tmp_path):
        with pytest.raises(DataError, match="could not be read"):
            read_class_names(path)


@pytest.fixture
def split():
    images = np.arange(4 * 12, dtype=np.uint8).reshape(4, 2, 2, 3)
    labels = np.array([0, 0, 1, 1])
    return ImageSplit(images, labels, ("caf\u00e9", "dog"), content_fingerprint(images, labels, ("caf\u00e9", "dog")))


def test_labels_become_the_codes_of_the_model_and_the_fingerprint_says_so(split):
    decomposed = unicodedata.normalize("NFD", "caf\u00e9")
    named = with_classes(split, ("bee", "dog", decomposed), "names.txt")
    assert named.labels.tolist() == [2, 2, 1, 1] and named.class_names == ("bee", "dog", decomposed)
    assert named.images is split.images
    assert named.fingerprint == content_fingerprint(split.images, np.array([2, 2, 1, 1]), named.class_names)


def test_the_same_classes_leave_a_split_as_it_is(split):
    assert with_classes(split, split.class_names, "names.txt") is split


def test_a_class_that_the_model_lacks_is_named(split):
    with pytest.raises(DataError, match="names.txt has no class caf\u00e9; name classes as there: bee, dog, emu"):
        with_classes(split, ("bee", "dog", "emu"), "names.txt")


def test_classes_that_are_called_by_their_codes_take_the_names_of_these_codes():
    images, labels = np.zeros((3, 8, 8, 3), np.uint8), np.array([2, 0, 1])
    split = ImageSplit(images, labels, ("0", "1", "10"), "")
    names = tuple(f"kind {code}" for code in range(12))
    named = with_classes(split, names, "the model")
    assert named.labels.tolist() == [10, 0, 1] and named.class_names == names
    with pytest.raises(DataError, match="the model has no class 10"):
        with_classes(split, names[:5], "the model")
    digits = with_classes(split, ("10", "1", "0"), "the model")  # names after all
    assert digits.labels.tolist() == [0, 2, 1]
