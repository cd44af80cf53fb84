"""Classes in another order than assumed are found, named, and not seen where there is only chance."""

import numpy as np
import pytest

from sightline.training.foreign.class_order import best_order, better_order, classes_by_wnid, compare_claim


def answers(order, images, accuracy, seed=0):
    """Labels, and the outputs of a model that is right on a share of them: output p means the class order[p]."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, len(order), images)
    meant = np.where(random.random(images) < accuracy, labels, random.integers(0, len(order), images))
    return labels, np.argsort(order)[meant]


OWN = ("owl", "cat", "dog", "ant", "bee", "fox", "hen", "pig", "rat", "yak")
BY_NAME = np.argsort(OWN)
AS_TEXT = tuple(sorted(map(str, range(12))))  # 0, 1, 10, 11, 2 …


def test_a_model_of_70_percent_in_its_own_order_is_seen_and_the_order_named():
    labels, predicted = answers(BY_NAME, 1000, 0.67)
    would_be = (np.array(BY_NAME)[predicted] == labels).mean()
    said = better_order(labels, predicted, OWN)
    assert said.startswith(f"{(labels == predicted).mean():.1%} of 1,000") and f"{would_be:.1%} would be" in said
    assert 0.67 < would_be < 0.73
    assert "the classes were in the order of their names" in said and "ant, bee, cat, dog" in said


@pytest.mark.parametrize(
    ("names", "order", "words"),
    [
        (AS_TEXT, np.argsort([int(name) for name in AS_TEXT]), "order of the numbers in their names"),
        (("b", "C", "a", "D"), np.array([2, 0, 1, 3]), "whether capital or small"),
        (OWN, np.roll(np.arange(10), -1), "the class after its own"),
        (OWN, np.roll(np.arange(10), 1), "the class before its own"),
        (OWN, np.arange(10)[::-1], "reverse"),
        (OWN, np.array([1, 0, *range(2, 10)]), "owl meant cat, cat meant owl"),
    ],
)
def test_usual_orders_are_said_in_words_and_others_as_pairs(names, order, words):
    assert words in better_order(*answers(order, 400, 0.9), names)


def test_a_good_model_and_a_bad_one_in_the_right_order_are_left_alone():
    for accuracy in (0.95, 0.6, 0.3):
        assert better_order(*answers(np.arange(10), 1000, accuracy), OWN) is None


def test_two_classes_that_are_often_confused_are_no_other_order():
    labels = np.repeat(np.arange(10), 50)
    predicted = np.where((labels == 3) & (np.arange(500) % 5 < 3), 4, labels)  # most of class 3 is taken for 4
    assert better_order(labels, predicted, OWN) is None


def test_answers_that_know_nothing_of_the_images_have_no_better_order():
    random = np.random.default_rng(1)
    for _ in range(500):
        classes, images = random.choice([2, 3, 10, 100]), random.choice([2, 10, 50, 300])
        shares = random.dirichlet(np.full(classes, 0.3), 2)
        labels, predicted = (random.choice(classes, images, p=each) for each in shares)
        assert better_order(labels, predicted, [str(code) for code in range(classes)]) is None


def test_one_class_for_every_image_is_no_better_order_however_many_images_are_of_another():
    labels = np.array([0] * 90 + [1] * 10)
    assert better_order(labels, np.ones(100, int), ("cat", "dog")) is None


def test_a_thousand_classes_of_five_images_are_enough():
    order = np.random.default_rng(0).permutation(1000)
    said = better_order(*answers(order, 5000, 0.8), [f"class {code}" for code in range(1000)])
    assert said is not None and "990 more" in said


def test_the_best_order_is_that_of_all_orders_tried():
    from itertools import permutations

    random = np.random.default_rng(2)
    for _ in range(20):
        labels, predicted = random.integers(0, 4, 30), random.integers(0, 4, 30)
        most = max((np.array(order)[predicted] == labels).sum() for order in permutations(range(4)))
        assert (best_order(labels, predicted, 4)[predicted] == labels).sum() == most


def test_outputs_without_an_image_stay_in_their_place():
    assert best_order(np.array([1, 1]), np.array([3, 3]), 5).tolist() == [0, 3, 2, 1, 4]


@pytest.mark.parametrize(
    ("accuracy", "images", "claimed"),
    [(0.7, 2000, 0.7), (0.93, 10_000, 93), (0.934, 10_000, 0.93), (0.95, 200, 0.93), (1.0, 50, 1.0)],
)
def test_a_claim_that_chance_and_rounding_explain_is_not_disputed(accuracy, images, claimed):
    assert compare_claim(accuracy, images, claimed) is None


@pytest.mark.parametrize(
    ("accuracy", "images", "claimed"),
    [(0.2, 2000, 0.7), (0.52, 200, 0.7), (0.70, 10_000, 72.0), (0.9, 10**6, 0.93), (0.98, 1000, 1.0), (0.0, 20, 93)],
)
def test_a_claim_that_is_missed_by_more_is_disputed_aloud(accuracy, images, claimed):
    said = compare_claim(accuracy, images, claimed)
    assert f"{accuracy:.1%} of {images:,} images are right" in said and "--classes" in said


def test_more_than_was_claimed_is_said_too():
    assert "trained on" in compare_claim(0.99, 1000, 0.7)


def test_wordnets_numbers_and_imagenets_names_find_their_outputs():
    names, codes = classes_by_wnid(["n01440764", "n02102040", "n03126707"], 1000)
    assert len(names) == len(set(names)) == 1000
    assert codes.tolist() == [0, 217, 517]  # as torchvision's and timm's models have them
    assert [names[code] for code in codes] == ["tench", "English springer", "crane (n03126707)"]
    assert classes_by_wnid(["English_springer", "tench"], 1000)[1].tolist() == [217, 0]
    assert classes_by_wnid(["n01440764"], 21843)[1].tolist() == [359]


def test_folders_that_may_be_two_classes_or_none_are_not_guessed():
    assert classes_by_wnid(["crane"], 1000) is None  # the bird, or the machine
    assert classes_by_wnid(["tench", "tinca_tinca"], 1000) is None  # one class twice
    assert classes_by_wnid(["n01440764", "my cat"], 1000) is None
    assert classes_by_wnid(["n01440764"], 10) is None
    assert classes_by_wnid([], 1000) is None
