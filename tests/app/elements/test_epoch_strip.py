"""The strip of epochs in the inspector: what the browser gets, in words too."""

import numpy as np
import pytest

from sightline.app.elements.epoch_strip import MOST_STRETCHES, learned_words, strip_data
from sightline.run_store.history import History, Learning
from sightline.run_store.run import Run
from tests.histories import CONFIDENCE, PREDICTED

HISTORY = History(np.array([1, 2, 3, 4]), PREDICTED.astype(np.int16), CONFIDENCE.astype(np.float16))


@pytest.fixture(scope="module")
def predictions(fabricated):
    return Run(fabricated).predictions()


def strip(predictions, image, history=HISTORY, epoch=None):
    return strip_data(history, predictions, image, epoch)


def test_each_epoch_says_what_the_image_was_taken_for_and_how_surely(predictions):
    epochs = strip(predictions, 10)["epochs"]  # a dog
    assert [epoch["text"] for epoch in epochs] == [
        "epoch 1: dog, 50 %", "epoch 2: cat, 62 %", "epoch 3: dog, 75 %", "epoch 4: owl, 88 %",
    ]  # fmt: skip
    assert [epoch["wrong"] for epoch in epochs] == [False, True, False, True]
    assert [epoch["share"] for epoch in epochs] == [0.5, 0.625, 0.75, 0.875]


def test_the_last_epoch_is_marked_unless_another_is_chosen(predictions):
    assert [strip(predictions, 0, epoch=epoch)["chosen"] for epoch in (None, 4, 2)] == [3, 3, 1]


def test_who_cannot_see_the_strip_is_told_its_stretches(predictions):
    assert strip(predictions, 0)["told"] == "Taken for cat, which is right, after epochs 1–2; dog after epochs 3–4."
    assert strip(predictions, 5)["told"] == "Taken for cat after epochs 1–4."
    flicker = np.repeat(np.arange(60)[:, None] % 2, 12, axis=1)
    told = strip(predictions, 0, History(np.arange(1, 61), flicker.astype(np.int16), np.ones((60, 12), np.float16)))
    assert told["told"].count(";") == MOST_STRETCHES and told["told"].endswith("; then 20 changes more.")


@pytest.mark.parametrize(
    ("right", "words"),
    [
        ([0, 0, 0], "never learned"),
        ([0, 1, 1], "learned at epoch 4"),
        ([1, 0, 1], "learned at epoch 2, forgotten 1 time"),
        ([1, 0, 1, 0, 1], "learned at epoch 2, forgotten 2 times"),
    ],
)
def test_the_strip_says_when_an_image_was_learned(right, words):
    epochs = 2 * np.arange(1, len(right) + 1)
    assert learned_words(Learning(epochs, np.array(right, bool)[:, None])) == words


@pytest.mark.parametrize("epochs", [1, 300])
def test_the_strip_has_a_cell_for_each_of_one_to_three_hundred_epochs(predictions, epochs):
    history = History(np.arange(1, epochs + 1), np.ones((epochs, 12), np.int16), np.ones((epochs, 12), np.float16))
    assert len(strip(predictions, 0, history)["epochs"]) == epochs


def test_a_confidence_that_nobody_knows_is_left_out(predictions):
    unknown = History(HISTORY.epochs, HISTORY.predicted, HISTORY.confidence * np.float16("nan"))
    assert strip(predictions, 0, unknown)["epochs"][0] == {
        "epoch": 1, "wrong": False, "share": 1.0, "text": "epoch 1: cat",
    }  # fmt: skip
