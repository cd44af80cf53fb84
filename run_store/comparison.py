"""Two runs on the same test split: which images changed sides, and whether that is more than chance."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from sightline.run_store.confusion import Confusion
from sightline.run_store.predictions import Predictions

Change = Literal["broken", "fixed", "both wrong", "both right"]


@dataclass(frozen=True)
class Comparison:
    """Two runs that predict the same N images of the same C classes, as the caller has checked."""

    before: Predictions
    after: Predictions

    @cached_property
    def masks(self) -> dict[Change, np.ndarray]:
        """What became of every image, bool N for each change. Broken: right before, wrong after."""
        before, after = self.before.wrong, self.after.wrong
        return {
            "broken": ~before & after,
            "fixed": before & ~after,
            "both wrong": before & after,
            "both right": ~before & ~after,
        }

    @cached_property
    def confusion_difference(self) -> Confusion:
        """How many images more each cell has after than before."""
        return self.after.confusion.minus(self.before.confusion)

    def most_changed(self, count: int) -> list[tuple[int, int, int]]:
        """Return the mistakes whose number changed most: codes true and predicted, and the difference."""
        return list(zip(*(values[:count].tolist() for values in self.confusion_difference.mistakes()), strict=True))

    @cached_property
    def p_value(self) -> float:
        """The p-value of McNemar's exact test (McNemar 1947), two-sided, 0–1: how often chance would split as unevenly.

        Of the n images on which only one of the two is right, each is as likely to be right if both are equally good.
        """
        fixed, broken = int(self.masks["fixed"].sum()), int(self.masks["broken"].sum())
        n, fewer = fixed + broken, np.arange(1, min(fixed, broken) + 1)
        log_chances = np.cumsum(np.log(n - fewer + 1) - np.log(fewer))  # of 1, 2, … out of n, times 2ⁿ; of 0 it is 1
        tail = np.logaddexp.reduce(np.append(0.0, log_chances)) - n * np.log(2)
        return float(min(1.0, 2 * np.exp(tail)))
