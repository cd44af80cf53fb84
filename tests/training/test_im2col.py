"""Convolutions of small images as matrix multiplications: the same numbers, and only where they pay."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from sightline.model_zoo import build_model
from sightline.training import im2col
from sightline.training.im2col import Im2col
from sightline.training.inference import infer
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig
from tests.training.test_loop import RECORD

WEIGHT = torch.randn(4, 4, 3, 3)
RESNET18 = 20  # convolutions: 17 of 3×3, and 3 of 1×1 beside them
CASES = {
    "3×3": (nn.Conv2d(5, 7, 3, padding=1, bias=False), 3),
    "with bias": (nn.Conv2d(5, 7, 3, padding=1), 3),
    "stride 2": (nn.Conv2d(5, 7, 3, stride=2, padding=1), 6),
    "stride 2, one pixel left over": (nn.Conv2d(5, 7, 3, stride=2, padding=1), 5),
    "1×1 with stride": (nn.Conv2d(5, 7, 1, stride=2), 4),
    "no padding": (nn.Conv2d(5, 7, 3), 5),
    "3×2 kernel": (nn.Conv2d(5, 7, (3, 2), padding=1), 2),
    "one pixel": (nn.Conv2d(5, 7, 1), 1),
}

LAYOUTS = [
    (torch.channels_last, torch.channels_last),
    (torch.channels_last, torch.contiguous_format),
]  # network, images
CHANGES = {
    "an activation": lambda result: functional.hardswish(result, inplace=True),
    "a sum": lambda result: result.add_(torch.ones_like(result)),
    "a part": lambda result: [result[:, 2:5].mul_(3), result][1],
    "a view": lambda result: [result.permute(0, 2, 3, 1).view(-1, 7)[1:].exp_(), result][1],
    "filled": lambda result: result.masked_fill_(result > 0, 1.5),
}


class Watch(TorchDispatchMode):
    """Writes down the forward convolutions that torch computes by its own kernels."""

    def __init__(self):
        super().__init__()
        self.convolutions = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.name() in ("aten::convolution", "aten::conv2d"):
            self.convolutions.append(function)
        return function(*args, **(kwargs or {}))


def laid_out(case, layouts):
    """Return a convolution of CASES, and images for it, in float64 and these layouts."""
    convolution, side = CASES[case]
    images = torch.randn(4, 5, side, side, dtype=torch.float64).to(memory_format=layouts[1])
    return deepcopy(convolution).double().to(memory_format=layouts[0]), images


@pytest.fixture
def usual():
    """The convolutions that went their usual way, and became no matrix multiplications."""
    with Watch() as watch:
        yield watch.convolutions


def passes(network, images, gradient):
    images = images.clone().requires_grad_()
    network.zero_grad()
    result = network(images)
    result.backward(gradient(result))
    return [result.detach(), images.grad, *(parameter.grad for parameter in network.parameters())]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("layouts", LAYOUTS)
def test_values_and_gradients_are_those_of_the_convolution(case, layouts, usual):
    convolution, images = laid_out(case, layouts)
    gradient = torch.randn(4, 7, 8, 8, dtype=torch.float64)

    def cut(result):
        return gradient[..., : result.shape[2], : result.shape[3]]

    expected = passes(convolution, images, cut)
    assert len(usual) == 1
    with Im2col():
        found = passes(convolution, images, cut)
    assert len(usual) == 1
    assert found[0].stride() == expected[0].stride()
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_where_torch_answers_in_another_layout_the_convolution_goes_its_usual_way(usual):
    convolution, images = laid_out("3×3", (torch.contiguous_format, torch.contiguous_format))
    with Im2col():
        result = convolution(images)
    assert len(usual) == 1 and result.is_contiguous()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_result_may_be_changed_in_place(change, bias, usual):
    network = nn.Conv2d(5, 7, 3, padding=1, bias=bias).double()
    images = torch.randn(2, 5, 3, 3, dtype=torch.float64).to(memory_format=torch.channels_last)

    def changed(images):
        return change(network(images))

    def gradients(images):
        images = images.clone().requires_grad_()
        result = changed(images)
        inputs = [images, *network.parameters()]
        once = torch.autograd.grad(result.square().sum(), inputs, retain_graph=True)
        twice = torch.autograd.grad(result.square().sum() + result.sum(), inputs)  # used twice, and once more
        return [result.detach(), *once, *twice]

    expected = gradients(images)
    usual.clear()
    with Im2col():
        found = gradients(images)
        with torch.no_grad():
            torch.testing.assert_close(changed(images), expected[0])
    assert not usual
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other)


def test_hooks_see_and_replace_the_result_as_they_do_that_of_a_convolution(usual):
    convolution, images = laid_out("3×3", (torch.channels_last, torch.channels_last))
    seen = []
    convolution.register_forward_hook(lambda module, inputs, output: output.mul_(2))
    convolution.register_full_backward_hook(lambda module, into, out: seen.append(out[0]))

    def twice():
        result = convolution(images.clone().requires_grad_())
        result.register_hook(lambda gradient: seen.append(gradient))
        result.square().sum().backward()
        return result.detach()

    expected = [twice(), *seen]
    seen.clear()
    usual.clear()
    with Im2col():
        found = [twice(), *seen]
    assert not usual and len(found) == 3
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(4, 4, 3, padding=1, groups=2),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        nn.Conv2d(4, 4, 3, padding="same"),
        nn.Conv2d(4, 4, 3, padding="valid"),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 4, (3, 1), padding=(1, 0)),
        nn.Conv2d(4, 4, 3, padding=1, stride=(1, 2)),
        nn.Conv2d(4, 4, 1, padding=1),
        lambda images: functional.conv2d(images, WEIGHT),
        lambda images: functional.conv2d(images, WEIGHT, None, 1, 1),
        lambda images: functional.conv2d(images, WEIGHT, None, 1, 1, (1, 1), 1),
        lambda images: functional.conv2d(images, WEIGHT, padding=1),
    ],
    ids=str,
)
def test_an_unusual_convolution_is_the_same_too(convolution, monkeypatch):
    monkeypatch.setattr(im2col, "most_pixels", lambda: 10**6)
    images = torch.randn(2, 4, 6, 6, requires_grad=True)
    expected, found = convolution(images), None
    with Im2col():
        found = convolution(images)
    torch.testing.assert_close(found, expected)
    for one, other in zip(*(torch.autograd.grad(result.sum(), images) for result in (found, expected)), strict=True):
        torch.testing.assert_close(one, other)


def test_a_large_image_goes_the_usual_way(usual):
    with Im2col():
        nn.Conv2d(3, 4, 3, padding=1)(torch.randn(2, 3, 5, 5))
    assert len(usual) == 1


def test_an_unbatched_image_goes_the_usual_way(usual):
    with Im2col():
        assert nn.Conv2d(3, 4, 3)(torch.randn(3, 5, 5)).shape == (4, 3, 3)
    assert len(usual) == 1


def test_a_resnet_has_the_gradients_it_had(usual):
    torch.manual_seed(0)
    network = build_model("resnet18_narrow", 10).double().to(memory_format=torch.channels_last)
    images = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    expected = passes(network, images, torch.ones_like)
    assert len(usual) == RESNET18
    usual.clear()
    with Im2col():
        found = passes(network, images, torch.ones_like)
    assert len(usual) <= RESNET18 - 5
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other)


def test_a_training_step_and_a_prediction_use_it(usual, tiny_data):
    network = build_model("resnet18_narrow", 10)
    loop = Loop(TrainConfig(batch_size=8), network, tiny_data, RECORD)
    loop.step(*next(loop.batches(16, epoch=1)))
    assert 0 < len(usual) < RESNET18
    usual.clear()
    infer(network, tiny_data.test.images[:2, :16, :16], RECORD.mean, RECORD.std, head=None)
    assert 0 < len(usual) < RESNET18


def test_arithmetic_follows_autocast_and_weights_keep_their_own():
    convolution = nn.Conv2d(64, 8, 3, padding=1)
    images = torch.randn(4, 64, 2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        expected = convolution(images)
        with Im2col():
            found = convolution(images)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected)
    found.float().sum().backward()
    assert convolution.weight.grad.dtype == torch.float32


def test_autocast_leaves_float64_alone():
    convolution, images = laid_out("3×3", (torch.channels_last, torch.channels_last))
    with torch.autocast("cpu", torch.bfloat16), Im2col():
        assert convolution(images).dtype == torch.float64


def test_no_image_gives_no_result():
    with Im2col():
        result = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)(torch.randn(0, 3, 4, 4))
    assert result.shape == (0, 4, 2, 2)
