"""What stands out of a run, in sentences of Markdown that cards and summaries share, and how it is found."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from sightline.report.words.text import count, counted, escape_markdown, percent
from sightline.run_store.comparison import wilson
from sightline.run_store.confusion import Confusion
from sightline.run_store.metrics import Epoch
from sightline.run_store.predictions import Predictions


class TakenFor(NamedTuple):
    """The class, a code, that most mistakes of a run are taken for, how many are, and whether no other has as many."""

    predicted: int
    images: int
    mistakes: int
    is_alone: bool = True


def largest_taken_for(confusion: Confusion) -> TakenFor | None:
    """Return the class that most images are wrongly taken for; None where there is no mistake."""
    wrong = confusion.per_class("predicted") - confusion.hits
    most = int(wrong.argmax())
    is_alone = int((wrong == wrong[most]).sum()) == 1
    return TakenFor(most, int(wrong[most]), int(wrong.sum()), is_alone) if wrong[most] else None


def taken_for_words(found: TakenFor, class_names: Sequence[str]) -> str:
    """Say which class most mistakes are taken for."""
    are = "are images" if found.images > 1 else "is an image"
    than = "more than for any other class" if found.is_alone else "as many as for another class"
    return (
        f"**{count(found.images)}** of {counted(found.mistakes, 'mistake')} {are} taken for "
        f"**{escape_markdown(class_names[found.predicted])}**, {than}."
    )


def pair_words(confusion: Confusion, class_names: Sequence[str]) -> str:
    """Say which pair of classes is confused most often; "" where there is no mistake."""
    most = confusion.most_confused(2)
    first = "Among the most confused" if len(most) == 2 and most[0][2] == most[1][2] else "Most confused"
    for label, predicted, images in most[:1]:
        true, guess = (escape_markdown(class_names[code]) for code in (label, predicted))
        of = int(confusion.per_class("label")[label])
        share = percent(images / of)
        return f"{first}: **{true}** taken for **{guess}**, {count(images)} of {counted(of, 'image')} ({share})."
    return ""


def last_with_gap(epochs: Sequence[Epoch], test_images: int) -> Epoch | None:
    """Return the last epoch with both accuracies, if more than chance lies between them.

    That is: the one on training images lies above the 95 % interval of the one on test images, of which there are so
    many; 0: nobody knows.
    """
    known = (epoch for epoch in reversed(epochs) if not math.isnan(epoch.train_accuracy + epoch.test_accuracy))
    last = next(known, None)
    if last and test_images and last.train_accuracy > wilson(round(last.test_accuracy * test_images), test_images)[1]:
        return last
    return None


def gap_words(epoch: Epoch) -> str:
    """Say how far the accuracies on training and on test images lie apart."""
    points = f"{100 * (epoch.train_accuracy - epoch.test_accuracy):.1f}"
    return (
        f"**{points} points** lie between the accuracy on training images ({percent(epoch.train_accuracy)}) and on "
        f"test images ({percent(epoch.test_accuracy)}), after epoch {epoch.epoch}."
    )


def accuracy_words(predictions: Predictions) -> str:
    """Say how many images are right, with the 95 % interval (Wilson 1927), and how many are mistakes."""
    images, mistakes = len(predictions), int(predictions.wrong.sum())
    are = "is" if images == 1 else "are"
    return (
        f"**{percent(predictions.accuracy)}** of {counted(images, 'test image')} {are} right "
        f"({interval_words(images - mistakes, images)}); {counted(mistakes, 'mistake')}."
    )


def interval_words(right: int, of: int) -> str:
    """Write the 95 % interval of a share (Wilson 1927).

    >>> interval_words(8, 10)
    '49.0–94.3 %'
    """
    low, high = wilson(right, of)
    return f"{100 * low:.1f}–{percent(high)}"
