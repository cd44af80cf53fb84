"""What happens to an image before a model sees it."""

from __future__ import annotations

from dataclasses import dataclass

from sightline.image_data.resize import Resize

Channels = tuple[float, float, float]  # red, green, blue


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input of a model; None where nobody says."""

    mean: Channels | None = None
    """Taken from the pixels, 0–1."""
    std: Channels | None = None
    """The pixels are divided by it then."""
    size: int | None = None
    """Side of the square, pixels."""
    resize: Resize | None = None
    """How an image becomes that square."""

    def over(self, other: Preprocessing) -> Preprocessing:
        """Return what is said here and, where nothing is, in `other`; mean and std go together.

        >>> Preprocessing(size=32).over(Preprocessing(size=64, mean=(0.5,) * 3, std=(0.5,) * 3)).size
        32
        """
        norm = other if self.mean is None or self.std is None else self
        size = other.size if self.size is None else self.size
        return Preprocessing(norm.mean, norm.std, size, self.resize or other.resize)


NOTHING_SAID = Preprocessing()
