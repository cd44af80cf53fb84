"""Pixel methods on a linear model, where both are known exactly, and through a whole network."""

import threading

import pytest
import torch
from captum.attr import IntegratedGradients, Occlusion
from torch import nn

from sightline.explain.attribution import turns
from sightline.explain.attribution.engine import probabilities
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.methods import PIXEL_METHODS, Method
from sightline.explain.attribution.pixels import pixel_attributions
from sightline.explain.judging.examination import attributions


@pytest.fixture
def linear():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))


@pytest.fixture
def images():
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_integrated_gradients_of_a_linear_model_are_weight_times_pixel(linear, images):
    targets = torch.tensor([[0, 3], [2, 1]])
    maps = pixel_attributions(linear, images, targets)
    weights = linear[1].weight[targets].reshape(2, 2, 3, 16, 16)
    assert torch.allclose(maps, (weights * images[:, None]).sum(dim=2), atol=1e-5)


def test_occlusion_of_a_linear_model_is_the_mean_over_the_windows_of_what_they_hide(linear, images):
    maps = pixel_attributions(linear, images, torch.tensor([0, 3]), "occlusion")
    hidden = (linear[1].weight[[0, 3]].reshape(2, 3, 16, 16) * images).sum(dim=1)
    for y, x in ((0, 0), (5, 9), (15, 15)):
        # windows of 2×2, one pixel on: those that begin one pixel before or at this one
        corners = [(a, b) for a in (y - 1, y) for b in (x - 1, x) if 0 <= a <= 14 and 0 <= b <= 14]
        expected = torch.stack([hidden[:, a : a + 2, b : b + 2].sum(dim=(1, 2)) for a, b in corners]).mean(dim=0)
        assert torch.allclose(maps[:, 0, y, x], expected, atol=1e-5)


@pytest.fixture
def network():
    """Not linear, in double precision."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.SiLU(), nn.Conv2d(8, 8, 3), nn.SiLU(), nn.AdaptiveAvgPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, 10)).double().eval()


def by_captum(method, model, images, targets):
    if method == "integrated_gradients":
        return IntegratedGradients(model).attribute(images, target=targets, n_steps=50).sum(dim=1)
    height, width = images.shape[2] // 8, images.shape[3] // 8
    strides = (3, max(1, height // 2), max(1, width // 2))
    found = Occlusion(model).attribute(images, (3, height, width), strides, target=targets, perturbations_per_eval=16)
    return found[:, 0]


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
@pytest.mark.parametrize("count", [1, 2])
def test_maps_are_those_of_captum_however_the_work_is_divided(network, method, count, monkeypatch):
    # The last windows reach beyond 42 pixels.
    images = torch.randn(count, 3, 16, 42, generator=torch.Generator().manual_seed(0)).double()
    targets = torch.tensor([7, 2])[:count]
    expected = by_captum(method, network, images, targets).double()
    for turn in (0.0, 1e9):  # as small as may be, and as large
        monkeypatch.setattr(turns, "TURN", turn)
        found = pixel_attributions(network, images, targets, method)[:, 0].double()
        assert torch.allclose(found, expected, rtol=0, atol=1e-6 * expected.abs().max().item())


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_the_work_says_how_far_it_is_and_lets_others_use_the_model(linear, images, method):
    told, answered = [], []

    def ask_the_model():
        answered.append(probabilities(linear, images))

    def progress(done, total):
        told.append((done, total))
        other = threading.Thread(target=ask_the_model, daemon=True)
        other.start()
        other.join(60)

    pixel_attributions(linear, images, torch.tensor([[0, 3], [2, 1]]), method, progress)
    shares = [done / total for done, total in told]
    assert shares == sorted(shares) and (shares[0], shares[-1]) == (0, 1) and 0.5 in shares
    assert len(answered) == len(told) > 10


def test_others_use_the_model_also_during_the_backward_passes(images):
    class Meeting(torch.autograd.Function):
        """In its backward, somebody else asks the model."""

        @staticmethod
        def forward(context, values):
            return values.clone()

        @staticmethod
        def backward(context, gradient):
            other = threading.Thread(target=lambda: answered.append(probabilities(model, images)), daemon=True)
            other.start()
            other.join(60)
            return gradient

    class Meet(nn.Module):
        def forward(self, values):
            return Meeting.apply(values)

    answered = []
    model = nn.Sequential(nn.Flatten(), Meet(), nn.Linear(3 * 16 * 16, 4))
    maps = pixel_attributions(model, images, torch.tensor([0, 3]))
    expected = model[2].weight[[0, 3]].reshape(2, 3, 16, 16) * images
    assert len(answered) > 1 and torch.allclose(maps[:, 0], expected.sum(dim=1), atol=1e-5)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_what_progress_raises_ends_the_work_and_frees_the_model(linear, images, method):
    def progress(done, total):
        if done:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        pixel_attributions(linear, images, torch.tensor([0, 1]), method, progress)
    assert probabilities(linear, images).shape == (2, 4) and linear[1].weight.requires_grad


def test_maps_can_be_computed_in_inference_mode(linear, images):
    with torch.inference_mode():
        found = pixel_attributions(linear, images.clone(), torch.tensor([0, 1]))
    assert torch.equal(found, pixel_attributions(linear, images, torch.tensor([0, 1])))


def test_a_method_that_is_added_to_the_table_runs_its_own_function(linear, images, monkeypatch):
    added = Method("Brightness", "", "none", True, True, attribute=lambda _, images, target: images[:, 1] + target[0])
    monkeypatch.setitem(PIXEL_METHODS, "brightness", added)
    maps = pixel_attributions(linear, images, torch.tensor([[0, 3], [0, 3]]), "brightness")
    assert torch.equal(maps, torch.stack([images[:, 1], images[:, 1] + 3], dim=1))
    kind = ("brightness", "input")
    assert torch.equal(attributions(linear, images, torch.tensor([[0], [0]]), [kind], [0, 0])[kind], maps[:, :1])


@pytest.mark.parametrize("method", PIXEL_METHODS)
def test_the_model_is_left_as_it_was(method, images):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 196, 4)).train()
    maps = pixel_attributions(model, images, torch.tensor([0, 1]), method)
    assert maps.shape == (2, 1, 16, 16) and maps.dtype == torch.float32 and not maps.requires_grad
    assert maps.min() < 0 < maps.max()
    assert model.training and model[0].weight.requires_grad and model[0].weight.grad is None
    assert model[1].running_mean.eq(0).all()
    assert not any(module._forward_hooks for module in model.modules()) and not images.requires_grad


def test_unknown_methods_and_classes_are_refused_in_words(linear, images):
    with pytest.raises(
        ExplainError, match="Unknown pixel method 'gradcam'; choose from: integrated_gradients, occlusion"
    ):
        pixel_attributions(linear, images, torch.tensor([0, 1]), "gradcam")
    with pytest.raises(ExplainError, match="4 classes are 0 to 3"):
        pixel_attributions(linear, images, torch.tensor([0, 4]))
