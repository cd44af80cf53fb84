"""Sentences on what stands out, of predictions that are counted by hand."""

import math

import numpy as np
import pyarrow as pa

from sightline.report.words.standing_out import (
    TakenFor,
    accuracy_words,
    gap_words,
    largest_taken_for,
    last_with_gap,
    pair_words,
    taken_for_words,
)
from sightline.run_store.confusion import Confusion
from sightline.run_store.metrics import Epoch
from sightline.run_store.predictions import Predictions

NAMES = ("cat", "*dog*", "owl")
LABEL, PREDICTED = np.array([0, 0, 0, 0, 1, 2]), np.array([0, 1, 1, 2, 1, 1])
CONFUSION = Confusion.of(LABEL, PREDICTED, 3)


def epoch(number, train, test):
    return Epoch(number, 0.5, train, 0.5, test, 0.1, 1.0)


def test_the_class_that_most_mistakes_are_taken_for_is_named_literally():
    assert largest_taken_for(CONFUSION) == TakenFor(1, 3, 4)
    assert taken_for_words(TakenFor(1, 3, 4), NAMES) == (
        r"**3** of 4 mistakes are images taken for **\*dog\***, more than for any other class."
    )


def test_the_most_confused_pair_is_said_with_its_share_of_the_true_class():
    assert pair_words(CONFUSION, NAMES) == (r"Most confused: **cat** taken for **\*dog\***, 2 of 4 images (50.0 %).")


def test_what_is_not_more_than_all_others_is_not_called_so():
    tied = Confusion.of(np.array([0, 1]), np.array([1, 0]), 2)
    found = largest_taken_for(tied)
    assert (
        taken_for_words(found, NAMES)
        == "**1** of 2 mistakes is an image taken for **cat**, as many as for another class."
    )
    assert pair_words(tied, NAMES).startswith("Among the most confused: **cat** taken for ")


def test_without_a_mistake_nothing_is_said_of_them():
    right = Confusion.of(LABEL, LABEL, 3)
    assert largest_taken_for(right) is None and pair_words(right, NAMES) == ""


def test_a_gap_is_said_only_beyond_the_interval_of_the_test_accuracy():
    # Wilson's interval of 80 of 100 ends at 86.7 %
    assert last_with_gap([epoch(1, 0.86, 0.8)], 100) is None
    assert last_with_gap([epoch(1, 0.88, 0.8)], 100) == epoch(1, 0.88, 0.8)
    assert last_with_gap([epoch(1, 0.88, 0.8)], 0) is None and last_with_gap([], 100) is None


def test_the_gap_is_of_the_last_epoch_with_both_accuracies():
    found = last_with_gap([epoch(1, 0.9, 0.5), epoch(2, 0.95, 0.6), epoch(3, math.nan, 0.7)], 100)
    assert found is not None and gap_words(found) == (
        "**35.0 points** lie between the accuracy on training images (95.0 %) and on test images (60.0 %), "
        "after epoch 2."
    )


def test_accuracy_is_said_with_wilsons_interval_and_the_mistakes():
    columns = {"label": pa.array([0] * 10, pa.int16()), "predicted": pa.array([0] * 8 + [1] * 2, pa.int16())}
    assert accuracy_words(Predictions(("a", "b"), pa.table(columns), None)) == (
        "**80.0 %** of 10 test images are right (49.0–94.3 %); 2 mistakes."
    )
