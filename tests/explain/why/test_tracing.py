"""Training images of patterns, ringleaders, and the lists that are made of them."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.recording import recording
from sightline.explain.why.tracing import Traced, at_random, list_bytes, ringleaders, trace
from sightline.image_data import ImageSplit
from sightline.run_store.culprits import Culprits, TrainingImages
from sightline.run_store.hashes import weights_hash
from sightline.run_store.left_out import read_own_list, write_own_list
from sightline.run_store.patterns import Attended, Pattern, Patterns, read_patterns, write_patterns
from sightline.run_store.run import Run

CPU = torch.device("cpu")


def pattern(number, taken_for, kind="pattern"):
    seen = Attended(colour=(200.0, 10.0, 10.0), excess=0.1, size=0.1, place=(0.5, 0.5), spread=0.1)
    return Pattern(number, kind, 4, 2, 2, 1.0, 0.3, 1.0, 0.1, 0.1, 0.01, 0.01, 0.9, taken_for, seen)


def save_patterns(run, centres, *found, rows=None):
    """Write patterns 1, 2 … of a run, each with the centre of its group: axes of the first channels of layer4."""
    images = len(run.images())
    row = np.arange(images) % len(found) + 1 if rows is None else rows
    found = tuple(replace(one, images=int((row == one.number).sum())) for one in found)
    half = (np.arange(images) % 2).astype(np.int8)
    space = {
        "mean": np.zeros(128, np.float32), "components": np.eye(len(centres[0]), 128, dtype=np.float32),
        "centres": np.array(centres, np.float32), "numbers": np.arange(1, len(centres) + 1),
    }  # fmt: skip
    write_patterns(run, Patterns("layer4", "gradcam", len(centres), weights_hash(run), found, row, half), space)
    return read_patterns(run)


@pytest.fixture
def run(fabricated, tmp_path):
    return Run(shutil.copytree(fabricated, tmp_path / "run"))


@pytest.fixture
def split(run, random_numbers):
    """Twelve training images, of a cat, a dog, an owl, a cat …; the class of the owl has a formula as its name."""
    images = random_numbers.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    paths = tuple(f"/photos/{number}.png" for number in range(12))
    return ImageSplit(images, np.arange(12) % 3, ("cat", "dog", "=owl"), "none", paths=paths)


def by_hand(run, image, label):
    """The attended feature of one image: Σ cam⁺·a / Σ cam⁺, and its direction."""
    model, pixels = run.load_model(), run.to_input(image[None])
    cam = layer_attributions(model, pixels, ["layer4"], torch.tensor([label]))["layer4"][0, 0].clamp(min=0).numpy()
    with torch.no_grad(), recording(model, ["layer4"]) as outputs:
        model(pixels)
    activation = outputs["layer4"][0].detach().numpy()
    feature = (cam / cam.sum() * activation).sum(axis=(1, 2)) if cam.sum() > 0 else activation.mean(axis=(1, 2))
    return feature / np.linalg.norm(feature)


def test_a_training_image_belongs_where_it_attends_alike_and_its_label_is_what_the_mistakes_are_taken_for(run, split):
    directions = [by_hand(run, image, label) for image, label in zip(split.images, split.labels, strict=True)]
    points = np.array(directions)[:, :6]
    centres = points[[0, 4, 8]]
    group = np.array([[((point - centre) ** 2).sum() for centre in centres] for point in points]).argmin(axis=1)
    found = save_patterns(run, centres, pattern(1, taken_for=0), pattern(2, taken_for=1), pattern(3, taken_for=2))
    traced = trace(run, found, (1, 2), split, CPU)
    expected = [[row for row in range(12) if group[row] == number and split.labels[row] == number] for number in (0, 1)]
    assert sorted(traced.index[traced.pattern == 1]) == expected[0] and 0 in expected[0]
    assert sorted(traced.index[traced.pattern == 2]) == expected[1] and 4 in expected[1]
    assert set(traced.pattern) == {1, 2}  # 3 is left alone
    for number in (1, 2):
        similarity = traced.similarity[traced.pattern == number]
        assert (np.diff(similarity) <= 0).all()
        assert similarity[0] == pytest.approx(1, abs=1e-4)  # of the image that is the centre itself


def test_where_no_training_image_attends_alike_a_sentence_says_so(run, split):
    found = save_patterns(run, [[0.0, 0.0], [50.0, 50.0]], pattern(1, taken_for=0), pattern(2, taken_for=1))
    with pytest.raises(ExplainError, match="No training image of run run attends to what these patterns attend to"):
        trace(run, found, (2,), split, CPU)


@pytest.fixture
def culprits():
    """Behind the mistakes 0 and 5 is image 7, behind 5 and 10 image 3, and behind 1, which is right, 9."""
    rows = [(0, 7, 0.5), (0, 2, 0.4), (1, 9, 0.9), (5, 7, 0.7), (5, 3, 0.6), (10, 3, 0.2)]
    index, train_index, similarity = map(np.array, zip(*rows, strict=True))
    training = TrainingImages(*[np.zeros(12, np.int16)] * 2, np.zeros(12), np.zeros(12, bool), np.full(12, -1))
    return Culprits("layer4", True, "", training, index, index * 0, train_index, similarity, train_index * 0, "", 1.0)


def test_ringleaders_are_those_behind_most_mistakes(culprits):
    found = ringleaders(culprits, np.array([0, 5, 10]), 2)
    assert found.index.tolist() == [3, 7] and found.similarity == pytest.approx([0.6, 0.7])
    assert ringleaders(culprits, np.array([0, 5, 10]), 200).index.tolist() == [3, 7, 2]
    with pytest.raises(ExplainError, match="No training images are known behind these mistakes"):
        ringleaders(culprits, np.array([4]), 2)


def test_as_many_are_drawn_at_random_and_always_the_same():
    drawn = at_random(40, 100)
    assert len(set(drawn.index)) == 40 and set(drawn.index) <= set(range(100))
    assert drawn.index.tolist() == at_random(40, 100).index.tolist() != list(range(40))
    assert at_random(100, 100).index.tolist() == list(range(100))


def test_a_list_says_what_people_need_and_is_read_back_also_where_a_name_is_a_formula(run, split):
    traced = Traced(np.array([5, 3]), np.array([2, -1]), np.array([0.91234, np.nan]))
    content = list_bytes(traced, split)
    assert list(csv.reader(content.decode().splitlines())) == [
        ["train_index", "label", "pattern", "similarity", "path"],
        ["5", "'=owl", "2", "0.9123", "/photos/5.png"],
        ["3", "cat", "", "", "/photos/3.png"],
    ]
    write_own_list(run, "lists/some.csv", content)
    found = read_own_list(run, "lists/some.csv")
    assert found.indices.tolist() == [3, 5] and found.labels == ("cat", "=owl")
    without_paths = list_bytes(traced, replace(split, paths=None))
    assert without_paths.decode().splitlines()[1] == "5,'=owl,2,0.9123,"
