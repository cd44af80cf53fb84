"""Grad-CAM by hand, against Captum called directly, and what a call leaves behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from explain.engine import ExplainError, layer_attributions, probabilities
from model_zoo import build_model


class Hand(nn.Module):
    """One channel in, two out (x and −x), and a logit for each of two classes from all eight values."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1, bias=False)
        self.fc = nn.Linear(8, 2)
        self.conv.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
        self.fc.weight.data = torch.tensor([[1.0, 2, 3, 4, 4, 0, 0, 0], [-1, -1, -1, -1, 0, 0, 0, 4]])

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


class Broken(Hand):
    def forward(self, x):
        super().forward(x)
        raise ArithmeticError("on purpose")


PIXELS = torch.tensor([[[[1.0, 2], [3, 4]]]])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_model("resnet18_narrow", 5).eval()


@pytest.fixture
def images():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_maps_of_a_tiny_network_computed_by_hand():
    # Gradients of logit 0: channel 0 [1 2 3 4], mean 2.5; channel 1 [4 0 0 0], mean 1. Map: 2.5·x + 1·(−x) = 1.5·x.
    # Gradients of logit 1: channel 0 mean −1; channel 1 [0 0 0 4], mean 1. Map: −1·x + 1·(−x) = −2·x, signed.
    maps = layer_attributions(Hand(), PIXELS, ["conv"], torch.tensor([[0, 1]]))["conv"]
    assert maps.tolist() == [[[[1.5, 3], [4.5, 6]], [[-2, -4], [-6, -8]]]]


def test_probabilities_by_hand():
    model = Hand()
    model.fc.weight.data.zero_()
    model.fc.bias.data = torch.tensor([3.0, 1.0]).log()
    assert probabilities(model, PIXELS)[0].tolist() == pytest.approx([0.75, 0.25])


def test_every_layer_agrees_with_captum_called_directly(network, images):
    targets = torch.tensor([[4, 0], [1, 2], [3, 3]])
    layers = ("layer1", "layer2.0.conv1", "layer3", "layer4")
    maps = layer_attributions(network, images, layers, targets)
    assert list(maps) == list(layers)
    for layer in layers:
        method = LayerGradCam(network, network.get_submodule(layer))
        for column in range(2):
            theirs = method.attribute(images, target=targets[:, column])[:, 0]
            assert torch.allclose(maps[layer][:, column], theirs, atol=1e-6 * theirs.abs().max().item())


def test_the_last_layer_s_map_and_the_bias_add_up_to_the_logit(network, images):
    # The head is global average pooling and one linear layer, so nothing of the logit is lost.
    maps = layer_attributions(network, images, ["layer4"], torch.arange(5).expand(3, 5))["layer4"]
    with torch.no_grad():
        assert torch.allclose(maps.sum(dim=(2, 3)) + network.fc.bias, network(images), atol=1e-5)


def test_maps_have_the_layer_s_own_resolution_and_no_gradient(network, images):
    maps = layer_attributions(network, images, ["layer1", "layer4"], torch.zeros(3, 2, dtype=torch.int64))
    assert (maps["layer1"].shape, maps["layer4"].shape) == ((3, 2, 32, 32), (3, 2, 4, 4))
    assert maps["layer1"].dtype == torch.float32 and not maps["layer1"].requires_grad


def test_an_image_s_map_does_not_depend_on_the_batch(network, images):
    targets = torch.tensor([[1], [2], [3]])
    together = layer_attributions(network, images, ["layer3"], targets)["layer3"]
    alone = layer_attributions(network, images[1:2], ["layer3"], targets[1:2])["layer3"]
    assert torch.allclose(together[1:2], alone, atol=1e-5 * alone.abs().max().item())


def test_maps_of_a_model_in_training_mode_are_those_of_eval_mode(network, images):
    targets = torch.zeros(3, 1, dtype=torch.int64)
    expected = layer_attributions(network, images, ["layer4"], targets)["layer4"]
    chances = probabilities(network, images)
    network.train()
    assert torch.equal(layer_attributions(network, images, ["layer4"], targets)["layer4"], expected)
    assert torch.equal(probabilities(network, images), chances)


def test_an_unknown_layer_lists_the_layers(network, images):
    with pytest.raises(ExplainError, match=r"no layer 'layer9'; choose from: conv1, bn1, layer1, layer1\.0"):
        layer_attributions(network, images, ["layer4", "layer9"], torch.zeros(3, 1, dtype=torch.int64))


@pytest.mark.parametrize("layer", ["fc", ""])
def test_a_layer_without_height_and_width_is_a_sentence(network, images, layer):
    with pytest.raises(ExplainError, match="no map of height and width; choose a convolutional layer"):
        layer_attributions(network, images, [layer], torch.zeros(3, 1, dtype=torch.int64))


@pytest.mark.parametrize("model", [Hand(), Broken()], ids=["works", "fails"])
def test_flags_gradients_and_hooks_are_left_as_they_were(model):
    model.train()
    model.fc.eval()  # a frozen part of a model in training
    model.fc.bias.requires_grad_(False)
    model.fc.weight.grad = torch.full((2, 8), 7.0)
    if isinstance(model, Broken):
        with pytest.raises(ArithmeticError):
            layer_attributions(model, PIXELS, ["conv"], torch.tensor([[0]]))
    else:
        layer_attributions(model, PIXELS, ["conv"], torch.tensor([[0]]))
    assert [module.training for module in (model, model.conv, model.fc)] == [True, True, False]
    assert [p.requires_grad for p in (model.conv.weight, model.fc.weight, model.fc.bias)] == [True, True, False]
    assert model.conv.weight.grad is None and model.fc.weight.grad.eq(7).all()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert PIXELS.requires_grad is False and PIXELS.grad is None


def test_after_a_failure_the_model_can_be_explained_again(network, images):
    with pytest.raises(ExplainError):
        layer_attributions(network, images, ["fc"], torch.zeros(3, 1, dtype=torch.int64))
    assert layer_attributions(network, images, ["layer4"], torch.zeros(3, 1, dtype=torch.int64))["layer4"].any()


def test_a_frozen_model_is_explained_like_any_other(network, images):
    targets = torch.ones(3, 1, dtype=torch.int64)
    free = layer_attributions(network, images, ["layer2"], targets)["layer2"]
    frozen = layer_attributions(network.requires_grad_(False), images, ["layer2"], targets)["layer2"]
    assert torch.equal(free, frozen) and free.any()


def test_several_threads_on_one_model_get_their_own_maps(network):
    def explain(seed):
        image = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
        return layer_attributions(network, image, ["layer2", "layer4"], torch.tensor([[seed % 5]]))

    alone = [explain(seed) for seed in range(24)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(explain, range(24)))
    for expected, got in zip(alone, together, strict=True):
        for layer in expected:
            assert torch.allclose(expected[layer], got[layer], atol=1e-5 * expected[layer].abs().max().item())
