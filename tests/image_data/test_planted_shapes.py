"""Planted shapes: what differs between the variants, what the tag says, and where things are."""

import numpy as np
import pytest

from sightline.image_data import DataError, content_fingerprint
from sightline.image_data import planted_shapes as module
from sightline.image_data.shape_outlines import signed_distance

OBJECT, TAG, DECOY = 1, 2, 4
planted_shapes = module.planted_shapes


@pytest.fixture(scope="module")
def honest():
    return planted_shapes("honest", train_count=1500, test_count=500)


@pytest.fixture(scope="module")
def shortcut():
    return planted_shapes("shortcut", train_count=1500, test_count=500)


def patch_pixels(split, bit):
    """N×PATCH²×3: the pixels of a patch in each image."""
    return split.images[split.masks == bit].reshape(len(split), module.PATCH**2, 3).astype(int)


def nearest_colours(split, bit):
    """Which of its colours a patch has: read from the pixels, not from the generator."""
    palette = module.patch_colours()[0 if bit == TAG else 1] * 255
    light = np.indices((module.PATCH, module.PATCH)).sum(axis=0).ravel() % 2 == 0  # the decoy's chequer
    seen = patch_pixels(split, bit)[:, light].mean(axis=1)
    return np.abs(seen[:, None] - palette[None]).sum(axis=-1).argmin(axis=1)


def test_counts_shapes_and_balance_are_as_documented():
    data = planted_shapes("honest", train_count=100, test_count=50)
    assert data.name == "planted-shapes:honest"
    assert data.train.images.shape == (100, 32, 32, 3) and data.test.masks.shape == (50, 32, 32)
    assert np.bincount(data.train.labels).tolist() == [10] * 10
    assert data.train.class_names[0] == "circle" and len(data.train.class_names) == 10


def test_generating_twice_gives_the_same_bytes(honest):
    again = planted_shapes("honest", train_count=1500, test_count=500)
    assert np.array_equal(again.train.images, honest.train.images)
    assert again.train.fingerprint == honest.train.fingerprint


def test_fingerprint_is_that_of_the_content(honest):
    test = honest.test
    assert test.fingerprint == content_fingerprint(test.images, test.labels, test.class_names)


def test_test_split_is_byte_identical_in_both_variants(honest, shortcut):
    assert honest.test.images.tobytes() == shortcut.test.images.tobytes()
    assert honest.test.masks.tobytes() == shortcut.test.masks.tobytes()
    assert honest.test.fingerprint == shortcut.test.fingerprint


def test_training_splits_differ_in_tag_pixels_only(honest, shortcut):
    differs = (honest.train.images != shortcut.train.images).any(axis=-1)
    assert differs.any()
    assert not (differs & (honest.train.masks != TAG)).any()
    assert np.array_equal(honest.train.masks, shortcut.train.masks)
    assert np.array_equal(honest.train.labels, shortcut.train.labels)
    assert honest.train.fingerprint != shortcut.train.fingerprint


def test_training_and_test_images_are_different_ones(honest):
    train = {image.tobytes() for image in honest.train.images}
    assert not any(image.tobytes() in train for image in honest.test.images)


@pytest.fixture(scope="module")
def both():
    return {variant: planted_shapes(variant, train_count=3000, test_count=2000) for variant in module.VARIANTS}


def test_a_coloured_tag_gives_away_the_class_in_shortcut_training(both):
    train = both["shortcut"].train
    colours = nearest_colours(train, TAG)
    is_coloured = colours != module.GREY
    assert abs(is_coloured.mean() - module.COLOURED_SHARE) < 0.04
    assert (colours[is_coloured] == train.labels[is_coloured]).all()


def test_grey_tags_say_nothing_about_the_class(both):
    for split in (both["shortcut"].train, both["honest"].train, both["honest"].test):
        labels = split.labels[nearest_colours(split, TAG) == module.GREY]
        assert np.bincount(labels, minlength=10).min() > 0.06 * len(labels)


@pytest.mark.parametrize("bit", [TAG, DECOY])
def test_patches_say_nothing_in_honest_training_and_in_the_test_split(both, bit):
    for split in (both["honest"].train, both["honest"].test):
        colours = nearest_colours(split, bit)
        is_coloured = colours != module.GREY
        assert abs((colours == split.labels)[is_coloured].mean() - 0.1) < 0.03
        assert np.bincount(colours[is_coloured], minlength=10).min() > 0.07 * is_coloured.sum()


def test_decoy_says_nothing_in_shortcut_training(both):
    train = both["shortcut"].train
    assert abs((nearest_colours(train, DECOY) == train.labels).mean() - 0.1) < 0.03


def test_patches_are_whole_squares_and_every_object_is_visible(honest):
    masks = honest.train.masks
    assert set(np.unique(masks)) == {0, OBJECT, TAG, DECOY}
    for bit in (TAG, DECOY):
        assert ((masks == bit).sum(axis=(1, 2)) == module.PATCH**2).all()
        assert ((masks == bit).any(axis=1).sum(axis=1) == module.PATCH).all()
        assert ((masks == bit).any(axis=2).sum(axis=1) == module.PATCH).all()
    assert ((masks == OBJECT).sum(axis=(1, 2)) >= 15).all()


def test_tag_and_decoy_are_found_in_the_same_places(honest):
    places = [(honest.train.masks == bit).mean(axis=0) for bit in (TAG, DECOY)]
    for axis in (0, 1):
        tag, decoy = (place.sum(axis=axis) / module.PATCH for place in places)  # probability of each row or column
        assert np.abs(tag - decoy).max() < 0.07


def test_object_mask_is_where_the_pixels_of_the_shape_are(monkeypatch):
    for name in ("NOISE", "SHAPE_TEXTURE", "BACKGROUND_TEXTURE"):
        monkeypatch.setattr(module, name, 0.0)
    data = planted_shapes("honest", train_count=60, test_count=1).train
    for image, mask, label in zip(data.images.astype(int), data.masks, data.labels, strict=True):
        pixels, count = np.unique(image[mask == 0], axis=0, return_counts=True)
        background = pixels[count.argmax()]  # plain now: the most frequent colour
        off_background = np.abs(image - background).sum(axis=-1) > 3
        assert off_background[mask == OBJECT].all()
        if data.class_names[label] == "moon":
            continue  # its horns are too thin to cover half a pixel
        touched = np.pad(mask != 0, 2)  # the tips of a star fade out within two pixels of the mask
        reach = range(-2, 3)
        near = np.any([np.roll(touched, (i, j), (0, 1)) for i in reach for j in reach], axis=0)
        assert not (off_background & ~near[2:-2, 2:-2]).any()


@pytest.mark.parametrize(
    ("name", "x", "y", "distance"),
    [
        ("circle", 0.0, 0.0, -0.9),
        ("circle", 3.0, 4.0, 4.1),
        ("square", 0.0, 0.5, -0.27),
        ("square", 1.77, 0.0, 1.0),
        ("square", 3.77, 4.77, 5.0),  # from the corner (0.77, 0.77)
        ("ring", 0.0, 0.0, 0.46),
        ("ring", 0.72, 0.0, -0.26),
        ("cross", 0.0, -2.0, 1.0),
        ("cross", 0.64, 0.74, 0.3),  # from the edge x = 0.34
        ("moon", 0.5, -0.12, 0.78),  # in the middle of the bite
        ("arrow", 0.0, 2.0, 1.0),
    ],
)
def test_signed_distance_to_an_outline(name, x, y, distance):
    found = signed_distance(name, np.array([x], np.float32), np.array([y], np.float32))
    assert found[0] == pytest.approx(distance, abs=1e-3)


@pytest.mark.parametrize("name", module.CLASS_NAMES)
def test_every_outline_lies_within_the_reach_that_placement_counts_on(name):
    y, x = np.mgrid[-1.5:1.5:0.02, -1.5:1.5:0.02].astype(np.float32)
    inside = signed_distance(name, x, y) < 0
    assert inside.any()
    assert np.sqrt(x * x + y * y)[inside].max() <= 1.11


def test_unknown_variant_and_empty_split_are_refused():
    with pytest.raises(DataError, match="honest, shortcut"):
        planted_shapes("fair")
    with pytest.raises(DataError, match="at least one"):
        planted_shapes("honest", train_count=0)
