"""Maps of our own network against Captum called directly; the closed form; what a call refuses and leaves behind."""

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from sightline.explain.attribution import engine
from sightline.explain.attribution.engine import attributions_by_method, layer_attributions, probabilities, upsample
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.grids import map_layers
from sightline.explain.attribution.recording import first_non_finite
from sightline.model_zoo import build_model
from tests.tiny_networks import Hand


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


def test_probabilities_by_hand():
    model = Hand()
    model.fc.weight.data.zero_()
    model.fc.bias.data = torch.tensor([3.0, 1.0]).log()
    assert probabilities(model, PIXELS)[0].tolist() == pytest.approx([0.75, 0.25])


LAYERS = ("layer1", "layer1.0.bn2", "layer2.0.conv1", "layer2.0.downsample", "layer3", "layer4")


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_every_layer_agrees_with_captum_called_directly(network, images, dtype, tolerance):
    network, images = network.to(dtype), images.to(dtype)
    targets = torch.tensor([[4, 0], [1, 2], [3, 3]])
    maps = layer_attributions(network, images, LAYERS, targets)
    assert tuple(maps) == LAYERS
    for layer in LAYERS:
        method = LayerGradCam(network, network.get_submodule(layer))
        for column in range(2):
            theirs = method.attribute(images, target=targets[:, column])[:, 0]
            assert (maps[layer][:, column] - theirs).abs().max() <= tolerance * theirs.abs().max()


def test_the_closed_form_agrees_with_the_backward(network, images):
    targets = torch.arange(5).expand(3, 5)
    closed = layer_attributions(network, images, ["layer4"], targets)["layer4"]
    by_captum = layer_attributions(network, images, ["layer4"], targets, "captum_gradcam")["layer4"]
    assert torch.allclose(closed, by_captum, atol=1e-5 * by_captum.abs().max().item())


def test_the_last_layer_s_map_and_the_bias_add_up_to_the_logit(network, images):
    # The head is global average pooling and one linear layer, so nothing of the logit is lost.
    maps = layer_attributions(network, images, ["layer4"], torch.arange(5).expand(3, 5))["layer4"]
    with torch.no_grad():
        assert torch.allclose(maps.sum(dim=(2, 3)) + network.fc.bias, network(images), atol=1e-4)


@pytest.fixture
def backwards(monkeypatch):
    """A list with the gradients that each call of torch.autograd.grad returned."""
    calls, real = [], torch.autograd.grad
    monkeypatch.setattr(torch.autograd, "grad", lambda *args, **more: calls.append(real(*args, **more)) or calls[-1])
    return calls


def test_all_classes_at_the_last_layer_take_no_backward(network, images, backwards):
    layer_attributions(network, images, ["layer4"], torch.arange(5).expand(3, 5))
    assert backwards == []


def test_all_layers_take_one_forward_and_one_backward_a_class(network, images, backwards):
    map_layers(network, images)  # the first call of a network looks which layers have a map
    forwards = []
    network.conv1.register_forward_hook(lambda *_: forwards.append(1))
    layer_attributions(network, images, ["layer1", "layer2", "layer3", "layer4"], torch.tensor([[0, 1, 2]] * 3))
    assert len(forwards) == 1 and [len(gradients) for gradients in backwards] == [3, 3, 3]


def test_several_methods_share_the_passes_and_give_each_its_own_maps(network, images, backwards):
    map_layers(network, images)
    forwards, targets = [], torch.tensor([[0, 1]] * 3)
    hook = network.conv1.register_forward_hook(lambda *_: forwards.append(1))
    methods = ("gradcam++", "layercam", "captum_gradcam", "gradcam")
    shared = attributions_by_method(network, images, ["layer3", "layer4"], targets, methods[:2])
    assert len(forwards) == 1 and [len(gradients) for gradients in backwards] == [1, 1]
    hook.remove()
    shared = attributions_by_method(network, images, ["layer3", "layer4"], targets, methods)
    assert tuple(shared) == methods and tuple(shared["captum_gradcam"]) == ("layer3", "layer4")
    for method, maps in shared.items():
        alone = layer_attributions(network, images, ["layer3", "layer4"], targets, method)
        assert all(torch.equal(maps[layer], alone[layer]) for layer in alone), method


class HeadOf(nn.Module):
    """A convolution, then `pool` of its output, then a linear layer."""

    def __init__(self, pool):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.pool = nn.Conv2d(3, 8, 3), nn.Linear(8, 4), pool

    def forward(self, x):
        return self.fc(self.pool(self.conv(x)).flatten(1))


POOLINGS = {
    "average": (lambda x: x.mean(dim=(2, 3)), True),
    "adaptive average": (nn.AdaptiveAvgPool2d(1), True),
    "average after dropout": (lambda x: nn.functional.dropout(x, 0.5, training=False).mean(dim=(2, 3)), True),
    "maximum": (nn.AdaptiveMaxPool2d(1), False),
    "ReLU before": (lambda x: x.relu().mean(dim=(2, 3)), False),
    "ReLU after": (lambda x: x.mean(dim=(2, 3)).relu(), False),
    "one place": (lambda x: x[:, :, 0, 0], False),
    "the wrong two dimensions": (lambda x: x[:, :, :8, :8].mean(dim=(1, 2)), False),
    "scaled": (lambda x: 2 * x.mean(dim=(2, 3)), False),
}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])  # a run's images have the latter
@pytest.mark.parametrize("pool, is_closed", POOLINGS.values(), ids=POOLINGS)
def test_any_other_head_falls_back_to_the_backward(pool, is_closed, layout, images, backwards):
    model, targets = HeadOf(pool), torch.tensor([[0, 3], [1, 2], [2, 2]])
    images = images[:, :, :10, :10].contiguous(memory_format=layout)
    maps = layer_attributions(model, images, ["conv"], targets)["conv"]
    assert (len(backwards) == 0) == is_closed
    for column in range(2):
        theirs = LayerGradCam(model, model.conv).attribute(images, target=targets[:, column])[:, 0]
        assert torch.allclose(maps[:, column], theirs, atol=1e-5 * theirs.abs().max().item())


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


def test_an_unknown_layer_lists_the_layers_that_have_a_map(network, images):
    with pytest.raises(
        ExplainError, match=r"no layer 'layer9'; choose from: conv1, bn1, layer1\.0\.conv1, .*, layer4\."
    ):
        layer_attributions(network, images, ["layer4", "layer9"], torch.zeros(3, 1, dtype=torch.int64))


@pytest.mark.parametrize("layer", ["fc", ""])
def test_a_layer_without_height_and_width_is_a_sentence(network, images, layer):
    with pytest.raises(ExplainError, match=r"no map of height and width; choose from: conv1, .*, layer4\."):
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


def test_targets_may_be_one_class_an_image(network, images):
    one = layer_attributions(network, images, ["layer2"], torch.tensor([4, 1, 3]))["layer2"]
    assert one.shape == (3, 1, 16, 16)
    assert torch.equal(one, layer_attributions(network, images, ["layer2"], torch.tensor([[4], [1], [3]]))["layer2"])


@pytest.mark.parametrize(
    "targets, sentence",
    [
        (torch.tensor([0, 1]), "int64 of shape N or N×T with N = 3 images, not torch.int64 of shape"),
        (torch.tensor([0.0, 1, 2]), "not torch.float32"),
        (torch.tensor(1), "shape N or N×T"),
        (torch.tensor([0, 1, 5]), "5 classes are 0 to 4"),
        (torch.tensor([0, -1, 2]), "5 classes are 0 to 4"),
    ],
)
def test_targets_that_are_none_are_refused_in_words(network, images, targets, sentence):
    with pytest.raises(ExplainError, match=sentence):
        layer_attributions(network, images, ["layer4"], targets)


@pytest.mark.parametrize(
    "bad", [torch.zeros(3, 3, 8), torch.zeros(3, 3, 8, 8, dtype=torch.uint8), torch.zeros(0, 3, 8, 8)]
)
def test_images_that_are_none_are_refused_in_words(network, bad):
    with pytest.raises(ExplainError, match="normalised float tensor N×C×H×W, not "):
        layer_attributions(network, bad, ["layer4"], torch.zeros(len(bad), dtype=torch.int64))


def test_an_unknown_method_lists_the_methods(network, images):
    with pytest.raises(ExplainError, match="Unknown method 'gradcam3'; choose from: gradcam, hirescam, "):
        layer_attributions(network, images, ["layer4"], torch.zeros(3, dtype=torch.int64), "gradcam3")


def test_a_model_without_logits_is_refused_in_words(images):
    model = nn.Sequential(nn.Conv2d(3, 2, 3))
    with pytest.raises(ExplainError, match="no N×C tensor of logits"):
        layer_attributions(model, images, ["0"], torch.zeros(3, dtype=torch.int64))


def test_a_layer_that_the_logits_do_not_use_has_a_map_of_zeros(images):
    model = HeadOf(nn.Conv2d(3, 8, 3))
    model.forward = lambda x: (model.pool(x), model.fc(model.conv(x).mean(dim=(2, 3)).relu()))[1]
    maps = layer_attributions(model, images, ["conv", "pool"], torch.zeros(3, dtype=torch.int64))
    assert maps["conv"].any() and not maps["pool"].any()


def test_a_split_that_does_not_fit_at_once_gives_the_same_maps(network, monkeypatch):
    images = torch.randn(21, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    targets = torch.arange(21) % 5
    batches = []
    network.conv1.register_forward_hook(lambda _, __, output: batches.append(len(output)))
    whole = layer_attributions(network, images, ["layer1", "layer4"], targets)
    assert batches.pop() == 21
    monkeypatch.setitem(engine.MEMORY, "cpu", 5 * 2 * engine.bytes_of_an_image(network, images) + 10)
    batches.clear()
    parts = layer_attributions(network, images, ["layer1", "layer4"], targets)
    assert batches == [5, 5, 5, 5, 1]
    for layer in whole:
        assert torch.allclose(whole[layer], parts[layer], atol=1e-5 * whole[layer].abs().max().item())


def test_maps_can_be_computed_where_gradients_are_off(network, images):
    targets = torch.zeros(3, dtype=torch.int64)
    expected = layer_attributions(network, images, ["layer2"], targets)["layer2"]
    for off in (torch.no_grad(), torch.inference_mode(), torch.autocast("cpu", torch.bfloat16)):
        with off:
            assert torch.equal(layer_attributions(network, images, ["layer2"], targets)["layer2"], expected)


def test_a_compiled_model_is_explained_by_its_own_layers(network, images):
    compiled = torch.compile(network, backend="eager")
    expected = layer_attributions(network, images, ["layer3"], torch.tensor([1, 2, 3]))["layer3"]
    assert torch.equal(layer_attributions(compiled, images, ["layer3"], torch.tensor([1, 2, 3]))["layer3"], expected)


def test_a_thousand_calls_leave_no_tensor_behind():
    model, targets = HeadOf(nn.AdaptiveMaxPool2d(1)), torch.zeros(1, dtype=torch.int64)

    def explain(times):
        for _ in range(times):
            layer_attributions(model, PIXELS.expand(1, 3, 2, 2).repeat(1, 1, 3, 3), ["conv"], targets)
        return sum(issubclass(type(entry), torch.Tensor) for entry in gc.get_objects())

    after_ten = explain(10)
    assert explain(990) <= after_ten


def test_the_first_layer_that_is_not_finite_is_named(network, images):
    assert first_non_finite(network, images) == ""
    network.layer3[0].bn2.weight.data[1] = torch.nan
    assert first_non_finite(network, images) == "layer3.0.bn2"
    assert first_non_finite(network, images / 0) == "the image"


def test_upsampling_smoothes_the_cells():
    smooth = upsample(torch.tensor([[[[0.0, 4], [8, 12]]]]), (4, 4))[0, 0]
    assert smooth.shape == (4, 4) and smooth.mean().item() == pytest.approx(6) and smooth.unique().numel() > 4
