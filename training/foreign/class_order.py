"""Whether a model's classes are in the order that was assumed: a wrong one gives wrong figures, and no error."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.image_data import DataError, ImageSplit, with_classes
from sightline.image_data.folder.passed_over import summarise
from sightline.run_store.comparison import mcnemar
from sightline.run_store.confusion import Confusion

STANDARD_ERRORS = 2.58  # farther from the share of all images lies that of 1 sample in 100
MOST_ROUNDING = 0.005  # of a claim: 0.7 may mean 69.5 to 70.5 %, not 65 to 75 %
GAIN = 0.1  # of accuracy: another order that scores so much better is "far better"
CHANCE = 1e-3  # the p-value below which that is no luck
KAPPA = 0.2  # the agreement beyond chance that it must reach, "fair" in Landis and Koch 1977
AS_GOOD = 0.98  # of the hits of the best order: from there on, an order is preferred that can be said in a few words
MOST_CLASSES = 4096  # with images: the assignment takes memory for each pair of them

Order = NDArray[np.int64]  # C codes: output p stands for the class order[p]


def compare_claim(accuracy: float, images: int, claimed: float) -> str | None:
    """Say that the accuracy on some images is not the one that was claimed; None where chance and rounding explain it.

    The rule: they may differ by half a unit of the claim's last digit (half a percent at most), half an image, and
    2.58 standard errors √(p (1 − p) / images) of the claimed share p. On the very images of the claim they would not
    differ at all, so that a small difference may still be one.

    accuracy: 0–1. claimed: 0–1, or percent where it is above 1.

    >>> compare_claim(0.71, 200, 0.7) is None
    True
    >>> print(compare_claim(0.2, 2000, 70))
    20.0% of 2,000 images are right, and 70% was claimed: chance and rounding explain 3.2 points at most. The order of \
the classes, the size and the cut of the images, mean and std, or the weights are not those of the claim: see \
--classes, --resize, --image-size, --mean and --std, in Python classes=, resize=, size=, mean= and std=.
    """
    unit = 10.0 ** int(Decimal(repr(float(claimed))).normalize().as_tuple().exponent)
    if claimed > 1:
        claimed, unit = claimed / 100, unit / 100
    spread = math.sqrt(max(claimed * (1 - claimed), 0.0) / images)
    explained = min(unit / 2, MOST_ROUNDING) + 0.5 / images + STANDARD_ERRORS * spread
    if abs(accuracy - claimed) <= explained:
        return None
    found = (
        f"{accuracy:.1%} of {images:,} images are right, and {100 * claimed:.6g}% was claimed: chance and rounding "
        f"explain {100 * explained:.1f} points at most."
    )
    if accuracy > claimed:
        return f"{found} These are other images, perhaps some that it was trained on, or another model."
    return (
        f"{found} The order of the classes, the size and the cut of the images, mean and std, or the weights are not "
        "those of the claim: see --classes, --resize, --image-size, --mean and --std, in Python classes=, resize=, "
        "size=, mean= and std=."
    )


def better_order(labels: NDArray[np.int64], predicted: NDArray[np.int64], class_names: Sequence[str]) -> str | None:
    """Say in which order of the classes far more predictions would be right; None where there is no such order.

    The best order is the one-to-one assignment of outputs to classes with most hits (Kuhn 1955). As the best of very
    many it always looks good, so it is found on one half of the images and scored on the other, and the reverse. The
    rule: there it must gain 10 points of accuracy, with p < 0.001 in McNemar's exact test, and reach a kappa (Cohen
    1960) of 0.2 and of 4 standard errors, so that one class for nearly all images is no order.

    labels, predicted: N codes. At most 4,096 classes with images or predictions are looked at.
    """
    if len(labels) < 2 or len({*labels.tolist(), *predicted.tolist()}) > MOST_CLASSES:
        return None
    first = np.random.default_rng(0).permutation(len(labels)) < len(labels) // 2
    moved = np.empty_like(predicted)
    for half in (first, ~first):
        moved[half] = best_order(labels[~half], predicted[~half], len(class_names))[predicted[half]]
    is_right, would_be = labels == predicted, labels == moved
    gained, lost = int((would_be & ~is_right).sum()), int((is_right & ~would_be).sum())
    is_better = gained - lost >= GAIN * len(labels) and mcnemar(gained, lost) < CHANCE
    if not is_better or not _agree(labels, moved, len(class_names)):
        return None
    order = best_order(labels, predicted, len(class_names))
    words, order, share = _named(order, labels, predicted, class_names, float(would_be.mean()))
    return (
        f"{is_right.mean():.1%} of {len(labels):,} images are right, and {share:.1%} would be if {words}: the classes "
        f"are probably in another order than was assumed. Name them (--classes, classes=) in the model's order, "
        f"probably {summarise([class_names[code] for code in order], 10)}."
    )


def best_order(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Order:
    """Return the order in which most predictions are right; outputs that say nothing about it stay in their place."""
    from scipy.optimize import linear_sum_assignment  # half a second: only where it is asked for

    used, pairs = np.unique(np.concatenate([labels, predicted]), return_inverse=True)
    counts = np.zeros((len(used), len(used)))
    found = Confusion.of(pairs[len(labels) :], pairs[: len(labels)], len(used))  # a row for each output
    counts[found.label, found.predicted] = found.images
    counts[np.diag_indices(len(used))] += 0.5 / len(used)  # of equally good orders, that with most in their place
    order = np.arange(classes)
    order[used] = used[linear_sum_assignment(counts, maximize=True)[1]]
    return order


def _agree(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> bool:
    """Tell whether Cohen's kappa is at least KAPPA, and 4 standard errors above 0, which it is of independent answers.

    The error is that of independent answers with these shares of the classes, √(e / (N (1 − e))) (Cohen 1960).
    """
    shares = [np.bincount(codes, minlength=classes) / len(labels) for codes in (labels, predicted)]
    by_chance = float(shares[0] @ shares[1])
    if by_chance == 1:
        return False
    kappa = (float((labels == predicted).mean()) - by_chance) / (1 - by_chance)
    return kappa >= max(KAPPA, 4 * math.sqrt(by_chance / len(labels) / (1 - by_chance)))


def _named(
    best: Order, labels: NDArray[np.int64], predicted: NDArray[np.int64], class_names: Sequence[str], held_out: float
) -> tuple[str, Order, float]:
    """Return words for an order as good as the best, the order, and the share of images that are right in it."""
    hits = (best[predicted] == labels).mean()
    for words, order in _simple_orders(class_names):
        share = float((order[predicted] == labels).mean())
        if share >= AS_GOOD * hits:
            return words, order, share
    pairs = [f"{class_names[p]} meant {class_names[code]}" for p, code in enumerate(best) if p != code]
    return summarise(pairs), best, held_out


def _simple_orders(class_names: Sequence[str]) -> Iterator[tuple[str, Order]]:
    """Yield the orders that programs put classes in by themselves, with words for each."""
    codes = np.arange(len(class_names))
    keys: tuple[tuple[str, Callable[[str], Any]], ...] = (
        ("of their names", str),
        ("of their names, whether capital or small", str.lower),
        ("of the numbers in their names", _by_number),
    )
    for words, key in keys:
        keyed = [key(name) for name in class_names]
        yield f"the classes were in the order {words}", np.array(sorted(codes.tolist(), key=keyed.__getitem__))
    if len(codes) == 2:  # which are named
        return
    yield "every output meant the class after its own (shifted by one)", np.roll(codes, -1)
    yield "every output meant the class before its own (shifted by one)", np.roll(codes, 1)
    yield "the classes were in reverse order", codes[::-1]


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts class2 before class10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def in_order_of_outputs(
    split: ImageSplit, named: Sequence[tuple[Sequence[str], str]], outputs: int
) -> ImageSplit | None:
    """Return a split with the codes that a model's outputs have; None where nothing says which is which.

    named: lists of the names of all outputs, the best first, and whose they are. Classes that a data set calls by their
    codes have these names, where there are as many of them. ImageNet's classes have its order, see `classes_by_wnid`.
    """
    found = split.class_names
    for names, whose in named:
        if len(names) == len(found) or {*found} <= {*names}:  # codes of fewer classes may be of any
            with suppress(DataError):
                return with_classes(split, names, whose)
    known = classes_by_wnid(found, outputs)
    if known is None:
        return None
    names, codes = known
    return with_classes(replace(split, class_names=tuple(names[code] for code in codes)), names, "ImageNet")


def classes_by_wnid(folder_names: Sequence[str], outputs: int) -> tuple[tuple[str, ...], NDArray[np.int64]] | None:
    """Return the names of ImageNet's classes in the order of a model's outputs, and the code of each folder.

    folder_names: WordNet's numbers (n01440764), or ImageNet's own names, in any case and with "_" for " "; all of
    them. outputs: 1,000, or those of ImageNet-21k and -12k, as timm knows them (`timm.data.ImageNetInfo`). A name is
    the first of a class, followed by its number where two classes share it.

    None where a folder is none of these classes, or may be two of them, or where there are other outputs.
    """
    if outputs < 1000 or not folder_names:
        return None
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset  # with torch: only where it is asked for

    subset = infer_imagenet_subset({"num_classes": outputs})
    if subset is None:
        return None
    info = ImageNetInfo(subset)
    numbers = list(info.label_names())
    lemmas = [info.index_to_description(code) for code in range(len(numbers))]
    first = [names.split(",")[0].strip() for names in lemmas]
    times = Counter(map(_plain, first))
    names = [
        name if times[_plain(name)] == 1 else f"{name} ({number})" for name, number in zip(first, numbers, strict=True)
    ]
    places = _places(numbers, names, lemmas)
    found = [places.get(_plain(name), set()) for name in folder_names]
    codes = np.array([min(each, default=-1) for each in found])
    if any(len(each) != 1 for each in found) or len({*codes.tolist()}) < len(codes):
        return None
    return tuple(names), codes


def _places(*names: Sequence[str]) -> dict[str, set[int]]:
    """Return which classes each of these names may mean: each class has one in every list, or several with commas."""
    places: dict[str, set[int]] = {}
    for of_classes in names:
        for code, text in enumerate(of_classes):
            for name in {text, *text.split(",")}:
                places.setdefault(_plain(name), set()).add(code)
    return places


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())
