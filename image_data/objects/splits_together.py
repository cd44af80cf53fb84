"""Make several splits of data sets that are objects, with the same classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sightline.image_data.class_names import with_classes
from sightline.image_data.objects.source import located
from sightline.image_data.objects.split import split_of
from sightline.image_data.preprocessing import Preprocessing
from sightline.image_data.resize import CROP
from sightline.image_data.splits import ImageSplit, Progress


def splits_of(
    data: Mapping[str, Any], given: Preprocessing, default: Preprocessing, progress: Progress | None
) -> tuple[dict[str, ImageSplit], tuple[str, ...]]:
    """Return the splits of these data sets, and sentences for the user; with masks, where a data set has them.

    Arguments and errors are those of `split_of`.
    """
    found: dict[str, ImageSplit] = {}
    notes: list[str] = []
    for role, each in data.items():
        found[role], said = split_of(
            each,
            mean=given.mean,
            std=given.std,
            size=given.size,
            resize=given.resize,
            default=default,
            progress=progress,
        )
        if getattr(each, "masks", None) is not None:
            found[role] = _with_masks(found[role], each)
        notes += said
    names = max((split.class_names for split in found.values()), key=len)
    if all({*split.class_names} <= {*names} for split in found.values()):  # one may have less than all codes
        found = {role: with_classes(split, names, "the data set") for role, split in found.items()}
    return found, tuple(dict.fromkeys(notes))


def _with_masks(split: ImageSplit, data: Any) -> ImageSplit:
    side, resize = split.images.shape[1], split.preprocessing.resize or CROP
    masks = [located(row, lambda each: data.mask(each, side, resize), row) for row in range(len(split))]
    return replace(split, masks=np.stack(masks))
