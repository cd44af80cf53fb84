"""Patterns: groups of images that attend to alike things, and in which the model errs more often than elsewhere.

Groups are made of one random half of the test split, without a look at what is right, and tested on the other half.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from tqdm import tqdm

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.why.exact import Stratum, more_mistakes_p
from sightline.explain.why.space import Space, cluster, divide, nearest, overlap
from sightline.run_store.comparison import holm, wilson
from sightline.run_store.patterns import DISCOVERED, TESTED, Attended, Pattern

GROUPS_A_CLASS = 2.5  # a pattern is a part of what is taken for a class; with fewer groups it drowns in one of several
FEWEST_GROUPS, MOST_GROUPS = 25, 250  # where there are images enough; more take minutes
IMAGES_A_GROUP = 20  # at least, on average, of the half that makes the groups
LEAST_IMAGES = 2 * 2 * IMAGES_A_GROUP  # two groups of either half
OTHER_SEEDS = range(1, 6)
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Division:
    """N images in G groups. half: int8 N. group: int64 N, from 0. stability: float G, 0–1, see `overlap`."""

    space: Space
    half: np.ndarray
    group: np.ndarray
    stability: np.ndarray


def divide_images(features: np.ndarray, classes: int) -> Division:
    """Divide N images of so many classes by their attended features, float N×K, into groups that one half makes.

    There are 2.5 groups a class, but 25 to 250, and on average 20 images or more of that half in each. Always the same.
    Raises ExplainError for fewer than 80 images, or features that are not finite.
    """
    refuse_few(len(features))
    if odd := int((~np.isfinite(features).all(axis=1)).sum()):
        raise ExplainError(
            f"Of {odd:,} test images the layer returns numbers that are not finite, which cannot be compared; "
            "choose another layer."
        )
    half = np.full(len(features), DISCOVERED, np.int8)
    half[np.random.default_rng(0).permutation(len(half))[: len(half) // 2]] = TESTED
    discovered = features[half == DISCOVERED]
    with tqdm(total=1 + len(OTHER_SEEDS), desc="clustering", unit="time") as progress:
        wanted = int(np.clip(GROUPS_A_CLASS * classes, FEWEST_GROUPS, MOST_GROUPS))
        space = divide(discovered, min(wanted, len(discovered) // IMAGES_A_GROUP))
        progress.update()
        points = space.points(features)
        group, groups = nearest(points, space.centres), len(space.centres)
        overlaps = np.zeros(groups)
        for seed in OTHER_SEEDS:
            others = cluster(points[half == DISCOVERED], groups, seed)
            overlaps += overlap(group, nearest(points, others), groups)
            progress.update()
    return Division(space, half, group, overlaps / len(OTHER_SEEDS))


def refuse_few(images: int) -> None:
    """Raise ExplainError where there are too few test images for patterns."""
    if images < LEAST_IMAGES:
        raise ExplainError(
            f"There are {images} test images, and patterns need {LEAST_IMAGES} or more: half of them make two groups "
            f"of {IMAGES_A_GROUP} or more, and the other half tests these."
        )


def judge_groups(
    division: Division, predicted: np.ndarray, wrong: np.ndarray, look: Callable[[np.ndarray], Attended]
) -> tuple[tuple[Pattern, ...], Space]:
    """Return the groups in which the model errs more often, the strongest first, and the space with their numbers.

    predicted: int N, class codes. wrong: bool N. look: says of some images (rows) what is attended.

    Groups know nothing of what is wrong, so that a group's mistakes are a matter of chance where attention has nothing
    to do with them. One is found where it errs more often than the rest of the tested half (Fisher's exact test), and
    is a hard class where not more often than the other images taken for its classes (a stratum each); at 5 %, both
    corrected by Holm for all groups. Patterns go before hard classes; of either kind the strongest has most mistakes
    beyond those that as many images of the rest have.
    """
    tested = division.half == TESTED
    counts = np.zeros((len(division.stability), int(predicted.max()) + 1, 2), np.int64)
    np.add.at(counts, (division.group[tested], predicted[tested], wrong[tested].astype(int)), 1)
    p_values = holm(np.array([more_mistakes_p([_against_rest(counts, group)]) for group in range(len(counts))]))
    p_same = holm(np.array([more_mistakes_p(_same_classes(counts, group)) for group in range(len(counts))]))
    found = {}
    for group in np.flatnonzero(p_values < SIGNIFICANT).tolist():
        rows = np.flatnonzero(division.group == group)
        images, mistakes, others, their_mistakes = _against_rest(counts, group)
        low, high = wilson(mistakes, images)
        found[group] = Pattern(
            number=0,
            kind="pattern" if p_same[group] < SIGNIFICANT else "hard class",
            images=len(rows),
            tested=images,
            mistakes=mistakes,
            error_rate=mistakes / images,
            low=low,
            high=high,
            rest_rate=their_mistakes / others,
            same_classes_rate=_same_classes_rate(_same_classes(counts, group)),
            p_value=float(p_values[group]),
            p_same_classes=float(p_same[group]),
            stability=float(division.stability[group]),
            taken_for=int(counts[group, :, 1].argmax()),
            attended=look(rows),
        )
    order = sorted(found, key=lambda group: (found[group].kind != "pattern", -_excess(found[group]), group))
    numbers = np.zeros(len(counts), np.int64)
    numbers[order] = np.arange(1, len(order) + 1)
    patterns = tuple(replace(found[group], number=number) for number, group in enumerate(order, 1))
    return patterns, replace(division.space, numbers=numbers)


def _against_rest(counts: np.ndarray, group: int) -> Stratum:
    """counts: int G×C×2, of each group and predicted class the images that are right, and those that are wrong."""
    inside, every = counts[group].sum(axis=0), counts.sum(axis=(0, 1))
    right, wrong, others_right, others_wrong = map(int, (*inside, *(every - inside)))
    return right + wrong, wrong, others_right + others_wrong, others_wrong


def _same_classes(counts: np.ndarray, group: int) -> list[Stratum]:
    """Return the group beside the other images taken for the same class, for each class of its images."""
    classes = np.flatnonzero(counts[group].sum(axis=1))
    one_by_one = (counts[:, [code]] for code in classes)
    return [_against_rest(of_class, group) for of_class in one_by_one]


def _same_classes_rate(strata: Sequence[Stratum]) -> float:
    """Return how often others err that are taken for the same classes in the same proportions; NaN: there are none."""
    rates = [(images, wrong / others) for images, _, others, wrong in strata if others]
    images = sum(images for images, _ in rates)
    return sum(images * rate for images, rate in rates) / images if images else math.nan


def _excess(pattern: Pattern) -> float:
    return pattern.mistakes - pattern.tested * pattern.rest_rate
