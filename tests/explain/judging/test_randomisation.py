"""Models that forget from the head downwards, and maps that notice or do not."""

import numpy as np
import pytest
import torch
from torch import nn

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.judging.controls import CONTROLS
from sightline.explain.judging.randomisation import draw_anew, randomisation, randomised_models, smooth, stages
from sightline.explain.judging.similarity import spearman
from sightline.model_zoo import build_model


@pytest.fixture
def linear():
    """Two classes read from 8×8 pixels by a linear layer with trained-looking weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    model[1].weight.data = torch.randn(2, 64)
    return model.eval()


@pytest.fixture
def images():
    return torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1)) + 0.5


def weights_times_input(model, images):
    """The exact explanation of a linear model."""
    return {"input": (model[1].weight[0].reshape(1, 8, 8) * images[:, 0]).detach()}


def random_control(model, images):
    return {"input": CONTROLS["random"](images, range(len(images)))}


def weights(model):
    return {name: parameter.clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("kind", [lambda attribute: attribute, smooth], ids=["plain", "smooth"])
def test_a_perfect_map_forgets_with_the_model_and_a_random_one_does_not(linear, images, kind):
    perfect = randomisation(linear, images, kind(weights_times_input))["input"]
    control = randomisation(linear, images, kind(random_control))["input"]
    assert np.abs(perfect).max() < 0.3 and control.tolist() == pytest.approx([1] * 6)


def test_the_value_is_the_mean_over_the_cascade():
    model, images = build_model("resnet18_narrow", 5).eval(), torch.randn(3, 3, 32, 32)

    def attribute(model, images):
        maps = layer_attributions(model, images, ["layer3"], torch.zeros(3, dtype=torch.int64))
        return {"layer3": maps["layer3"][:, 0]}

    original = attribute(model, images)["layer3"].numpy()
    expected = [
        np.nan_to_num(spearman(original, attribute(changed, images)["layer3"].numpy()))
        for changed in randomised_models(model)
    ]
    assert len(expected) == len(stages(model))
    np.testing.assert_allclose(randomisation(model, images, attribute)["layer3"], np.mean(expected, axis=0), atol=1e-6)


def test_the_head_is_drawn_first_and_what_was_drawn_stays_random():
    model = build_model("resnet18_narrow", 5).eval()
    order = stages(model)
    assert order[:2] == ["fc", "layer4"] and order[-1] in ("bn1", "conv1")
    before, changed_at = weights(model), []
    for number, changed in enumerate(randomised_models(model)):
        now = weights(changed)
        drawn = {name.split(".")[0] for name in before if not torch.equal(before[name], now[name])}
        changed_at.append(drawn)
        assert drawn <= set(order[: number + 1])
    assert changed_at[0] == {"fc"} and {"fc", "layer4", "layer1", "conv1"} <= changed_at[-1]


def test_the_model_is_left_as_it_was_and_so_are_the_random_numbers(linear, images):
    before = weights(linear)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    randomisation(linear, images, weights_times_input)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(before[name], now) for name, now in linear.named_parameters())


def test_a_wrapper_is_looked_through():
    network = nn.Sequential()
    network.add_module("body", nn.Conv2d(3, 4, 1))
    network.add_module("head", nn.Linear(4, 2))
    wrapper = nn.Sequential()
    wrapper.add_module("normalise", nn.Identity())
    wrapper.add_module("network", network)
    assert stages(wrapper) == ["network.head", "network.body"]
    assert stages(nn.Sequential(nn.Flatten(), nn.Linear(3, 2))) == ["1"]


def test_parameters_without_a_rule_are_shuffled():
    module = nn.Module()
    module.token = nn.Parameter(torch.arange(50.0).reshape(5, 10))
    draw_anew(module, seed=0)
    assert module.token.shape == (5, 10) and not torch.equal(module.token.flatten(), torch.arange(50.0))
    assert torch.equal(module.token.flatten().sort().values, torch.arange(50.0))


def test_an_original_that_is_constant_has_no_value_and_a_random_one_is_not_similar(linear, images):
    constants = iter([False, True])  # the original map, that of the one random model

    def sometimes(model, images):
        maps = weights_times_input(model, images)["input"]
        return {"input": torch.ones_like(maps) if next(constants) else maps}

    assert randomisation(linear, images, sometimes)["input"].tolist() == [0] * 6
    constants = iter([True, False])
    assert np.isnan(randomisation(linear, images, sometimes)["input"]).all()


def test_a_module_that_is_called_as_the_rule_of_a_layer_is_none():
    network = nn.Module()
    network.add_module("reset_parameters", nn.Linear(3, 2))
    before = network.reset_parameters.weight.clone()
    draw_anew(network, 0)
    assert not torch.equal(before, network.reset_parameters.weight)
