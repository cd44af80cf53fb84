"""What an epoch's figures are called."""

import pytest
import torch

from sightline.training.callbacks.figures import epoch_figures


@pytest.mark.parametrize(
    ("named", "figures"),
    [
        ({"loss": 2, "val_loss": 3, "val_accuracy": 0.5}, {"train_loss": 2, "test_loss": 3, "test_accuracy": 0.5}),
        ({"eval_loss": 1, "eval_runtime": 9, "epoch": 7.0}, {"test_loss": 1}),
        ({"train_acc": 93.5, "val_error": 0.25}, {"train_accuracy": 0.935, "test_accuracy": 0.75}),
        ({"train_loss_step": 9, "train_loss_epoch": 1}, {"train_loss": 1}),
        ({"f1": 0.5, "grad_norm": 3}, {}),
        ({}, {}),
    ],
)
def test_figures_are_told_by_the_words_in_their_names(named, figures):
    assert epoch_figures(named) == pytest.approx(figures)


def test_tensors_and_nan_are_taken_and_left_out():
    assert epoch_figures({"loss": torch.tensor(0.5), "val_loss": float("nan")}) == {"train_loss": 0.5}


def test_what_is_not_clear_is_left_out_with_a_warning():
    with pytest.warns(UserWarning, match="No figures of this epoch are recorded: .*several columns"):
        assert epoch_figures({"loss_odd": 1, "loss_even": 2}) == {}
