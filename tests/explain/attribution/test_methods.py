"""Each layer method on a network small enough to compute by hand."""

import pytest
import torch
from torch import nn

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.methods import LAYER_METHODS, PIXEL_METHODS
from tests.tiny_networks import Hand

# The activation is x = [1 2; 3 4] and −x; the gradients are the rows of fc.weight.
#   logit 0: [1 2; 3 4] (mean 2.5) and [4 0; 0 0] (mean 1)
#   logit 1: [−1 −1; −1 −1] (mean −1) and [0 0; 0 4] (mean 1)
PIXELS = torch.tensor([[[[1.0, 2], [3, 4]]]])
# Grad-CAM++, logit 0: Σx = 10, so α = 1 / (2 + 10·G) = 1/12, 1/22, 1/32, 1/42 and, with Σ(−x) = −10, 1/(2 − 40);
# the weights Σα·G are below. logit 1: channel 0 has no positive gradient, channel 1 has 4 / (2 − 40) at one place.
FIRST, SECOND = 1 / 12 + 2 / 22 + 3 / 32 + 4 / 42, 4 / (2 - 40)
EXPECTED = {
    "gradcam": [[1.5, 3, 4.5, 6], [-2, -4, -6, -8]],  # (2.5 − 1)·x and (−1 − 1)·x
    "hirescam": [[1 - 4, 4, 9, 16], [-1, -2, -3, -4 - 16]],
    "layercam": [[1 - 4, 4, 9, 16], [0, 0, 0, -16]],  # negative gradients count as zero
    "gradcam++": [[(FIRST - SECOND) * x for x in (1, 2, 3, 4)], [-SECOND * x for x in (1, 2, 3, 4)]],
    "captum_gradcam": [[1.5, 3, 4.5, 6], [-2, -4, -6, -8]],
    "gradient_x_activation": [[1 - 4, 4, 9, 16], [-1, -2, -3, -4 - 16]],
}


def maps_of(method, targets, minus=None):
    minus = None if minus is None else torch.tensor(minus)
    return layer_attributions(Hand(), PIXELS, ["conv"], torch.tensor(targets), method, minus)["conv"].flatten(2)[0]


def test_every_layer_method_has_a_map_computed_by_hand():
    assert EXPECTED.keys() == LAYER_METHODS.keys()


@pytest.mark.parametrize("method", EXPECTED)
def test_maps_of_a_tiny_network_computed_by_hand(method):
    for values, expected in zip(maps_of(method, [[0, 1]]), EXPECTED[method], strict=True):
        assert values.tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("method", [name for name, method in LAYER_METHODS.items() if method.linear])
def test_a_linear_method_s_map_of_a_difference_is_the_difference_of_the_maps(method):
    first, second = maps_of(method, [[0, 1]])
    assert torch.allclose(maps_of(method, [0], [1])[0], first - second)


def test_the_map_of_a_difference_is_that_of_the_logits_difference():
    # LayerCAM of logit 0 − logit 1: gradients [2 3; 4 5] and [4 0; 0 −4]; the negative one counts as zero.
    assert maps_of("layercam", [0], [1])[0].tolist() == [2 - 4, 6, 12, 20]
    assert not LAYER_METHODS["layercam"].linear


def test_grad_cam_plus_plus_survives_gradients_whose_square_underflows():
    model = Hand()
    model.fc.weight.data *= 1e-25  # squared 1e-50, which float32 cannot hold
    values = layer_attributions(model, PIXELS, ["conv"], torch.tensor([0]), "gradcam++")["conv"].flatten()
    # α is 1/2 where G·Σx vanishes beside 2: weights 5e-25 and 2e-25
    assert (values * 1e25).tolist() == pytest.approx([3, 6, 9, 12], rel=1e-5)


def test_the_table_says_for_each_method_where_it_is_from_and_what_it_costs():
    for method in (*LAYER_METHODS.values(), *PIXEL_METHODS.values()):
        assert method.title and method.source and method.cost


@pytest.mark.parametrize("method", [name for name, method in LAYER_METHODS.items() if not method.signed])
def test_unsigned_methods_have_no_negative_value_where_activations_have_none(method):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
    maps = layer_attributions(model, torch.randn(4, 3, 8, 8), ["1"], torch.tensor([0, 1, 2, 3]), method)["1"]
    assert maps.min() >= 0 and maps.max() > 0
