"""How an image of any size becomes the square that a model takes."""

from dataclasses import dataclass
from typing import Literal

Rule = Literal["crop", "squash"]
Interpolation = Literal["bicubic", "bilinear"]
LEAST_SHARE = 0.1  # of the shorter side


@dataclass(frozen=True)
class Resize:
    """A rule for the shape of an image, to be followed for every image that a model sees.

    Raises ValueError for a share that is out of range.

    >>> NAMED["margin"].share
    0.875
    """

    rule: Rule = "crop"
    """crop: the middle square is cut out of the image; squash: both sides are brought to the model's, so that the
    proportions change."""
    share: float = 1.0
    """How much of the shorter side the square has, 0.1–1: 0.875 where the shorter side is brought to 256 pixels and
    the middle 224 are kept. Of squash: how much of either side."""
    interpolation: Interpolation = "bicubic"
    """Always antialiased, as Pillow resizes."""

    def __post_init__(self) -> None:
        if not LEAST_SHARE <= self.share <= 1:
            raise ValueError(f"a share of {self.share}; it may be {LEAST_SHARE} to 1")


CROP = Resize()
NAMED = {"crop": CROP, "squash": Resize("squash"), "margin": Resize(share=0.875)}  # what --resize may be
