"""What an evaluation's transform does to an image, as far as size, mean and std can say it, and whether they can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from sightline.image_data.preprocessing import Channels, Preprocessing
from sightline.image_data.resize import LEAST_SHARE, Interpolation, Resize
from sightline.image_data.splits import DataError
from sightline.image_data.trial import difference, is_processor

# By torchvision's names and Pillow's numbers, which transformers give.
_INTERPOLATIONS: dict[object, Interpolation] = {
    "bilinear": "bilinear", "bicubic": "bicubic", 2: "bilinear", 3: "bicubic",
}  # fmt: skip
_AT_RANDOM = {
    "ColorJitter", "AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix", "AugMixAugment", "MixUp", "CutMix",
    "GaussianBlur", "GaussianNoise", "ElasticTransform", "ScaleJitter",
}  # fmt: skip
_SCALING = {"ToTensor", "MaybeToTensor", "ConvertImageDtype", "ConvertDtype"}  # whole numbers of 0–255 become 0–1
_TENSORS = {"ToTensor", "MaybeToTensor", "PILToTensor", "MaybePILToTensor", "ToImage"}
_HARMLESS = _SCALING | _TENSORS | {"ToDtype", "ToPILImage", "RGB", "Identity", "ToPureTensor"}
_WAYS_OUT = "give mean, std, size and resize instead, or images that the transform was applied to already"


class TrainingTransformError(DataError):
    """A transform that draws at random, so that it cannot be an evaluation's."""


def preprocessing_of(transform: object) -> Preprocessing:
    """Return what a transform for evaluation does: of torchvision (v1, v2, presets), timm, or transformers' processors.

    It is also tried on two images, since it must do what was found, and nothing else. None does nothing.

    Raises:
        DataError: it does what cannot be said so; a TrainingTransformError where it draws at random.

    >>> from torchvision import transforms as T
    >>> preprocessing_of(T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor()])).resize
    Resize(rule='crop', share=0.875, interpolation='bilinear')
    """
    found, doubt = read_transform(transform)
    if doubt:
        raise DataError(f"The transform {doubt}; {_WAYS_OUT}.")
    return found


def read_transform(transform: object) -> tuple[Preprocessing, str]:
    """Return what a transform does as far as it can be said, and what cannot: the end of a sentence, or "".

    Raises TrainingTransformError.
    """
    if transform is None:
        return Preprocessing(), ""
    steps = _Steps()
    try:
        found = _of_processor(transform) if is_processor(transform) else steps.take(transform)
    except _Unsaid as doubt:
        return Preprocessing(*doubt.normalisation), doubt.said
    return found, difference(transform, found, steps.unknown)


class _Unsaid(Exception):
    """What a transform does that cannot be said, with the mean and std that it has all the same."""

    def __init__(self, said: str, normalisation: tuple[Channels | None, Channels | None] = (None, None)) -> None:
        super().__init__(said)
        self.said, self.normalisation = said, normalisation


# Transforms of torchvision and timm: a step after the other


class _Steps:
    """What the steps of a transform come to."""

    def __init__(self) -> None:
        self.found = Preprocessing()
        self.is_scaled = self.is_tensor = False
        self.doubt = self.unknown = ""
        self.side: int | None = None  # to which a Resize brings the shorter side, or both

    def take(self, transform: object) -> Preprocessing:
        for step in _flat(transform):
            self._take(step)
        if self.doubt:
            raise _Unsaid(self.doubt, (self.found.mean, self.found.std))
        if self.is_scaled and self.found.mean is None:
            return replace(self.found, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        return self.found

    def _take(self, step: Any) -> None:
        name = type(step).__name__
        if name.startswith("Random") or name in _AT_RANDOM:
            raise TrainingTransformError(
                f"The transform draws at random ({name}): it is for training. Give the one that test images go through."
            )
        try:
            if name == "Normalize":
                self._normalise(step)
            elif name in ("Resize", "ResizeKeepRatio"):
                self._resize(step)
            elif name in ("CenterCrop", "CenterCropOrPad"):
                self._crop(_one_side(step.size))
            elif hasattr(step, "crop_size") and hasattr(step, "resize_size"):  # a preset of torchvision
                self.is_scaled = True
                self._resize_to(_one_side(step.resize_size), "crop", _interpolation(step.interpolation))
                self._crop(_one_side(step.crop_size))
                self._normalise(step)
            elif name not in _HARMLESS:
                self.unknown = self.unknown or name
            self.is_tensor |= name in _TENSORS
            self.is_scaled |= name in _SCALING or (name == "ToDtype" and step.scale)
        except _Unsaid as doubt:
            self.doubt = self.doubt or doubt.said
        except (AttributeError, TypeError, ValueError):  # a step of another library under a known name
            self.doubt = self.doubt or f"has a step {name} that is not understood"

    def _normalise(self, step: Any) -> None:
        if self.found.mean is not None:
            raise _Unsaid("normalises twice")
        mean, std = _normalisation(step.mean, step.std, 1 if self.is_scaled else 255)
        self.found = replace(self.found, mean=mean, std=std)

    def _resize(self, step: Any) -> None:
        sides = _sides(step.size)
        if getattr(step, "max_size", None) is not None or getattr(step, "longest", None):
            raise _Unsaid("keeps the whole of an image, with a border")
        if getattr(step, "antialias", True) is False and self.is_tensor:
            raise _Unsaid("resizes without antialiasing")
        is_squashed = len(sides) == 2 and type(step).__name__ == "Resize"
        self._resize_to(_one_side(sides), "squash" if is_squashed else "crop", _interpolation(step.interpolation))

    def _resize_to(self, side: int, rule: Any, interpolation: Interpolation) -> None:
        if self.side is not None:
            raise _Unsaid("resizes twice")
        self.side = side
        self.found = replace(self.found, size=side, resize=Resize(rule, 1.0, interpolation))

    def _crop(self, size: int) -> None:
        resize = self.found.resize
        if self.side is None or resize is None or resize.share != 1:
            raise _Unsaid("cuts the middle out without resizing before, so that it depends on an image what is left")
        if size > self.side:
            raise _Unsaid("puts a border around an image")
        self.found = replace(self.found, size=size, resize=_with_share(resize, size / self.side))


def _flat(transform: Any) -> Iterator[object]:
    """Yield the steps of a transform, in order."""
    steps = getattr(transform, "transforms", transform)
    is_several = isinstance(steps, (list, tuple)) or type(steps).__name__ in ("Sequential", "ModuleList")
    if not is_several:
        yield transform
        return
    for step in steps:
        yield from _flat(step)


def _sides(size: Any) -> tuple[int, ...]:
    return (int(size),) if isinstance(size, (int, float)) else tuple(map(int, size))


def _one_side(size: Any) -> int:
    first, *others = _sides(size)
    if any(other != first for other in others):
        raise _Unsaid(f"gives images of {first}×{others[0]} pixels, which are not square")
    return first


def _interpolation(given: Any) -> Interpolation:
    value = getattr(given, "value", given)
    if value not in _INTERPOLATIONS:
        raise _Unsaid(f"resizes by {value}, neither bilinear nor bicubic")
    return _INTERPOLATIONS[value]


def _with_share(resize: Resize, share: float) -> Resize:
    if share < LEAST_SHARE:
        raise _Unsaid(f"leaves less than {LEAST_SHARE:.0%} of the shorter side")
    return replace(resize, share=share)


def _normalisation(mean: Any, std: Any, scale: float) -> tuple[Channels, Channels]:
    """Return mean and std of pixels of 0–1, given those of pixels of 0–scale, for one channel or three."""
    both = [np.atleast_1d(np.asarray(values, dtype=np.float64)) / scale for values in (mean, std)]
    if any(values.shape not in ((1,), (3,)) for values in both):
        raise _Unsaid(f"normalises {both[0].size} channels, not 1 or 3")
    if not all(np.isfinite(values).all() for values in both) or both[1].min() <= 0:
        raise _Unsaid("normalises by a std that is not above 0")
    # Seven digits are all that a mean has which was float32 before.
    (r, g, b), (red, green, blue) = (np.broadcast_to(values, 3).round(7).tolist() for values in both)
    return (r, g, b), (red, green, blue)


# Image processors of transformers


def _of_processor(processor: Any) -> Preprocessing:
    scale = 255 * processor.rescale_factor if getattr(processor, "do_rescale", True) else 255
    given = (processor.image_mean, processor.image_std) if processor.do_normalize else (0.0, 1.0)
    normalisation = _normalisation(given[0], given[1], scale)
    try:
        return Preprocessing(*normalisation, *_square_of(processor))
    except _Unsaid as doubt:
        raise _Unsaid(doubt.said, normalisation) from doubt


def _square_of(processor: Any) -> tuple[int | None, Resize | None]:
    """Return size and rule."""
    if not getattr(processor, "do_resize", False):
        if getattr(processor, "do_center_crop", False):
            raise _Unsaid("cuts the middle out without resizing before, so that it depends on an image what is left")
        return None, None
    height, width, shortest = (_entry(processor.size, name) for name in ("height", "width", "shortest_edge"))
    crop_pct = getattr(processor, "crop_pct", None)
    resize = Resize("crop" if shortest else "squash", 1.0, _interpolation(processor.resample))
    side = shortest or _one_side((height or 0, width or 0))
    if side < 1:
        raise _Unsaid("resizes to no square")
    size, is_cut = side, getattr(processor, "do_center_crop", False)
    if is_cut:
        crop = processor.crop_size
        size = _entry(crop, "shortest_edge") or _one_side((_entry(crop, "height"), _entry(crop, "width")))
    if shortest and crop_pct:  # ConvNeXt has a margin for small images, and none for large ones, which are squashed
        if side >= 384 and not is_cut:
            return side, replace(resize, rule="squash")
        side = int(side / crop_pct)
    if size > side:
        raise _Unsaid("puts a border around an image")
    return size, _with_share(resize, size / side)


def _entry(size: Any, name: str) -> int | None:
    value = size.get(name) if hasattr(size, "get") else getattr(size, name, None)
    return None if value is None else int(value)
