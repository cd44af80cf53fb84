"""What is looked at: an image of the test split, or one that the user brought. With what the model thought of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sightline.report.words.text import count, percent
from sightline.run_store.predictions import Predictions


@dataclass(frozen=True)
class Subject:
    """An image, and what a model thought of it. Classes are codes; texts are plain."""

    title: str
    class_names: tuple[str, ...]
    probabilities: np.ndarray  # float64 C; NaN where they are not known
    predicted: int
    pixels: np.ndarray  # uint8 H×W×3, what people see: a thumbnail where the original is large
    label: int | None = None  # None: nobody knows
    image: int | None = None  # its index in the test split
    token: str = ""  # of an upload, the hash of its pixels

    @property
    def key(self) -> int | str:
        """What tells images of one run apart."""
        return self.token if self.image is None else self.image

    @property
    def is_wrong(self) -> bool:
        """Whether the prediction is known to be wrong."""
        return self.label not in (None, self.predicted)

    @cached_property
    def likeliest(self) -> list[int]:
        """All classes; the predicted one first, whatever rounding did to the probabilities."""
        known = np.nan_to_num(self.probabilities, nan=-1)
        return sorted(range(len(self.class_names)), key=lambda code: (code != self.predicted, -known[code]))

    @property
    def runner_up(self) -> int | None:
        """The likeliest of the other classes; None of a model with one class, or where nobody knows."""
        second = self.likeliest[1] if len(self.likeliest) > 1 else None
        return None if second is None or np.isnan(self.probabilities[second]) else second

    @property
    def rival(self) -> int | None:
        """What the prediction is held against: the true class where it is wrong, else the runner-up."""
        return self.label if self.is_wrong else self.runner_up

    @property
    def outcome(self) -> str:
        """What it was taken for, in words: “cat taken for dog”."""
        predicted = self.name(self.predicted)
        if self.label is None:
            return f"taken for {predicted}"
        return f"{self.name(self.label)} taken for {predicted}" if self.is_wrong else f"{predicted}, predicted right"

    def name(self, code: int) -> str:
        """Return the name of a class."""
        return self.class_names[code]

    def share(self, code: int) -> str:
        """Write the probability of a class, “93.4 %”; nothing where nobody knows it."""
        p = self.probabilities[code]
        return "" if np.isnan(p) else percent(p)

    def with_share(self, code: int) -> str:
        """Write “cat 93.4 %”."""
        return f"{self.name(code)} {self.share(code)}".rstrip()

    def describe(self) -> str:
        """Write a text alternative."""
        predicted = self.name(self.predicted)
        if self.label is None:
            return f"{self.title}: predicted {predicted}"
        return f"Test image {self.image}: true class {self.name(self.label)}, predicted {predicted}"


def split_image(predictions: Predictions, image: int, pixels: np.ndarray) -> Subject:
    """Return image `image` of the test split; `pixels` as in Subject."""
    predicted = int(predictions.column("predicted")[image])
    known = predictions.probabilities
    p = np.full(len(predictions.class_names), np.nan) if known is None else known[image].astype(float)
    p[predicted] = predictions.column("confidence")[image]  # the table keeps it with more digits
    label = int(predictions.column("label")[image])
    return Subject(f"Image {count(image)}", predictions.class_names, p, predicted, pixels, label, image)
