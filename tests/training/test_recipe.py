"""The settings, the schedule, the optimizer and the loss of a training."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from sightline.model_zoo import build_model
from sightline.training.recipe import (
    TrainConfig,
    TrainingError,
    epochs_to_keep,
    full_size_from,
    make_optimizer,
    resolution,
)
from sightline.training.recipe import triangular as learning_rate


def test_the_schedule_of_ten_steps_by_hand():
    rates = [learning_rate(step, 10, peak=2.0, warmup=0.5) for step in range(10)]
    assert rates == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0, 2.0, 1.6, 1.2, 0.8, 0.4])


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.25, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10, 39, 390, 7800])
def test_the_schedule_reaches_its_peak_and_never_exceeds_it(steps, warmup):
    rates = [learning_rate(step, steps, peak=0.1, warmup=warmup) for step in range(steps)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.1)
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert min(rates) > 0


@pytest.mark.parametrize("epochs", [1, 2, 8, 20, 200])
def test_the_schedule_ends_at_its_end_for_any_number_of_epochs(epochs):
    steps = epochs * 390
    rates = [learning_rate(step, steps, peak=0.1, warmup=0.25) for step in range(steps)]
    assert rates[-1] < 0.1 / 200  # the prototype's was still at 97 % of its peak when it stopped
    assert rates.index(max(rates)) == pytest.approx(steps / 4, abs=1)


def test_only_the_weights_of_convolutions_and_linear_layers_decay():
    model = build_model("resnet18_narrow", 10)
    optimizer = make_optimizer(model, TrainConfig(learning_rate=0.1, weight_decay=0.5))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(path, recurse=False):
            decays = isinstance(module, (nn.Conv2d, nn.Linear)) and name.endswith("weight")
            # With no gradient and no momentum yet, Nesterov's first step is (1 + 0.9) · 0.1 · 0.5 · w.
            factor = 1 - 1.9 * 0.1 * 0.5 if decays else 1
            assert torch.allclose(parameter, factor * before[name]), name


def test_every_parameter_is_trained_once():
    model = build_model("resnet18_narrow", 10)
    groups = make_optimizer(model, TrainConfig()).param_groups
    trained = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(trained) == sorted(map(id, model.parameters()))
    assert all(group["nesterov"] and group["momentum"] == 0.9 for group in groups)


def test_progressive_resolution_by_thirds():
    config = TrainConfig(epochs=6, progressive=True)
    assert [resolution(config, epoch, 32) for epoch in range(1, 7)] == [16, 16, 24, 24, 32, 32]
    config = TrainConfig(epochs=20, progressive=True)
    assert [resolution(config, epoch, 96) for epoch in (1, 7, 8, 14, 15, 20)] == [48, 48, 72, 72, 96, 96]
    assert {resolution(TrainConfig(epochs=6), epoch, 32) for epoch in range(1, 7)} == {32}


def test_the_first_epoch_at_full_size_opens_the_last_third():
    assert [full_size_from(TrainConfig(epochs=epochs, progressive=True)) for epochs in (3, 4, 6, 23)] == [3, 4, 5, 17]
    assert full_size_from(TrainConfig(epochs=6)) == 1


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("epochs", (0, -1)), ("batch_size", (0, 1)), ("learning_rate", (0.0, -0.1, math.inf, math.nan)),
        ("seed", (-1, 2**63)),
        ("warmup", (-0.1, 1.0, math.nan)), ("momentum", (0.0, 1.0)), ("weight_decay", (-1e-4, math.inf, math.nan)),
        ("label_smoothing", (-0.1, 1.0)), ("crop_padding", (-1,)), ("cutout", (-1,)), ("threads", (0, 10**9)),
        ("image_size", (7,)), ("keep_epochs", (-1, 1001)),
    ],
)  # fmt: skip
def test_an_option_out_of_range_is_named(option, values):
    TrainConfig().check()
    for value in values:
        with pytest.raises(TrainingError, match=f"--{option.replace('_', '-')} .* is out of range"):
            replace(TrainConfig(), **{option: value}).check()


@pytest.mark.parametrize(
    ("epochs", "asked", "expected"),
    [
        (20, 4, {5, 10, 15}), (110, 4, {27, 55, 82}), (20, 0, set()), (20, 1, set()), (1, 1, set()), (5, 2, {2}),
        (3, 3, {1, 2}), (3, 1000, {1, 2}),
    ],
)  # fmt: skip
def test_epochs_that_are_kept_are_spread_evenly_and_the_last_is_the_runs_own(epochs, asked, expected):
    assert epochs_to_keep(TrainConfig(epochs=epochs, keep_epochs=asked)) == expected


def test_progressive_resolution_needs_three_epochs():
    TrainConfig(epochs=3, progressive=True).check()
    with pytest.raises(TrainingError, match="--progressive"):
        TrainConfig(epochs=2, progressive=True).check()
