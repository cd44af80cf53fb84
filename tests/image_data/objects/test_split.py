"""Any data set of (image, label) becomes a split whose pixels are what the user's own evaluation shows the model."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, Subset, SubsetRandomSampler, TensorDataset
from torchvision import datasets as vision
from torchvision import transforms as T

from sightline.image_data import DataError, Preprocessing, split_of
from sightline.image_data.objects import split as split_module
from sightline.image_data.resize import CROP, Resize
from tests.image_files import save

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.2, 0.25)
TO_32 = T.Compose([T.Resize(36), T.CenterCrop(32), T.ToTensor(), T.Normalize(MEAN, STD)])


@pytest.fixture
def photos(tmp_path, random_numbers):
    """Photographs of 90×60 pixels, smooth, in tmp_path/<class>/."""
    for name in ("cat", "dog"):
        for number in range(4):
            coarse = Image.fromarray(random_numbers.integers(0, 256, (6, 9, 3), dtype=np.uint8))
            save(coarse.resize((90, 60), Image.Resampling.BICUBIC), tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


class Own:
    """A data set of one's own: six images of one grey each, turned into what `form` makes of them."""

    def __init__(self, form=lambda image: image, labels=(0, 1, 2, 0, 1, 2), side=8):
        self.form, self.labels, self.side = form, labels, side

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, row):
        return self.form(Image.new("RGB", (self.side, self.side), (40 * row, 255, 7))), self.labels[row]


class Transformed(Own):
    """Likewise, with its transform in an attribute."""

    def __init__(self, transform):
        super().__init__()
        self.transform = transform

    def __getitem__(self, row):
        return self.transform(super().__getitem__(row)[0]), self.labels[row]


def model_input(split):
    """What a model sees of a split, N×3×S×S."""
    pixels = split.images[:].astype(np.float32) / 255
    return ((pixels - split.preprocessing.mean) / split.preprocessing.std).transpose(0, 3, 1, 2)


def test_images_of_torchvision_are_read_before_their_transform(photos):
    data = vision.ImageFolder(photos, transform=TO_32)
    split, notes = split_of(data)
    assert split.class_names == ("cat", "dog") and split.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1] and notes == ()
    assert split.preprocessing == Preprocessing(MEAN, STD, 32, Resize("crop", 32 / 36, "bilinear"))
    assert split.paths == tuple(str(photos / name / f"{k}.png") for name in ("cat", "dog") for k in range(4))
    theirs = np.stack([image.numpy() for image, _ in data])
    assert np.abs(model_input(split) - theirs).max() <= 2 / 255 / min(STD)  # two levels of 255
    assert data.transform is TO_32  # their data set is as it was


def test_what_is_given_goes_before_what_a_transform_says(photos):
    split, _ = split_of(vision.ImageFolder(photos, transform=TO_32), size=24, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert split.images.shape == (8, 24, 24, 3)
    assert split.preprocessing == Preprocessing((0.5,) * 3, (0.5,) * 3, 24, Resize("crop", 32 / 36, "bilinear"))
    split, _ = split_of(vision.ImageFolder(photos), transform=TO_32)
    assert split.preprocessing.mean == MEAN and split.images.shape[1] == 32


def test_subsets_loaders_and_concatenations_keep_their_rows(photos):
    data = vision.ImageFolder(photos, transform=TO_32)
    whole, _ = split_of(data)
    cases = {
        (7, 0, 2): Subset(data, [7, 0, 2]),
        (0, 7): Subset(Subset(data, [7, 0, 2]), [1, 0]),
        (1, 6): DataLoader(data, batch_size=2, sampler=SubsetRandomSampler([6, 1])),
        (5, 4): DataLoader(Subset(data, [5, 4]), batch_size=2, shuffle=True),
        (*range(8), 3): ConcatDataset([data, Subset(data, [3])]),
        (3, 1): Subset(ConcatDataset([Subset(data, [1]), Subset(data, [2, 3])]), [2, 0]),
    }
    for rows, wrapped in cases.items():
        split, _ = split_of(wrapped)
        assert (split.images == whole.images[list(rows)]).all() and split.paths == tuple(whole.paths[r] for r in rows)
        assert split.labels.tolist() == whole.labels[list(rows)].tolist()


def test_a_subset_with_a_transform_of_its_own_is_read_with_it(photos):
    class Turned(Subset):
        def __getitem__(self, row):
            image, label = super().__getitem__(row)
            return TO_32(image.rotate(180)), label

        def __getitems__(self, rows):
            return [self[row] for row in rows]

    data = Turned(vision.ImageFolder(photos), [0, 5])
    split, _ = split_of(data, mean=MEAN, std=STD)
    theirs = np.stack([data[row][0].numpy() for row in range(2)])
    assert np.abs(model_input(split) - theirs).max() < 1e-5 and split.paths is None


def test_a_transform_that_cannot_be_read_is_applied():
    split, _ = split_of(Transformed(T.Compose([T.Grayscale(3), T.ToTensor(), T.Normalize(MEAN, STD)])))
    grey = np.asarray(Image.new("RGB", (8, 8), (40, 255, 7)).convert("L"))[0, 0]
    assert (split.images[1] == grey).all() and split.preprocessing == Preprocessing(MEAN, STD, 8, CROP)


def test_a_transform_that_is_not_all_that_happens_is_applied():
    class Dimmed(Transformed):
        def __getitem__(self, row):
            image, label = super().__getitem__(row)
            return image / 2, label

    split, _ = split_of(Dimmed(T.ToTensor()))
    assert (split.images[2, 0, 0] == [40, 128, 4]).all()  # 80, 255 and 7, halved and rounded


@pytest.mark.parametrize(
    ("form", "mean", "std"),
    [
        (lambda image: image, None, None),
        (np.asarray, None, None),
        (lambda image: np.asarray(image).transpose(2, 0, 1), None, None),
        (T.PILToTensor(), None, None),
        (lambda image: torch.as_tensor(np.asarray(image).astype(np.int64)), None, None),
        (T.ToTensor(), (0.0,) * 3, (1.0,) * 3),
        (lambda image: T.ToTensor()(image).half(), (0.0,) * 3, (1.0,) * 3),
        (lambda image: np.asarray(image).astype(np.float32), (0.0,) * 3, (1 / 255,) * 3),
    ],
    ids=["PIL", "array", "channels first", "uint8 tensor", "int64 tensor", "0–1", "half", "0–255"],
)
def test_images_in_every_form_become_the_same_pixels(form, mean, std):
    split, _ = split_of(Own(form))
    assert (split.images[:, 3, 5] == [[40 * row, 255, 7] for row in range(6)]).all()
    assert split.preprocessing == Preprocessing(mean, std, 8, CROP) and split.class_names == ("0", "1", "2")


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8)])
def test_grey_images_become_grey_of_three_channels(shape):
    split, _ = split_of([(np.full(shape, 90, np.uint8), 0)])
    assert split.images.shape == (1, 8, 8, 3) and (split.images == 90).all()


def test_more_bits_and_transparency_are_read_as_from_files():
    deep = np.array([[0, 65535], [257, 32768]], np.uint16)
    clear = np.zeros((2, 2, 4), np.uint8)
    split, _ = split_of([(deep, 0), (clear, 1), (deep > 300, 0), (Image.fromarray(deep), 1)])
    assert split.images[0, ..., 0].tolist() == split.images[3, ..., 0].tolist() == [[0, 255], [1, 128]]
    assert (split.images[1] == 255).all() and split.images[2, ..., 1].tolist() == [[0, 255], [0, 255]]


def test_mean_and_std_are_taken_off_normalised_images():
    data = Own(T.Compose([T.ToTensor(), T.Normalize(MEAN, STD)]))
    split, notes = split_of(data, mean=MEAN, std=STD)
    assert (split.images[:, 3, 5] == [[40 * row, 255, 7] for row in range(6)]).all() and notes == ()
    with pytest.raises(DataError, match="^Item 0: it has values outside 0–1: give the mean and std"):
        split_of(data)
    with pytest.raises(DataError, match=r"^Item 0: it has values from .* make pixels of .*, not 0–255"):
        split_of(data, mean=(0.9,) * 3, std=(0.5,) * 3)


def test_fractions_between_pixels_are_rounded_and_that_is_said():
    split, notes = split_of(TensorDataset(torch.full((2, 1, 8, 8), 0.5), torch.tensor([1, 0])))
    assert (split.images == 128).all() and split.labels.tolist() == [1, 0]  # 127.5
    assert notes == ("The images are no whole numbers of 0–255 when mean and std are taken off; kept are the nearest.",)


def test_two_arrays_are_a_data_set():
    images = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8)
    split, _ = split_of((images, np.array([[1], [0]])), ("cat", "dog"))
    assert (split.images[..., 0] == images).all() and split.labels.tolist() == [1, 0]
    with pytest.raises(DataError, match="There are 2 images and 3 labels"):
        split_of((images, np.zeros(3)))


def test_a_data_set_that_is_too_large_for_memory_is_read_when_it_is_needed(monkeypatch):
    kept, _ = split_of(Own())
    monkeypatch.setattr(split_module, "IN_MEMORY_BYTES", 100)
    read, _ = split_of(Own())
    assert not isinstance(read.images, np.ndarray) and read.fingerprint == kept.fingerprint
    assert (read.images[[4, 1]] == kept.images[[4, 1]]).all() and (read.images[2] == kept.images[2]).all()
    assert read.images[:0].shape == (0, 8, 8, 3)


def test_progress_counts_to_the_total():
    calls = []
    split_of(Own(), progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 6) for done in range(1, 7)]


# Hugging Face


@pytest.fixture
def hub_data():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    images = [Image.new("RGB", (40, 20), (60 * row, 0, 0)) for row in range(3)]
    return datasets.Dataset.from_dict({"image": images, "label": [1, 0, 1]}, features=features)


def test_data_sets_of_hugging_face_are_read_with_their_names(hub_data):
    for data in (hub_data, hub_data.with_format("torch")):
        split, _ = split_of(data, size=10)
        assert split.class_names == ("cat", "dog") and split.labels.tolist() == [1, 0, 1]
        assert split.images[:, 5, 5, 0].tolist() == [0, 60, 120]


def test_their_transform_is_applied_unless_another_is_given(hub_data):
    def to_tensors(batch):
        return {"pixel_values": [TO_32(image) for image in batch["image"]], "labels": batch["label"]}

    applied, _ = split_of(hub_data.with_transform(to_tensors), mean=MEAN, std=STD)
    replaced, _ = split_of(hub_data.with_transform(to_tensors), transform=TO_32)
    assert (applied.images == replaced.images).all() and replaced.preprocessing.resize is not None
    with pytest.raises(DataError, match=r"such as data\['test'\]"):
        split_of({"test": hub_data})


# Labels and names


@pytest.mark.parametrize(
    "label", [2, np.int16(2), torch.tensor(2), 2.0, np.array([2], np.uint8), [0, 0, 1], torch.eye(3)[2], np.array("c")]
)
def test_labels_of_every_form_are_codes(label):
    split, _ = split_of([(np.zeros((8, 8), np.uint8), label)], ("a", "b", "c"))
    assert split.labels.tolist() == [2]


def test_labels_that_are_names_are_sorted_unless_an_order_is_given():
    data = [(np.zeros((8, 8), np.uint8), name) for name in ("dog", "cat", "dog")]
    assert split_of(data)[0].labels.tolist() == [1, 0, 1]
    split, _ = split_of(data, ("owl", "dog", "cat"))
    assert split.labels.tolist() == [1, 2, 1] and split.class_names == ("owl", "dog", "cat")


def test_classes_in_another_order_change_the_codes(photos):
    data = vision.ImageFolder(photos, transform=TO_32)
    split, _ = split_of(data, ("dog", "cat", "owl"))
    assert split.labels.tolist() == [1, 1, 1, 1, 0, 0, 0, 0] and split.class_names == ("dog", "cat", "owl")
    split, notes = split_of(data, ("tabby", "poodle"))
    assert split.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1] and split.class_names == ("tabby", "poodle")
    assert notes == ("The classes are named by their codes: cat is tabby, and so on.",)
    with pytest.raises(DataError, match="has no class cat"):
        split_of(data, ("dog", "owl"))


def test_names_are_found_where_data_sets_have_them():
    images = [(np.zeros((8, 8), np.uint8), np.array([1]))]
    for attributes in (
        {"classes": ["cat", "dog"]},
        {"info": {"label": {"0": "cat", "1": "dog"}}},
        {"categories": ["cat", "dog"]},
        {"classes": [("cat",), ("dog",)]},
    ):
        data = type("Named", (list,), attributes)(images)
        assert split_of(data)[0].class_names == ("cat", "dog")
    data = type("Named", (list,), {"classes": ["crane", "crane"]})(images)
    with pytest.raises(DataError, match="several classes called crane; give names that differ"):
        split_of(data)
    assert split_of(data, ("a", "b"))[0].class_names == ("a", "b")


# Bad data


class Failing(Own):
    def __getitem__(self, row):
        if row == 4:
            raise ValueError("no such\nrow")
        return super().__getitem__(row)


class Endless(IterableDataset):
    def __iter__(self):
        yield from ()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((pair for pair in ()), "A generator is no data set that can be read in any order; a data set has"),
        (Endless(), "The data set, a Endless, has no length"),
        ([], "The data set has no images"),
        ([1, 2], "Item 0 is a int, not a pair"),
        ([{"a": 1}], "Item 0 is a dict of a: call its image 'image' and its label 'label'"),
        (Failing(), r"Item 4 of the data set could not be read \(ValueError: no such\)"),
        (Own(lambda image: torch.rand(3, 8, 8)), "Item 0 is another image each time: .* draws at random"),
        (Transformed(T.RandomCrop(4)), "The transform draws at random"),
        (Own(lambda image: "no image"), "Item 0: it "),
        (Own(lambda image: np.zeros((2, 8, 8))), "Item 0: it is 2×8×8; an image is"),
        (Own(lambda image: np.full((8, 8), 300)), "Item 0: it has values of type int64 that are no pixels"),
        (Own(lambda image: np.full((8, 8), np.nan)), "Item 0: it has values outside 0–1"),
        (Own(lambda image: image.resize((8, 9))), "Item 0 is 8×9 pixels, and images must be square: give the"),
        ([(np.zeros((8, 8)), 0), (np.zeros((9, 9)), 0)], "Item 1 is 9×9 pixels, and item 0 8×8: give the transform"),
        (Own(side=1025), "Item 0 is 1025×1025 pixels, and a side may have 1,024: give the transform"),
        (Own(labels=(0, 1, -1)), "Item 2 has the label -1; it may be 0 or more"),
        (Own(labels=(0, 0.5)), "Item 1: it has the label 0.5, not a whole number"),
        (Own(labels=(0, None)), "Item 1: it has the label None, not a whole number"),
        (Own(labels=(0, 10**12)), "The largest label is 1,000,000,000,000, and there may be 32,767 classes"),
        (Own(labels=(0, 1e30)), r"Item 1: it has the label 1e\+30, not a whole number"),
        (Own(labels=([1, 0, 1],)), "Item 0: it has 2 classes"),
        (Own(labels=(0, "cat")), "Labels must be all names or all numbers; item 0 has a number"),
        (ConcatDataset([Own(), Transformed(TO_32)]), "The data sets that were put together have different transforms"),
        (DataLoader(Own(), batch_sampler=[[0]]), "It cannot be told which images the DataLoader shows"),
    ],
)
def test_bad_data_is_a_sentence(data, words):
    with pytest.raises(DataError, match=f"^{words}"):
        split_of(data)


@pytest.mark.parametrize("size", [0, -3, 1025])
def test_a_size_that_no_run_can_have_is_refused(size):
    with pytest.raises(DataError, match=f"A size of {size} pixels is out of range; it may be 1 to 1024"):
        split_of(Own(), size=size)


def test_labels_beyond_the_names_are_named():
    with pytest.raises(DataError, match=r"Item 2 has the label 2; it may be 0 to 1 \(cat, dog\). Codes count from 0"):
        split_of(Own(), ("cat", "dog"))


def test_a_collate_function_is_not_used_and_that_is_said():
    _, notes = split_of(DataLoader(Own(), batch_size=2, collate_fn=lambda items: SimpleNamespace(items=items)))
    assert "collate_fn of the DataLoader is not used" in notes[0]
