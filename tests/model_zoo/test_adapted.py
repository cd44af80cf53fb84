"""Anybody's module becomes a classifier of three channels that answers with logits; the module is left as it was."""

import copy
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from sightline.model_zoo import ModelError, find_head
from sightline.model_zoo.adapted import adapt

IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Answers with what `answer` makes of logits."""

    def __init__(self, outputs=4, channels=3, answer=lambda logits: logits):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(channels, 5, 3), nn.Linear(5, outputs)
        self.answer = answer

    def forward(self, images):
        return self.answer(self.fc(self.conv(images).relu().mean(dim=(2, 3))))


def logits_of(model, images=IMAGES):
    return model.fc(model.conv(images).relu().mean(dim=(2, 3)))


def test_a_classifier_is_copied_as_it_is_and_the_model_left_as_it_was():
    model = Net().train()
    before = copy.deepcopy(model.state_dict())
    network, notes = adapt(model, IMAGES, 4)
    assert notes == [] and network is not model
    assert torch.equal(network(IMAGES), logits_of(model))
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    network.fc.weight.zero_()
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (lambda logits: SimpleNamespace(hidden=logits[:, :2], logits=logits), ""),
        (lambda logits: {"features": logits, "logits": 2 * logits}, ""),
        (lambda logits: {"features": logits.flatten(), "out": logits}, "'out' was taken"),
        (lambda logits: (logits, logits[:, :2]), "'0' was taken"),
        (lambda logits: [torch.ones(3, 2), logits], "'1' was taken"),
        (lambda logits: logits[:, :, None, None], ""),
    ],
)
def test_of_an_object_a_dict_or_a_tuple_the_logits_are_taken(answer, note):
    model = Net(answer=answer)
    network, notes = adapt(model, IMAGES, 4)
    expected = logits_of(model)
    assert torch.equal(network(IMAGES), 2 * expected if isinstance(answer(expected), dict) and not note else expected)
    assert [note in said for said in notes] == [True] * bool(note)


def test_a_network_of_one_channel_sees_the_grey_image():
    model = Net(channels=1)
    network, notes = adapt(model, IMAGES, 4)
    red, green, blue = IMAGES.split(1, dim=1)
    assert torch.equal(network(IMAGES), logits_of(model, 0.299 * red + 0.587 * green + 0.114 * blue))
    assert ["one channel" in said for said in notes] == [True]


@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
def test_one_logit_is_that_of_the_second_class(shape):
    model = Net(1, answer=lambda logits: logits.reshape(shape))
    network, notes = adapt(model, IMAGES, 2)
    found = network(IMAGES)
    assert torch.equal(found, torch.cat([torch.zeros(3, 1), logits_of(model)], dim=1))
    torch.testing.assert_close(found.softmax(dim=1)[:, 1:], logits_of(model).sigmoid())
    assert ["single output" in said for said in notes] == [True]
    assert find_head(network, 2) == "fc"


def test_probabilities_become_their_logarithms_also_of_a_sigmoid():
    several, one = Net(answer=lambda logits: logits.softmax(dim=1)), Net(1, answer=torch.sigmoid)
    network, notes = adapt(several, IMAGES, 4)
    torch.testing.assert_close(network(IMAGES), functional.log_softmax(logits_of(several), dim=1))
    assert ["logarithms" in said for said in notes] == [True]
    network, notes = adapt(one, IMAGES, 2)
    torch.testing.assert_close(network(IMAGES).exp()[:, 1:], logits_of(one).sigmoid())
    assert ["probability" in said for said in notes] == [True]


def test_a_probability_of_zero_has_a_finite_logarithm():
    network, _ = adapt(Net(answer=lambda logits: functional.one_hot(logits.argmax(dim=1), 4).float()), IMAGES, 4)
    assert network(IMAGES).isfinite().all()


def test_a_logit_that_happens_to_lie_between_0_and_1_is_a_logit():
    model = Net(1)
    nn.init.constant_(model.fc.bias, 0.5)
    model.fc.weight.data *= 1e-3
    assert adapt(model, IMAGES, 2)[0](IMAGES)[:, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")])
def test_wrappers_are_taken_off(wrap):
    model = Net()
    network, _ = adapt(wrap(model), IMAGES, 4)
    assert list(network.state_dict()) == list(model.state_dict())
    assert torch.equal(network(IMAGES), logits_of(model))


def test_a_network_of_half_precision_computes_in_float32():
    model = Net().to(torch.bfloat16)
    network, notes = adapt(model, IMAGES, 4)
    assert network(IMAGES).dtype == torch.float32 and model.fc.weight.dtype == torch.bfloat16
    assert ["float32" in said for said in notes] == [True]


def test_a_copy_of_an_adapted_network_has_its_own_weights():
    network, _ = adapt(Net(1, channels=1), IMAGES, 2)
    copied = copy.deepcopy(network)
    expected = network(IMAGES)
    copied.fc.weight.zero_()
    copied.fc.bias.fill_(7)
    assert torch.equal(network(IMAGES), expected)
    assert copied(IMAGES).tolist() == [[0, 7]] * 3


class Tutorial(nn.Module):
    """Flattens with `view`, which refuses memory that is laid out with the colours side by side."""

    def __init__(self, channels=3):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(channels, 5, 3), nn.Linear(45, 4)

    def forward(self, images):
        return self.fc(functional.max_pool2d(self.conv(images).relu(), 2).view(-1, 45))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_that_flattens_with_view_takes_images_however_they_are_laid_out(channels):
    model, images = Tutorial(channels), IMAGES.contiguous(memory_format=torch.channels_last)
    if channels == 3:
        with pytest.raises(RuntimeError, match="view"):
            model(images)
    network, _ = adapt(model, images, 4)
    red, green, blue = IMAGES.split(1, dim=1)
    expected = model(IMAGES if channels == 3 else 0.299 * red + 0.587 * green + 0.114 * blue)
    for count in (1, 3):
        assert torch.equal(network(images[:count]), network(IMAGES[:count]))
        torch.testing.assert_close(network(images[:count]), expected[:count])


class Keeping(Net):
    """Keeps what it computed, as some do to look at it later; and its head has a weight that is computed."""

    def __init__(self):
        super().__init__()
        self.fc = nn.utils.weight_norm(self.fc)

    def forward(self, images):
        self.seen = {"features": [self.conv(images)]}
        return super().forward(images)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_a_model_that_keeps_tensors_of_its_last_forward_is_copied():
    model = Keeping()
    expected = model(IMAGES)
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(model)
    network, _ = adapt(model, IMAGES, 4)
    assert torch.equal(network(IMAGES), expected)
    assert model.seen["features"][0].requires_grad and not network.seen["features"][0].requires_grad


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize(
    "normalise",
    [
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        parametrizations.orthogonal,
    ],
)
def test_weights_that_every_forward_computes_are_plain(normalise):
    model = Net()
    model.fc = normalise(model.fc)
    model.eval()
    network, _ = adapt(model, IMAGES, 4)
    torch.testing.assert_close(network(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-6)
    assert network.state_dict().keys() == Net().state_dict().keys()
    assert find_head(network, 4) == "fc" and not network.fc.weight.requires_grad
    torch.testing.assert_close(network.fc.weight, model.fc.weight)


def test_a_model_with_a_part_in_torchscript_is_copied():
    model = Net().eval()
    expected = model(IMAGES)
    model.conv = torch.jit.script(nn.Sequential(model.conv, nn.BatchNorm2d(5).eval(), nn.Identity()))
    torch.testing.assert_close(adapt(model, IMAGES, 4)[0](IMAGES), expected, rtol=1e-4, atol=1e-4)


def test_one_image_has_a_row_also_where_the_forward_squeezes():
    model = Net()
    model.forward = lambda images: model.fc(model.conv(images).relu().mean(dim=(2, 3), keepdim=True).squeeze())
    network, notes = adapt(model, IMAGES, 4)
    assert model(IMAGES[:1]).shape == (4,) and network(IMAGES[:1]).shape == (1, 4) and notes == []
    torch.testing.assert_close(network(IMAGES[:1]), logits_of(model)[:1])


class Needy(Net):
    def forward(self, images, mask):
        return super().forward(images * mask)


@pytest.mark.parametrize(
    ("model", "classes", "said"),
    [
        (Net(5), 4, "To 3 images .* a tensor of 3×5, not with a number for each of 4 classes"),
        (Net(1), 3, "a tensor of 3×1, not .* each of 3 classes"),
        (Net(answer=lambda logits: None), 4, "answers with NoneType"),
        (Net(answer=lambda logits: (logits[:, :2], logits.mean())), 4, "tensors of 3×2, one number"),
        (Net(answer=lambda logits: logits.argmax(dim=1)), 4, "a tensor of 3,"),
        (Net(channels=5), 4, "takes no images of 3×8×8"),
        (Net(answer=lambda logits: nn.BatchNorm1d(4).eval()(logits.squeeze())), 4, "not to one .*got 1D"),
        (
            Net(answer=lambda logits: logits if len(logits) > 1 else logits[:, :2]),
            4,
            "to one alone with a tensor of 1×2",
        ),
        (Needy(), 4, "takes more than images.*wrap it"),
        (Net(answer=lambda logits: sys.exit(0)), 4, "takes no images of 3×8×8"),
        (Net().state_dict(), 4, "is a OrderedDict, not a torch.nn.Module: make the network, and load its weights"),
        (torch.jit.trace(Net().eval(), IMAGES), 4, "is TorchScript, whose layers cannot be looked into"),
    ],
)
def test_what_is_no_classifier_of_these_images_is_refused_with_a_sentence(model, classes, said):
    with pytest.raises(ModelError, match=said) as refused:
        adapt(model, IMAGES, classes)
    assert "\n" not in str(refused.value)
