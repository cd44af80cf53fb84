"""Attended features by hand, and beside activations and maps that are taken one by one."""

import pytest
import torch

from sightline.explain.attribution.engine import combined, layer_attributions
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.folding import fold
from sightline.explain.why.attended import attended_features
from sightline.model_zoo import build_model
from tests.tiny_networks import Hand, bottleneck_network, convnext, token_network

PIXELS = torch.tensor([[[[1.0, 2], [3, 4]]]])


def test_the_activation_is_pooled_by_the_normalised_positive_map():
    """Of class 0 the channels x and −x have mean gradients 2.5 and 1, so its map is 1.5·x, and normalised x/10."""
    features, maps = attended_features(Hand(), PIXELS, "conv", torch.tensor([0]))
    assert maps.tolist() == [[[1.5, 3], [4.5, 6]]]
    assert features.tolist() == [[pytest.approx(3), pytest.approx(-3)]]  # (1 + 4 + 9 + 16) / 10


def test_only_the_positive_part_of_a_map_pools():
    features, maps = attended_features(Hand(), PIXELS * torch.tensor([[1.0, -1], [1, -1]]), "conv", torch.tensor([0]))
    assert maps.tolist() == [[[1.5, -3], [4.5, -6]]]
    assert features.tolist() == [[pytest.approx(2.5), pytest.approx(-2.5)]]  # (1 + 9) / 4


def test_a_map_that_is_nowhere_positive_pools_evenly():
    """Of class 1 the mean gradients are −1 and 1: its map is −2·x."""
    features, maps = attended_features(Hand(), PIXELS, "conv", torch.tensor([1]))
    assert maps.max() < 0 and features.tolist() == [[2.5, -2.5]]


NETWORKS = {
    "a pooled head, no backward": (lambda: build_model("resnet18_narrow", 5), "layer4"),
    "before the last stage": (lambda: build_model("resnet18_narrow", 5), "layer2"),
    "another head": (lambda: convnext(5), "stages.3"),
    "bottlenecks": (lambda: bottleneck_network(5), "layer3"),
    "tokens that are folded": (lambda: token_network(5, 32), "blocks.0"),
}


@pytest.mark.parametrize("build, layer", NETWORKS.values(), ids=NETWORKS)
def test_every_network_has_those_of_its_maps_and_activations(build, layer):
    torch.manual_seed(0)
    model, images, classes = build().eval(), torch.randn(6, 3, 32, 32), torch.tensor([0, 1, 2, 3, 4, 0])
    seen = []
    with model.get_submodule(layer).register_forward_hook(lambda _, __, output: seen.append(output.detach())):
        model(images)
    activation = fold(seen[0], (32, 32))
    expected = layer_attributions(model, images, [layer], classes)[layer][:, 0]
    features, maps = attended_features(model, images, layer, classes)
    torch.testing.assert_close(maps, expected)
    for row, cam in enumerate(expected.clamp(min=0)):
        weights = cam / cam.sum() if cam.sum() > 0 else torch.full_like(cam, 1 / cam.numel())
        torch.testing.assert_close(features[row], torch.einsum("khw,hw->k", activation[row], weights))


def test_many_images_are_combined_batch_by_batch(monkeypatch):
    torch.manual_seed(0)
    model, images, classes = build_model("resnet18_narrow", 5).eval(), torch.randn(20, 3, 32, 32), torch.arange(20) % 5
    at_once = attended_features(model, images, "layer4", classes)
    monkeypatch.setitem(__import__("sightline.explain.attribution.engine", fromlist=["MEMORY"]).MEMORY, "cpu", 1)
    for one, other in zip(attended_features(model, images, "layer4", classes), at_once, strict=True):
        torch.testing.assert_close(one, other)


def test_functions_of_ones_own_are_named_and_given_every_layer_and_class():
    found = combined(
        build_model("resnet18_narrow", 5).eval(),
        torch.zeros(2, 3, 32, 32),
        ["layer3", "layer4"],
        torch.tensor([[0, 1, 2]] * 2),
        {"channels": lambda activation, gradient: activation.mean(dim=(2, 3))},
    )
    assert {layer: tuple(values.shape) for layer, values in found["channels"].items()} == {
        "layer3": (2, 3, 64),
        "layer4": (2, 3, 128),
    }


def test_what_is_no_layer_with_a_map_is_refused():
    with pytest.raises(ExplainError, match="no map of height and width"):
        attended_features(build_model("resnet18_narrow", 5).eval(), torch.zeros(1, 3, 32, 32), "fc", torch.tensor([0]))
