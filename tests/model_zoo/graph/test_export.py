"""A network that was exported and opened again, without its code, answers and names its parts as the original."""

import copy
import io

import pytest
import torch
from torch import nn

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.grids import map_layers, suggest_layers
from sightline.model_zoo import find_head
from sightline.model_zoo.graph import export_graph, open_graph
from tests.exported_networks import NETWORKS, images_for, make_network

CLASSES = 4


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request):
    """A network, the same one exported and opened, and images for it."""
    network, images = make_network(request.param, CLASSES), images_for(request.param)
    return network, open_graph(io.BytesIO(export_graph(network, images)), network.state_dict()), images


def test_names_and_tensors_are_those_of_the_original(pair):
    network, opened, _ = pair
    for names in (nn.Module.named_modules, nn.Module.named_parameters):
        assert [name for name, _ in names(opened)] == [name for name, _ in names(network)]
    assert list(opened.state_dict()) == list(network.state_dict())
    assert all(torch.equal(opened.state_dict()[name], value) for name, value in network.state_dict().items())
    assert find_head(opened, CLASSES) == find_head(network, CLASSES)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_it_answers_as_the_original(pair, count, layout):
    network, opened, images = pair
    shown = images[:count].contiguous(memory_format=layout)
    with torch.no_grad():
        torch.testing.assert_close(opened(shown), network(shown), rtol=1e-5, atol=1e-6)


def test_its_maps_are_those_of_the_original(pair):
    network, opened, images = pair
    layers = suggest_layers(network, images)
    assert suggest_layers(opened, images) == layers
    found, expected = map_layers(opened, images), map_layers(network, images)
    assert list(found.items()) == list(expected.items())
    targets = torch.arange(len(images)) % CLASSES
    maps, others = (layer_attributions(each, images, layers, targets) for each in (opened, network))
    for layer in layers:
        assert (maps[layer] - others[layer]).abs().max() <= 1e-5 * others[layer].abs().max()


def test_a_copy_of_it_is_a_network_of_its_own(pair):
    _, opened, images = pair
    copied = copy.deepcopy(opened)
    before = opened(images)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert torch.equal(opened(images), before) and not torch.equal(copied(images), before)


def test_hooks_see_and_change_what_modules_take_and_return(pair):
    _, opened, images = pair
    head = opened.get_submodule(find_head(opened, CLASSES))
    before, seen = opened(images), []
    with head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]) or (0 * inputs[0],)):
        opened(images)
    with head.register_forward_hook(lambda _, __, output: 0 * output):
        assert torch.equal(opened(images), 0 * before)
    assert seen[0].shape[-1] == head.weight.shape[1]
    assert torch.equal(opened(images), before)
