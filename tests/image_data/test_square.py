"""Images become squares as torchvision makes them, and every file is decoded by the rule that is asked for."""

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode

from sightline.image_data import decode_image, load_image_data, load_test_split
from sightline.image_data.folder.file_images import FileImages
from sightline.image_data.resize import NAMED, Resize
from sightline.image_data.square import square
from tests.image_files import save

SIDES = [(320, 240), (240, 320), (301, 200), (224, 224), (64, 64), (500, 37)]


@pytest.fixture
def noise(random_numbers):
    return lambda width, height: Image.fromarray(random_numbers.integers(0, 256, (height, width, 3), dtype=np.uint8))


def largest_difference(ours, theirs):
    return np.abs(np.asarray(ours).astype(int) - np.asarray(theirs)).max()


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("resized", [256, 235, 224])
def test_a_margin_is_left_as_torchvision_leaves_it(noise, sides, interpolation, resized):
    image = noise(*sides)
    theirs = T.Compose([T.Resize(resized, InterpolationMode(interpolation)), T.CenterCrop(224)])(image)
    ours = square(image, 224, Resize(share=224 / resized, interpolation=interpolation))
    if (resized, interpolation) != (224, "bicubic"):  # CROP cuts first, so that its pixels lie elsewhere by a part
        assert largest_difference(ours, theirs) <= 2  # rounded between its two passes


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_squashing_is_that_of_pillow_and_torchvision(noise, sides, interpolation):
    image = noise(*sides)
    ours = np.asarray(square(image, 48, Resize("squash", interpolation=interpolation)))
    assert (ours == np.asarray(T.Resize((48, 48), InterpolationMode(interpolation))(image))).all()
    cut = T.Compose([T.Resize((56, 56), InterpolationMode(interpolation)), T.CenterCrop(48)])(image)
    assert largest_difference(square(image, 48, Resize("squash", 48 / 56, interpolation)), cut) <= 2


def test_masks_take_the_nearest_value_at_the_place_of_the_image():
    mask = np.zeros((100, 200), np.uint8)
    mask[:, 100:] = 4
    for resize in NAMED.values():
        found = np.asarray(square(Image.fromarray(mask), 50, resize, is_mask=True))
        assert found.shape == (50, 50) and (found[:, :25] == 0).all() and (found[:, 25:] == 4).all()


def test_the_same_rule_gives_the_same_pixels_everywhere(tmp_path, noise):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            save(noise(60, 40), tmp_path / "images" / split / name / "0.png")
    for resize in NAMED.values():
        data = load_image_data(f"folder:{tmp_path / 'images'}", image_size=16, resize=resize, data_dir=tmp_path / "d")
        expected = np.stack([decode_image(path, 16, resize) for path in data.test.paths])
        again, _ = load_test_split(
            f"folder:{tmp_path / 'images'}", image_size=16, resize=resize, data_dir=tmp_path / "d"
        )
        assert (data.test.images == expected).all() and (again.images == expected).all()  # decoded, then cached
        assert (FileImages(data.test.paths, 16, resize)[:] == expected).all()
    assert len({*(entry.name for entry in (tmp_path / "d" / "cache").iterdir())}) == 6  # an entry for each rule
