"""A transform is read only where it does nothing but resize, cut and normalise."""

import numpy as np
import pytest
import timm.data
import torch
from PIL import Image
from torch import nn
from torchvision import models
from torchvision import transforms as T
from torchvision.transforms import v2

from sightline.image_data import DataError, Preprocessing, preprocessing_of
from sightline.image_data.resize import Resize
from sightline.image_data.square import square
from sightline.image_data.transforms import TrainingTransformError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AS_THEY_ARE = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
NORMALISED = {"mean": MEAN, "std": STD}
BILINEAR = "bilinear"


def timm_transform(**options):
    return timm.data.create_transform((3, 224, 224), is_training=False, mean=MEAN, std=STD, **options)


READABLE = {
    "torchvision": (
        T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(), T.Normalize(MEAN, STD)]),
        Preprocessing(**NORMALISED, size=224, resize=Resize("crop", 0.875, BILINEAR)),
    ),
    "torchvision v2": (
        v2.Compose(
            [v2.ToImage(), v2.Resize(232), v2.CenterCrop((224, 224)), v2.ToDtype(torch.float32, scale=True)]
            + [v2.Normalize([0.5] * 3, [0.25] * 3)]
        ),
        Preprocessing((0.5,) * 3, (0.25,) * 3, 224, Resize("crop", 224 / 232, BILINEAR)),
    ),
    "a preset": (
        models.Swin_V2_T_Weights.DEFAULT.transforms(),
        Preprocessing(**NORMALISED, size=256, resize=Resize("crop", 256 / 260, "bicubic")),
    ),
    "a squash": (
        T.Compose([T.Resize((64, 64), T.InterpolationMode.BICUBIC), T.ToTensor()]),
        Preprocessing(**AS_THEY_ARE, size=64, resize=Resize("squash", 1.0, "bicubic")),
    ),
    "a squash with a margin": (
        T.Compose([T.Resize((256, 256)), T.CenterCrop(224), T.ToTensor()]),
        Preprocessing(**AS_THEY_ARE, size=224, resize=Resize("squash", 0.875, BILINEAR)),
    ),
    "timm": (
        timm_transform(interpolation="bicubic", crop_pct=0.9),
        Preprocessing(**NORMALISED, size=224, resize=Resize("crop", 224 / 248, "bicubic")),
    ),
    "timm, squashed": (
        timm_transform(interpolation="bilinear", crop_pct=1.0, crop_mode="squash"),
        Preprocessing(**NORMALISED, size=224, resize=Resize("squash", 1.0, BILINEAR)),
    ),
    "grey": (
        T.Compose([T.ToTensor(), T.Normalize((0.1307,), (0.3081,))]),
        Preprocessing((0.1307,) * 3, (0.3081,) * 3),
    ),
    "pixels of 0–255": (
        v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32), v2.Normalize([102.0] * 3, [51.0] * 3)]),
        Preprocessing((0.4,) * 3, (0.2,) * 3),
    ),
    "a harmless step": (
        T.Compose([T.Lambda(lambda image: image.convert("RGB")), T.Resize(32), T.CenterCrop(32), T.ToTensor()]),
        Preprocessing(**AS_THEY_ARE, size=32, resize=Resize("crop", 1.0, BILINEAR)),
    ),
    "modules": (
        nn.Sequential(T.Resize(256), T.CenterCrop(224)),
        Preprocessing(size=224, resize=Resize("crop", 0.875, BILINEAR)),
    ),
    "nothing": (None, Preprocessing()),
}


@pytest.mark.parametrize("name", READABLE)
def test_what_is_an_evaluations_is_read(name):
    transform, expected = READABLE[name]
    found = preprocessing_of(transform)
    assert (found.size, found.resize) == (expected.size, expected.resize)
    assert found.mean == pytest.approx(expected.mean, abs=1e-6) and found.std == pytest.approx(expected.std, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in READABLE if name not in ("nothing", "modules")])
def test_what_is_read_gives_the_tensor_that_the_transform_gives(name, random_numbers):
    transform, _ = READABLE[name]
    found = preprocessing_of(transform)
    coarse = Image.fromarray(random_numbers.integers(0, 256, (12, 24, 3), dtype=np.uint8))
    image = coarse.resize((600, 300), Image.Resampling.BICUBIC)
    ours = image if found.size is None else square(image, found.size, found.resize)
    ours = (T.functional.to_tensor(ours).movedim(0, 2) - torch.tensor(found.mean)) / torch.tensor(found.std)
    difference = (ours.movedim(2, 0) - torch.as_tensor(np.asarray(transform(image)))).abs().max()
    assert difference <= 2 / 255 / min(found.std)  # two levels


UNSAID = {
    "with a border": timm_transform(crop_pct=1.0, crop_mode="border"),
    "puts a border around": T.Compose([T.Resize(200), T.CenterCrop(224), T.ToTensor()]),
    "without resizing before": T.Compose([T.CenterCrop(224), T.ToTensor()]),
    "32×64 pixels, which are not square": T.Compose([T.Resize((32, 64)), T.ToTensor()]),
    "resizes by nearest": T.Compose([T.Resize(32, T.InterpolationMode.NEAREST), T.ToTensor()]),
    "resizes twice": T.Compose([T.Resize(256), T.Resize(32), T.ToTensor()]),
    "normalises twice": T.Compose([T.ToTensor(), T.Normalize(MEAN, STD), T.Normalize(MEAN, STD)]),
    "without antialiasing": v2.Compose([v2.PILToTensor(), v2.Resize(32, antialias=False)]),
    "does more than": T.Compose([T.Lambda(lambda image: image.rotate(90)), T.Resize(32), T.ToTensor()]),
    "makes 1×300×300 values": T.Compose([T.Grayscale(), T.ToTensor()]),
    "has a step Lambda": T.Compose([T.Lambda(lambda tensor: tensor.flip(0)), T.Normalize(MEAN, STD)]),
}


@pytest.mark.parametrize("words", UNSAID)
def test_what_cannot_be_said_is_a_sentence(words):
    with pytest.raises(DataError, match=f"^The transform .*{words}.*; give mean, std, size and resize instead"):
        preprocessing_of(UNSAID[words])


@pytest.mark.parametrize(
    "step",
    [T.RandomResizedCrop(32), T.RandomHorizontalFlip(), T.ColorJitter(0.1), T.TrivialAugmentWide(), v2.RandAugment()],
    ids=lambda step: type(step).__name__,
)
def test_a_transform_for_training_is_refused(step):
    with pytest.raises(TrainingTransformError, match=rf"draws at random \({type(step).__name__}\)"):
        preprocessing_of(T.Compose([step, T.ToTensor()]))


def processor(name, **options):
    return getattr(pytest.importorskip("transformers"), name)(**options)


@pytest.mark.parametrize(
    ("name", "options", "size", "resize"),
    [
        ("ViTImageProcessor", {}, 224, Resize("squash", 1.0, BILINEAR)),
        ("ViTImageProcessorPil", {}, 224, Resize("squash", 1.0, BILINEAR)),
        ("BitImageProcessor", {}, 224, Resize("crop", 1.0, "bicubic")),
        ("DeiTImageProcessor", {}, 224, Resize("squash", 0.875, "bicubic")),
        ("MobileNetV2ImageProcessor", {}, 224, Resize("crop", 0.875, BILINEAR)),
        ("PoolFormerImageProcessor", {}, 224, Resize("crop", 224 / 248, "bicubic")),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}}, 224, Resize("crop", 0.875, "bicubic")),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}, 384, Resize("squash", 1.0, "bicubic")),
    ],
)
def test_processors_of_transformers_are_read(name, options, size, resize):
    options = {"image_mean": MEAN, "image_std": STD} | options
    assert preprocessing_of(processor(name, **options)) == Preprocessing(MEAN, STD, size, resize)


def test_a_processor_that_does_not_normalise_leaves_pixels_as_they_are():
    found = preprocessing_of(processor("ViTImageProcessor", do_normalize=False, do_resize=False))
    assert found == Preprocessing((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize("name", ["LevitImageProcessor", "EfficientNetImageProcessor", "PerceiverImageProcessor"])
def test_processors_that_do_something_of_their_own_are_refused(name):
    with pytest.raises(DataError, match=r"^The transform (does more|puts a border|resizes by)"):
        preprocessing_of(processor(name))
