"""One image has the map that it has in a batch, whatever the memory layout: torch's own gradient is wrong for some."""

import pytest
import torch
from torch import nn

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.methods import PIXEL_METHODS
from sightline.explain.attribution.pixels import pixel_attributions
from sightline.explain.attribution.recording import exclusive

CLASSES, SIDE = 3, 8


class TokensAfterNorm(nn.Module):
    """LeViT's beginning: a map, normalised, becomes tokens. Their gradient, transposed, has the layout of none."""

    def __init__(self, norm, tokens_first=False):
        super().__init__()
        self.conv, self.norm, self.tokens_first = nn.Conv2d(3, 6, 3, padding=1), norm, tokens_first
        self.linear, self.fc = nn.Linear(6, 6), nn.Linear(6 * SIDE * SIDE, CLASSES)
        with torch.no_grad():
            for name, values in norm.named_buffers():
                if name.startswith("running"):
                    values.uniform_(0.5, 2)
            for values in norm.parameters():
                values.uniform_(0.5, 2)

    def forward(self, x):
        x = self.conv(x)
        if self.tokens_first:  # the map that is normalised is itself made of tokens
            x = self.linear(x.flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, (SIDE, SIDE))
        x = self.norm(x)
        if not self.tokens_first:
            tokens = x.flatten(2).transpose(1, 2)
            x = tokens + self.linear(tokens)
        return self.fc(x.tanh().flatten(1))


NETWORKS = {
    "batch norm": lambda: TokensAfterNorm(nn.BatchNorm2d(6)),
    "batch norm of tokens": lambda: TokensAfterNorm(nn.BatchNorm2d(6), tokens_first=True),
    "batch norm without scale": lambda: TokensAfterNorm(nn.BatchNorm2d(6, affine=False)),
    "instance norm": lambda: TokensAfterNorm(nn.InstanceNorm2d(6, affine=True)),
    "no norm": lambda: TokensAfterNorm(nn.Identity()),
}
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


@pytest.fixture(params=[(net, layout, model_too) for net in NETWORKS for layout in LAYOUTS for model_too in (0, 1)],
                ids=lambda case: f"{case[0]}, {case[1]}{' of the model too' if case[2] else ''}")  # fmt: skip
def case(request):
    """A network and three images of one memory layout."""
    torch.manual_seed(0)
    name, layout, model_too = request.param
    model, images = NETWORKS[name]().eval(), torch.randn(3, 3, SIDE, SIDE)
    return model.to(memory_format=LAYOUTS[layout]) if model_too else model, images.to(memory_format=LAYOUTS[layout])


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "captum_gradcam", "gradient_x_activation"])
def test_one_image_has_the_map_of_its_row_in_a_batch(case, method):
    model, images = case
    targets = torch.tensor([[0, 2], [1, 0], [2, 1]])
    together = layer_attributions(model, images, ["conv"], targets, method)["conv"]
    for row in range(3):
        alone = layer_attributions(model, images[row : row + 1], ["conv"], targets[row : row + 1], method)["conv"]
        # Instance normalisation takes away the mean, and with it all of Grad-CAM but its rounding.
        assert torch.allclose(alone[0], together[row], atol=1e-5 * together.abs().max().item() + 1e-8)


@pytest.mark.parametrize("method", PIXEL_METHODS)
def test_one_image_has_the_pixels_of_its_row_in_a_batch(case, method):
    model, images = case
    targets = torch.tensor([0, 1, 2])
    together = pixel_attributions(model, images, targets, method)
    for row in range(3):
        alone = pixel_attributions(model, images[row : row + 1], targets[row : row + 1], method)
        assert torch.allclose(alone[0], together[row], atol=1e-5 * together.abs().max().item())


def test_the_map_of_one_image_follows_finite_differences(case):
    model, images = case[0].double(), case[1][:1].double()
    values = layer_attributions(model, images, ["conv"], torch.tensor([1]), "gradient_x_activation")["conv"][0, 0]
    with torch.no_grad():
        activation, step, expected = model.conv(images), 1e-6, torch.zeros(SIDE, SIDE, dtype=torch.float64)

        def logit(shift):
            hook = model.conv.register_forward_hook(lambda *_: activation + shift)
            answer = model(images)[0, 1]
            hook.remove()
            return answer

        for channel, y, x in [(k, y, x) for k in range(6) for y, x in ((0, 0), (2, 5), (7, 3))]:
            shift = torch.zeros_like(activation)
            shift[0, channel, y, x] = step
            slope = (logit(shift) - logit(-shift)) / (2 * step)
            expected[y, x] += slope * activation[0, channel, y, x]
    for y, x in ((0, 0), (2, 5), (7, 3)):
        assert values[y, x].item() == pytest.approx(expected[y, x].item(), rel=1e-5, abs=1e-9)


def test_a_model_in_use_keeps_no_hook():
    model = NETWORKS["batch norm"]().eval()
    with pytest.raises(ArithmeticError), exclusive(model):
        assert model._forward_hooks
        raise ArithmeticError("on purpose")
    assert not model._forward_hooks
