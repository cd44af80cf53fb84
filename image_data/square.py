"""Cut the square that a model takes out of an image, or squash the image into it."""

from __future__ import annotations

from PIL import Image

from sightline.image_data.resize import CROP, Resize

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def square(image: Image.Image, size: int, resize: Resize = CROP, *, is_mask: bool = False) -> Image.Image:
    """Bring an image of any size to size × size pixels; a mask keeps its values: of each pixel the nearest.

    The pixels are those that torchvision's Resize and CenterCrop leave: the shorter side is brought to size / share,
    and the middle is cut out. Of `CROP`, in which every run from before was made, the middle is cut out first, which
    differs by less than a pixel.

    >>> square(Image.new("RGB", (640, 480)), 224, Resize("squash")).size
    (224, 224)
    """
    left, top, right, bottom = box = seen_box(image.size, size, resize)
    if (right - left, bottom - top) == (size, size) and left == int(left) and top == int(top):
        return image.crop((int(left), int(top), int(right), int(bottom))) if image.size != (size, size) else image
    return image.resize((size, size), Image.Resampling.NEAREST if is_mask else FILTERS[resize.interpolation], box=box)


def shorter_side(size: int, resize: Resize) -> int:
    """Return the length to which the shorter side of an image is brought, pixels."""
    return round(size / resize.share)


def seen_box(sides: tuple[int, int], size: int, resize: Resize) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of what becomes the square, in pixels of an image of these sides.

    >>> seen_box((1200, 900), 224, CROP)
    (150, 0, 1050, 900)
    """
    shorter = min(sides)
    if resize == CROP:
        left, top = ((side - shorter) // 2 for side in sides)
        return left, top, left + shorter, top + shorter
    spans = []
    for side in sides:
        resized = shorter_side(size, resize)
        if resize.rule == "crop":
            resized = int(resized * side / shorter)
        start = round((resized - size) / 2)
        spans.append((start * side / resized, min((start + size) * side / resized, side)))
    (first, right), (second, bottom) = spans
    return first, second, right, bottom
