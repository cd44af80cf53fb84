"""What a margin hangs on, against autograd, finite differences and what can be written by hand."""

import pytest
import torch
from torch import nn

from sightline.explain.attribution.errors import ExplainError
from sightline.explain.why.margins import RUNNER_UP, activations, margins, pooled
from sightline.model_zoo import build_model
from tests.exported_networks import images_for, pair_of

PREDICTED, RIVALS = torch.tensor([3, 0, 1]), torch.tensor([1, 2, 0])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_model("resnet18_narrow", 5).eval()


@pytest.fixture
def images():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def margin_of(logits, predicted=PREDICTED, rivals=RIVALS):
    return logits.gather(1, predicted[:, None])[:, 0] - logits.gather(1, rivals[:, None])[:, 0]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_behind_pooling_and_one_linear_layer_the_margin_is_weights_times_features(network, images, layout):
    images = images.to(memory_format=layout)  # a run's images have the channels last
    found = margins(network, images, "layer4", PREDICTED, RIVALS)
    assert found.exact
    assert torch.allclose(found.weights, network.fc.weight[PREDICTED] - network.fc.weight[RIVALS], atol=1e-6)
    bias = network.fc.bias[PREDICTED] - network.fc.bias[RIVALS]
    with torch.no_grad():
        by_hand = (found.weights * found.features).sum(dim=1) + bias
        assert torch.allclose(by_hand, margin_of(network(images)), atol=1e-5)


def test_the_weights_are_the_gradient_at_the_input_of_the_head(network, images):
    seen = []
    network.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    (gradient,) = torch.autograd.grad(margin_of(network(images)).sum(), seen[0])
    found = margins(network, images, "layer4", PREDICTED, RIVALS)
    assert torch.allclose(found.weights, gradient, atol=1e-6)
    assert torch.allclose(found.features, seen[0], atol=1e-6)


# Behind another head, and at the layers before, all is of first order.
@pytest.mark.parametrize(
    ("name", "layer"), [("ViT of timm", "blocks.1.norm1"), ("ConvNeXt", "stages.3"), ("bottlenecks", "layer3")]
)
def test_elsewhere_the_weights_are_the_slope_of_the_margin_also_of_an_exported_network(name, layer):
    images = images_for(name)
    predicted, rivals = torch.tensor([1, 0, 3]), torch.tensor([2, 3, 0])
    of_both = [margins(model, images, layer, predicted, rivals) for model in pair_of(name)]
    for found in of_both:
        assert not found.exact
        assert torch.allclose(found.weights, of_both[0].weights, rtol=1e-4, atol=1e-6)
        assert torch.allclose(found.activations, of_both[0].activations, rtol=1e-4, atol=1e-5)
    network = pair_of(name)[0].double()
    try:
        weights = margins(network, images.double(), layer, predicted, rivals).weights
        direction = torch.randn(weights.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        ends = []
        for step in (-1e-5, 1e-5):  # moves every place of the image, and no class token
            with torch.no_grad():
                ends.append(margin_of(_moved(network, images.double(), layer, step * direction), predicted, rivals))
    finally:
        network.float()
    assert torch.allclose((ends[1] - ends[0]) / 2e-5, (weights * direction).sum(dim=1), rtol=1e-5, atol=1e-8)


def _moved(network, images, layer, by):
    """The logits where so much (N×K) is added to a layer's output at every place."""

    def move(_, __, output):
        if output.ndim == 4:
            return output + by[:, :, None, None]
        return torch.cat([output[:, :1], output[:, 1:] + by[:, None]], dim=1)

    hook = network.get_submodule(layer).register_forward_hook(move)
    try:
        return network(images)
    finally:
        hook.remove()


def test_the_runner_up_is_the_likeliest_of_the_other_classes(network, images):
    logits = network(images).detach()
    others = logits.clone()
    others[range(3), PREDICTED] = -torch.inf
    runners_up = others.argmax(dim=1)
    found = margins(network, images, "layer4", PREDICTED, torch.full((3,), RUNNER_UP))
    assert torch.allclose(found.weights, network.fc.weight[PREDICTED] - network.fc.weight[runners_up], atol=1e-6)
    mixed = margins(network, images, "layer4", PREDICTED, torch.tensor([RUNNER_UP, 2, RUNNER_UP]))
    assert torch.allclose(mixed.weights[1], network.fc.weight[0] - network.fc.weight[2], atol=1e-6)
    assert torch.equal(mixed.weights[0], found.weights[0])


def test_activations_are_those_of_a_map_and_what_goes_on_does_not_change_them(images):
    block = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 900, 5)).eval()
    with torch.no_grad():
        expected = block[0](images)
    found, logits = activations(block, images, "0")
    assert torch.equal(found, expected) and torch.equal(logits, block(images))
    assert torch.equal(activations(block, images, "0", pooled)[0], expected.mean(dim=(2, 3)))
    tokens, _ = activations(pair_of("ViT of timm")[0], images_for("ViT of timm"), "blocks.0")
    assert tokens.shape == (3, 16, 4, 4)


@pytest.mark.parametrize(
    ("layer", "rival", "said"),
    [("layer9", 1, "no layer 'layer9'"), ("fc", 1, "no map"), ("layer4", 5, "no class of the model")],
)
def test_what_cannot_be_compared_is_a_sentence(network, images, layer, rival, said):
    with pytest.raises(ExplainError, match=said):
        margins(network, images, layer, PREDICTED, torch.full((3,), rival))


def test_a_network_of_one_class_has_no_margin(images):
    with pytest.raises(ExplainError, match="one class, which has no rival"):
        network = build_model("resnet18_narrow", 1).eval()
        margins(network, images, "layer4", torch.zeros(3, dtype=torch.int64), torch.full((3,), RUNNER_UP))
