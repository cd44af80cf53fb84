"""A data set is chosen by its name, and a row of the table is all that makes one."""

import numpy as np
import pytest

from sightline.image_data import DataError, ImageSplit, dataset_help, load_image_data, load_test_split
from sightline.image_data.sources import SOURCES, Source


def grey_images(request):
    """One image a split, of the grey value that the argument says, at the size that is asked for."""
    pixels = np.full((1, request.image_size, request.image_size, 3), int(request.argument), np.uint8)
    split = ImageSplit(pixels, np.zeros(1, np.int64), ("grey",), "")
    return dict.fromkeys(request.splits, split), (f"splits: {', '.join(request.splits)}",)


@pytest.fixture
def grey(monkeypatch):
    """A further source, `grey:VALUE`."""
    monkeypatch.setitem(SOURCES, "grey", Source(grey_images, "images of one grey", arguments=("VALUE",)))


@pytest.mark.parametrize(
    "name", ["imagenet", "planted-shapes:fair", "planted-shapes:", "folder:", "folder", "cifar10:x", ""]
)
def test_an_unknown_data_set_is_refused_with_the_choices(name):
    with pytest.raises(DataError) as error:
        load_image_data(name)
    assert str(error.value) == (
        f"Unknown data set {name!r}; choose from: planted-shapes, planted-shapes:honest, planted-shapes:shortcut, "
        "cifar10, folder:DIR, csv:FILE, npz:FILE, hf:DIR, FILE.py:NAME."
    )


@pytest.mark.parametrize(("name", "written"), [("", "folder:"), ("table.csv", "csv:"), ("arrays.NPZ", "npz:")])
def test_a_path_alone_is_told_how_it_is_written(tmp_path, name, written):
    path = tmp_path / name
    if name:
        path.touch()
    with pytest.raises(DataError) as error:
        load_image_data(str(path))
    assert str(error.value).endswith(f" For what lies there, write {written}{path}.")


@pytest.mark.parametrize("name", ["cifar10", "planted-shapes"])
def test_data_sets_of_fixed_size_refuse_another_size(name, tmp_path):
    with pytest.raises(DataError, match="are 32×32 and cannot be loaded at 64 pixels; .* or use folder:DIR"):
        load_image_data(name, image_size=64, data_dir=tmp_path)


def test_planted_shapes_without_a_variant_are_the_honest_ones(monkeypatch, tiny_data):
    asked = []
    generate = "sightline.image_data.planted_shapes.planted_shapes"
    monkeypatch.setattr(generate, lambda variant: asked.append(variant) or tiny_data)
    for name in ("planted-shapes", "planted-shapes:honest", "planted-shapes:shortcut"):
        assert load_image_data(name, default_size=224).name == name
    assert asked == ["honest", "honest", "shortcut"]


def test_a_row_of_the_table_makes_a_source(grey):
    data = load_image_data("grey:7", image_size=9)
    assert data.name == "grey:7" and data.train.images.shape == (1, 9, 9, 3) and (data.test.images == 7).all()
    assert data.warnings == ("splits: train, test",)
    test, warnings = load_test_split("grey:200", image_size=9)
    assert (test.images == 200).all() and warnings == ("splits: test",)
    assert dataset_help().endswith("; grey:VALUE: images of one grey")
    with pytest.raises(DataError, match="choose from: .*, FILE.py:NAME, grey:VALUE"):
        load_image_data("gray:7")
    with pytest.raises(DataError, match="use folder:DIR, csv:FILE, .*, grey:VALUE"):
        load_image_data("cifar10", image_size=64)


def test_the_default_size_is_taken_where_none_is_asked_for(grey):
    assert load_image_data("grey:7", default_size=10).train.images.shape[1] == 10
    assert load_test_split("grey:7", image_size=9, default_size=10)[0].images.shape[1] == 9
    for size in (0, 7, 1025):
        with pytest.raises(DataError, match=f"between 8 and 1024, not {size}"):
            load_image_data("grey:7", image_size=size)
    with pytest.raises(DataError, match="may be of any size: give image_size"):
        load_image_data("grey:7")
