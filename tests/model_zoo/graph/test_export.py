"""A network that was exported and opened again, without its code, answers and names its parts as the original."""

import copy
import io

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from transformers import Data2VecVisionConfig, Data2VecVisionForImageClassification

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.grids import map_layers, suggest_layers
from sightline.model_zoo import ModelError, find_head
from sightline.model_zoo.adapted import adapt
from sightline.model_zoo.graph import export_graph, open_graph
from tests.exported_networks import NETWORKS, Own, images_for, pair_of


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request):
    """A network, the same one exported and opened, and images for it."""
    return *pair_of(request.param), images_for(request.param)


def test_names_and_tensors_are_those_of_the_original(pair):
    network, opened, _ = pair
    for names in (nn.Module.named_modules, nn.Module.named_parameters):
        assert [name for name, _ in names(opened)] == [name for name, _ in names(network)]
    assert list(opened.state_dict()) == list(network.state_dict())
    assert all(torch.equal(opened.state_dict()[name], value) for name, value in network.state_dict().items())
    classes = network(pair[2]).shape[1]
    assert find_head(opened, classes) == find_head(network, classes) is not None


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
    targets = torch.tensor([0, 1, 1])
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
    head = opened.get_submodule(find_head(opened, opened.graph_answer[1]))
    before, seen = opened(images), []
    with head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]) or (0 * inputs[0],)):
        opened(images)
    with head.register_forward_hook(lambda _, __, output: 0 * output):
        assert opened(images).abs().max() < 1e-6 < before.abs().max()
    assert seen[0].shape[-1] == head.weight.shape[1]
    assert torch.equal(opened(images), before)


SIDE = 16
IMAGES = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def again(model, images=IMAGES):
    return open_graph(io.BytesIO(export_graph(model, images)), model.state_dict())


def test_the_model_is_left_as_it_was():
    model = Own(4).train()
    model.stem.eval()
    modes = [module.training for module in model.modules()]
    export_graph(model, IMAGES)
    assert [module.training for module in model.modules()] == modes
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_network_of_any_size_stays_one_and_another_refuses_what_it_was_not_exported_for():
    large = torch.rand(2, 3, 2 * SIDE, 2 * SIDE)
    network, opened = pair_of("own")
    torch.testing.assert_close(opened(large), network(large), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="takes images of 3×16×16 only"):
        pair_of("ViT of timm")[1](large)


class Cells(nn.Module):
    """Goes over the rows of images with a cell, by hand."""

    def __init__(self, kind):
        super().__init__()
        self.cell, self.fc = kind(3 * SIDE, 8), nn.Linear(8, 4)

    def forward(self, images):
        state = None
        for row in images.permute(2, 0, 1, 3).flatten(2):
            state = self.cell(row, state)
        return self.fc(state[0] if isinstance(state, tuple) else state)


def data2vec(_):
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = Data2VecVisionConfig(**sizes, image_size=SIDE, patch_size=4, num_labels=4)
    return adapt(Data2VecVisionForImageClassification(config), IMAGES, 4)[0]


def normalised_weights(_):
    network = Own(4)
    network.head[1] = parametrizations.weight_norm(network.head[1])
    return adapt(network, IMAGES, 4)[0]


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (Cells, nn.LSTMCell),
        (Cells, nn.GRUCell),
        (Cells, nn.RNNCell),
        (Cells, lambda *sizes: nn.RNNCell(*sizes, nonlinearity="relu")),
        (data2vec, None),  # takes a view of what attention returns
        (normalised_weights, None),
    ],
)
def test_what_other_families_compute_with_is_kept(build, kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(kind).eval()
    images = torch.randn(3, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(again(network)(images), network(images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "look",
    [
        lambda images: functional.pairwise_distance(images.mean(3), torch.linspace(0, 1, SIDE)),
        lambda images: torch.quantile(images.flatten(2), 0.3, dim=2) + images.flatten(2).nanmedian(dim=2).values,
        lambda images: functional.one_hot(images.mean(dim=(2, 3)).argmax(dim=1), 3).float() + images.mean(dim=(2, 3)),
        lambda images: torch.fft.fftn(images, dim=(2, 3)).abs().mean(dim=(2, 3)),
        lambda images: torch.fft.irfftn(2 * torch.fft.rfftn(images, dim=(2, 3)), dim=(2, 3)).amax(dim=(2, 3)),
    ],
)
def test_what_people_compute_of_maps_is_kept(look):
    network = Looking(look).eval()
    opened = again(network)
    for count in (1, 2, 5):
        images = torch.randn(count, 3, SIDE, SIDE)
        torch.testing.assert_close(opened(images), network(images), rtol=1e-5, atol=1e-6)


class Rounded(torch.autograd.Function):
    """A straight-through estimator: rounding has the gradient zero, and says that of the identity."""

    @staticmethod
    def forward(_, values):
        return values.round()

    @staticmethod
    def backward(_, gradient):
        return gradient


class Reversed(torch.autograd.Function):
    @staticmethod
    def forward(_, values):
        return values.clone()

    @staticmethod
    def backward(_, gradient):
        return -gradient


class OwnSquare(torch.autograd.Function):
    @staticmethod
    def forward(context, values):
        context.save_for_backward(values)
        return values * values

    @staticmethod
    def backward(context, gradient):
        return 2 * context.saved_tensors[0] * gradient


@pytest.mark.parametrize("function", [Rounded, Reversed])
def test_a_function_whose_gradient_is_not_that_of_its_steps_is_refused(function):
    with pytest.raises(ModelError, match="gradients are not those of its steps: a torch.autograd.Function"):
        export_graph(Looking(lambda images: mean(function.apply(3 * images))).eval(), IMAGES)


def test_a_function_that_says_the_gradient_of_its_steps_is_kept():
    network = Looking(lambda images: mean(OwnSquare.apply(images))).eval()
    one, other = IMAGES.clone().requires_grad_(), IMAGES.clone().requires_grad_()
    network(one).sum().backward()
    again(network)(other).sum().backward()
    torch.testing.assert_close(other.grad, one.grad)


def test_a_part_in_torchscript_is_refused_with_a_sentence():
    network = Own(4).eval()
    network.block = torch.jit.script(network.block)
    with pytest.raises(ModelError, match="A part of it is TorchScript.*give the module"):
        export_graph(network, IMAGES)


class Looking(nn.Module):
    """A network that does with images what a function says."""

    def __init__(self, look):
        super().__init__()
        self.fc, self.look = nn.Linear(3, 4), look

    def forward(self, images):
        return self.fc(self.look(images))


def mean(images):
    return images.mean(dim=(2, 3))


def in_numpy(images):
    return torch.from_numpy(images.numpy().mean(axis=(2, 3)))


def when_bright(images):
    return mean(images) if images.mean() > 0 else mean(-images)


def as_often_as_bright(images):
    for _ in range(int(images.abs().sum().item())):
        images = images / 2
    return mean(images)


def share_of_all(images):
    return mean(images) / len(images)


def squares(images):
    return mean(images) * len(images) ** 2


def some_of_them(images):
    return torch.stack([mean(images[:2])[number % 2] for number in range(images.shape[0])])


def at_random(images):
    return nn.functional.dropout(mean(images), 0.5, training=True)


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (in_numpy, "Its forward leaves PyTorch for NumPy"),
        (when_bright, "depends on the values in the images"),
        (as_often_as_bright, "depends on the values in the images"),
        (squares, "depends on the number of images"),
        (some_of_them, "depends on the number of images"),
        (at_random, "depends on the number of images, or on chance"),
        (lambda images: mean(images).cpu().to(torch.float8_e4m3fn).float(), "float8_e4m3fn"),
        (lambda images: torch.bucketize(images, images.new_ones(1)).float().mean(dim=(2, 3)), "calls 'bucketize"),
    ],
)
def test_why_a_forward_cannot_be_exported_is_said_in_a_sentence(look, said):
    with pytest.raises(ModelError, match=said) as refused:
        export_graph(Looking(look).eval(), IMAGES)
    assert "cannot be kept as a graph" in str(refused.value)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 250


def test_a_number_that_grows_with_the_number_of_images_is_kept():
    network = Looking(share_of_all).eval()
    opened = again(network)
    for count in (1, 2, 7):
        images = torch.rand(count, 3, SIDE, SIDE)
        assert torch.equal(opened(images), network(images))


def test_what_switches_precision_off_is_kept():
    def exactly(images):
        with torch.autocast("cpu", enabled=False):
            return mean(images.float())

    network = Looking(exactly).eval()
    assert torch.equal(again(network)(IMAGES), network(IMAGES))


def test_a_forward_without_gradients_stays_without():
    def frozen(images):
        with torch.no_grad():
            return mean(images)

    opened, images = again(Looking(frozen).eval()), IMAGES.clone().requires_grad_()
    assert not opened(images).requires_grad
