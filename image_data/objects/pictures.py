"""An image as a data set gives it, in any of the usual forms, as the uint8 pixels that a run has."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightline.image_data.decode import ImageError, decode_image, to_rgb
from sightline.image_data.preprocessing import Channels, Preprocessing
from sightline.image_data.resize import CROP
from sightline.image_data.splits import DataError
from sightline.image_data.square import square

# What the numbers of images mean that are no whole numbers: 0–1, 0–255 all the same, or with mean and std taken off.
Scale = Literal["unit", "bytes", "normalised"]
UNCHANGED: dict[Scale | None, Preprocessing] = {
    "unit": Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "bytes": Preprocessing((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}  # of a model that takes such numbers as they are


@dataclass(frozen=True)
class Reader:
    """Turns images into uint8 S×S×3."""

    preprocessing: Preprocessing
    scale: Scale | None = None
    """None where images are of whole numbers, or PIL's."""

    def pixels(self, image: Any) -> NDArray[np.uint8]:
        """Return the pixels of an image, square where a size is said. Raises DataError, without whose image it is."""
        found, size = self.picture(image), self.preprocessing.size
        return np.asarray(found if size is None else square(found, size, self.preprocessing.resize or CROP))

    def picture(self, image: Any) -> Image.Image:
        """Return an image in RGB, at the size that it has."""
        if isinstance(image, Image.Image):
            return to_rgb(image)
        if isinstance(image, dict) and {"bytes", "path"} >= image.keys():  # of Hugging Face, not decoded
            return _decoded(image)
        values = channels_last(image)
        if values.dtype.kind == "f":
            values = self._from_fractions(values)
        elif values.dtype == np.bool_:
            values = values.astype(np.uint8) * np.uint8(255)
        elif values.dtype == np.uint16:
            values = np.rint(values / 257).astype(np.uint8)
        elif values.dtype.kind not in "iu" or values.min(initial=0) < 0 or values.max(initial=0) > 255:
            raise DataError(f"it has values of type {values.dtype} that are no pixels of 0–255")
        values = values.astype(np.uint8)
        if values.shape[2] == 1:
            values = np.repeat(values, 3, axis=2)
        return to_rgb(Image.fromarray(np.ascontiguousarray(values)))

    def _from_fractions(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        found = self.unrounded(values)
        low, high = found.min(initial=0), found.max(initial=255)
        if not (low > -1 and high < 256):  # also for NaN
            raise DataError(
                f"it has values from {values.min():.3g} to {values.max():.3g}, of which mean and std make pixels of "
                f"{low:.0f} to {high:.0f}, not 0–255: give those that it was normalised with"
            )
        return np.rint(found).clip(0, 255).astype(np.uint8)

    def unrounded(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return pixels of 0–255, H×W×C, of numbers in this scale."""
        values = values.astype(np.float64)
        if self.scale == "bytes":
            return values
        if self.scale == "normalised":
            mean, std = (np.array(each)[: values.shape[2]] for each in self._normalisation())
            values = values * std + mean
        return values * 255

    def _normalisation(self) -> tuple[Channels, Channels]:
        mean, std = self.preprocessing.mean, self.preprocessing.std
        if mean is None or std is None:
            raise DataError("it has values outside 0–1: give the mean and std that it was normalised with")
        return mean, std


def _decoded(stored: dict[str, Any]) -> Image.Image:
    """Return an image of Hugging Face's that is stored as a file is, or in one."""
    try:
        return Image.fromarray(decode_image(BytesIO(stored["bytes"]) if stored.get("bytes") else stored["path"]))
    except ImageError as error:
        raise DataError(f"it could not be decoded ({error.reason})") from error


def as_array(image: Any) -> NDArray[Any]:
    """Return the numbers of an array of any library, or of an image of PIL."""
    if hasattr(image, "detach"):  # of torch, which has types that NumPy lacks
        image = image.detach().cpu()
        image = (image.float() if image.is_floating_point() else image).numpy()
    return np.asarray(image)


def channels_last(image: Any) -> NDArray[Any]:
    """Return an array as H×W×C, with 1, 3 or 4 channels. Raises DataError, without whose image it is.

    The channels of a tensor come first, of an array last, where both could be.

    >>> channels_last(np.zeros((3, 8, 9))).shape, channels_last(np.zeros((8, 9))).shape
    ((8, 9, 3), (8, 9, 1))
    """
    values = as_array(image)
    if values.dtype == object:
        raise DataError(f"it is a {type(image).__name__}, not an image of PIL, an array or a tensor")
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim == 2:
        return values[:, :, None]
    if values.ndim == 3:
        order = (0, 2) if hasattr(image, "detach") else (2, 0)
        for axis in order:
            if values.shape[axis] in (1, 3, 4):
                return np.moveaxis(values, axis, 2)
    shape = "×".join(map(str, values.shape)) or "a single number"
    raise DataError(f"it is {shape}; an image is H×W, or H×W×C or C×H×W with 1, 3 or 4 channels")


def scale_of(images: list[Any]) -> Scale | None:
    """Tell what the numbers of some images mean; None where they are whole numbers by their type, or PIL's."""
    fractions = [values for values in map(as_array, images) if values.dtype.kind == "f"]
    if not fractions:
        return None
    low, high = min(values.min() for values in fractions), max(values.max() for values in fractions)
    if low >= 0 and high <= 1:
        return "unit"
    is_whole = all((values == np.rint(values)).all() for values in fractions)
    return "bytes" if is_whole and low >= 0 and high <= 255 else "normalised"
