"""What explain/ does with an exported network is what it does with the original."""

import pytest
import torch
from torch.overrides import TorchFunctionMode

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.grids import suggest_layers
from sightline.explain.attribution.head import pooled_head
from sightline.explain.attribution.pixels import pixel_attributions
from sightline.explain.attribution.recording import exclusive, recording
from sightline.explain.judging.randomisation import randomised_models, stages
from tests.exported_networks import NETWORKS, images_for, pair_of

TARGETS = torch.tensor([0, 1, 1])


# timm has a rule of its own for Swin's tables of positions, which are shuffled here.
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "Swin"])
def test_random_networks_are_the_same_stage_by_stage(name):
    network, opened = pair_of(name)
    assert stages(opened) == stages(network)
    for original, exported in zip(randomised_models(network), randomised_models(opened), strict=True):
        drawn = dict(exported.named_parameters())
        for parameter, value in original.named_parameters():
            assert torch.equal(drawn[parameter], value), parameter
        assert all(torch.equal(exported.state_dict()[key], value) for key, value in original.state_dict().items())


@pytest.mark.parametrize(("name", "layer", "is_pooled"), [("bottlenecks", "layer4", True), ("own", "lower", False)])
def test_a_head_behind_pooling_is_found(name, layer, is_pooled):
    for model in pair_of(name):
        with exclusive(model), recording(model, [layer]) as outputs:
            found = pooled_head(model, model(images_for(name)), outputs[layer])
        assert torch.equal(found, model.fc.weight) if is_pooled else found is None


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
@pytest.mark.parametrize("name", ["own", "ViT of timm", "one channel"])
def test_maps_of_pixels_are_those_of_the_original(name, method):
    network, opened = pair_of(name)
    found, expected = (pixel_attributions(model, images_for(name), TARGETS, method) for model in (opened, network))
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("method", ["hirescam", "layercam", "captum_gradcam", "gradient_x_activation"])
@pytest.mark.parametrize("name", ["own", "bottlenecks"])
def test_maps_by_other_methods_are_those_of_the_original(name, method):
    network, opened = pair_of(name)
    layers = suggest_layers(network, images_for(name))
    maps, others = (layer_attributions(model, images_for(name), layers, TARGETS, method) for model in (opened, network))
    for layer in layers:
        assert (maps[layer] - others[layer]).abs().max() <= 1e-5 * others[layer].abs().max()


class Counting(TorchFunctionMode):
    """Counts the convolutions that are called as nn.Conv2d does, which a mode such as Im2col looks for."""

    count = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.conv2d and len(args) == 7 and isinstance(args[3], tuple)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["own", "bottlenecks", "MobileNetV3"])
def test_convolutions_are_called_as_modules_call_them(name):
    counts = []
    for model in pair_of(name):
        with Counting() as counting, torch.no_grad():
            model(images_for(name))
        counts.append(counting.count)
    assert counts[0] == counts[1] > 0
