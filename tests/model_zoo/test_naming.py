"""Weights whose names are not the network's: they are given its names where only the names differ."""

import re
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_model
from torch import nn
from torchvision import models

from sightline.model_zoo import (
    ModelError,
    build_model,
    load_pretrained,
    load_weights,
    model_spec,
    naming,
    read_weights,
    restore,
)
from sightline.model_zoo.adapted import adapt
from sightline.model_zoo.checkpoint import WeightsFile
from sightline.model_zoo.naming import named_as


@pytest.fixture(scope="module")
def trained():
    """A network's weights; nothing writes into them."""
    torch.manual_seed(1)
    return timm.create_model("test_resnet", num_classes=2).state_dict()


@pytest.fixture
def network():
    torch.manual_seed(2)
    return timm.create_model("test_resnet", num_classes=2)


def load(network, weights, classes=2, **options):
    return load_weights(network, WeightsFile(Path("w.pt"), weights, "", **options), classes, "folder:photos")


def same(network, weights):
    return all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())


def split(weights, body, head):
    return {(head if name.startswith("fc.") else body) + name: value for name, value in weights.items()}


def test_the_names_of_pytorch_cifar_are_known(tmp_path):
    network = build_model("resnet18_narrow", 10)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    file = {
        "module." + re.sub("^fc", "linear", name.replace("downsample", "shortcut")): weights[name] for name in weights
    }
    torch.save({"net": file, "acc": 93.1, "epoch": 7}, tmp_path / "ckpt.pth")
    torch.manual_seed(3)
    other = build_model("resnet18_narrow", 10)
    notes = load_weights(other, read_weights(tmp_path / "ckpt.pth"), 10, "cifar10")
    assert notes == "Read from 'net' in the file. The names begin with 'module.' there." and same(other, weights)


@pytest.mark.parametrize(
    ("body", "head", "says"),
    [
        ("backbone.", "head.", "The names begin with 'backbone.' or 'head.' there."),  # of mmpretrain
        ("backbone.", "", "The names begin with 'backbone.' there."),
        ("module.backbone.", "module.head.", "The names begin with 'module.backbone.' or 'module.head.' there."),
        ("", "classifier.", "The names begin with 'classifier.' there."),
    ],
)
def test_body_and_head_may_be_two_modules(network, trained, body, head, says):
    assert load(network, split(trained, body, head)) == says and same(network, trained)


def test_a_name_of_the_network_beside_it_is_another_weight(network, trained):
    weights = {f"model.{name}": value for name, value in trained.items()} | {"fc.weight": torch.ones(2, 96)}
    assert load(network, weights) == "The names begin with 'model.' there. 1 others were left out: fc.weight."
    assert same(network, trained)


def test_where_only_names_differ_the_order_decides_and_that_is_said(network, trained):
    weights = {f"net.{name}".replace("net.fc.", "classifier."): value for name, value in trained.items()}
    assert load(network, weights) == (
        "The names begin with 'net.' there. 2 weights have other names there (classifier.weight → fc.weight, "
        "classifier.bias → fc.bias) and were taken in their order, in which all shapes agree: compare the accuracy "
        "with yours."
    )
    assert same(network, trained)


def test_other_names_in_another_order_are_not_guessed_and_called_what_they_are(network, trained):
    other = {name.replace("fc.", "last."): value for name, value in trained.items()}
    last_first = dict(sorted(other.items(), key=lambda entry: "last" not in entry[0]))
    for weights in (last_first, dict(sorted(other.items()))):  # the second as safetensors has them
        with pytest.raises(
            ModelError, match="of this architecture, but under other names: 2 missing, 2 unexpected; choose"
        ):
            load(network, weights)
    del other["conv1.0.weight"]
    with pytest.raises(ModelError, match="of another architecture: 3 missing, 2 unexpected; choose the --model, and"):
        load(network, other)


def test_weights_of_one_library_are_taken_by_the_network_of_another():
    torch.manual_seed(3)
    trained, network = models.mobilenet_v2(num_classes=3), timm.create_model("mobilenetv2_100", num_classes=3)
    for module in trained.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.weight)
    assert "262 weights have other names there (features.0.0.weight →" in load(network, trained.state_dict(), 3)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network.eval()(images), trained.eval()(images))


def test_what_is_renamed_in_order_keeps_biases_and_weights_apart():
    network = nn.Sequential(nn.Linear(3, 3, bias=False), nn.BatchNorm1d(3), nn.Linear(3, 2))
    weights = {f"a{name}": value for name, value in network.state_dict().items()}
    assert load(network, weights).startswith("7 weights have other names there (a0.weight → 0.weight, ")
    weights = {name.replace("a1.weight", "a1.scale"): value for name, value in weights.items()}
    with pytest.raises(ModelError, match="but under other names: 7 missing, 7 unexpected"):
        load(network, weights)


OLDER = {
    "swin_tiny_patch4_window7_224": (
        (r"^layers\.(\d)\.downsample", lambda match: f"layers.{int(match[1]) - 1}.downsample"),
        (r"^head\.fc\.", "head."),
    ),
    "convnext_atto": (
        (r"^stem\.", "downsample_layers.0."),
        (r"^stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
        (r"\.blocks\.", "."),
        (r"conv_dw", "dwconv"),
        (r"mlp\.fc", "pwconv"),
        (r"^head\.norm\.", "norm."),
        (r"^head\.fc\.", "head."),
    ),
}


@pytest.mark.parametrize("architecture", OLDER)
def test_names_that_timm_or_the_authors_used_before_are_known(architecture):
    with torch.device("meta"):
        network = timm.create_model(architecture, num_classes=3)
    older, current = {}, network.state_dict()
    for name, value in current.items():
        before = name
        for pattern, replacement in OLDER[architecture]:
            before = re.sub(pattern, replacement, before)
        older[f"module.{before}"] = value
    assert sum(name.removeprefix("module.") not in current for name in older) > 3
    weights, notes = named_as(network, WeightsFile(Path("w.pth"), older, ""), 3)
    assert notes[-1] == "timm gave older names those of today."
    assert weights.keys() == current.keys()
    same = [name for name in weights if weights[name] is current[name]]
    assert len(same) > 0.6 * len(current)  # of ConvNeXt, timm also makes linear layers of convolutions
    assert all(weights[name].shape == current[name].shape for name in current)


def test_position_embeddings_for_another_image_size_are_not_resampled_in_silence():
    network = timm.create_model("test_vit", num_classes=2, img_size=160)
    other = timm.create_model("test_vit", num_classes=2, img_size=224).state_dict()
    with pytest.raises(ModelError, match="1 of another shape; choose the --model, and the --image-size"):
        load(network, {f"module.{name}": value for name, value in other.items()})


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.again = self.first
        self.head = nn.Linear(4, 2)
        self.copy = nn.Linear(4, 2, bias=False)
        self.copy.weight = self.head.weight

    def forward(self, x):
        return self.head(self.again(self.first(x)))


def test_a_tensor_under_several_names_may_have_one_of_them_in_the_file(tmp_path):
    trained, network = Tied(), Tied()
    save_model(trained, tmp_path / "w.safetensors")
    assert len(read_weights(tmp_path / "w.safetensors").weights) == 4  # of the seven names
    assert load(network, read_weights(tmp_path / "w.safetensors").weights) == "" and same(network, trained.state_dict())
    network = Tied()
    restore(network, read_weights(tmp_path / "w.safetensors").weights)
    assert same(network, trained.state_dict())


def test_averages_without_names_go_to_the_parameters(network, trained):
    averages = [torch.full_like(value, 0.5) for value in network.parameters()]
    assert load(network, trained, averages=averages) == "Averages of its parameters were taken."
    assert all(value.eq(0.5).all() for value in network.parameters())
    assert torch.equal(network.bn1.running_var, trained["bn1.running_var"])
    assert "were left out" in load(network, trained, averages=averages[1:]) and same(network, trained)


def test_a_single_output_becomes_two_logits_with_the_probability_of_its_sigmoid(network):
    torch.manual_seed(3)
    single = timm.create_model("test_resnet", num_classes=1)
    assert "a sigmoid, became two logits" in load(network, single.state_dict())
    images = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        expected, found = single.eval()(images).sigmoid(), network.eval()(images).softmax(1)
    torch.testing.assert_close(found, torch.cat([1 - expected, expected], 1))


def test_a_single_output_for_three_classes_is_a_sentence():
    single = timm.create_model("test_resnet", num_classes=1).state_dict()
    with pytest.raises(ModelError, match=r"have a single output \(a sigmoid\), .* folder:photos has 3"):
        load(timm.create_model("test_resnet", num_classes=3), single, 3)


def test_a_network_for_grey_images_is_a_sentence_whose_advice_works(network, tmp_path):
    grey = timm.create_model("test_resnet", num_classes=2, in_chans=1)
    with pytest.raises(
        ModelError, match=r"for grey images \(conv1.0.weight takes 1 channel\), .* --model FILE.py:NAME"
    ):
        load(network, grey.state_dict())
    file = tmp_path / "net.py"
    file.write_text(
        "import timm\ndef network():\n    return timm.create_model('test_resnet', num_classes=2, in_chans=1)"
    )
    own = model_spec(f"{file}:network").build(2)
    assert load(own, grey.state_dict()) == ""
    colours = torch.rand(2, 3, 64, 64)
    luma = (colours * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)  # Pillow's, unrounded
    with torch.no_grad():
        torch.testing.assert_close(adapt(own, colours, 2)[0](colours), grey.eval()(luma))


def test_other_channels_are_a_sentence(network):
    weights = timm.create_model("test_resnet", num_classes=2, in_chans=5).state_dict()
    with pytest.raises(ModelError, match=r"for images of 5 channels \(conv1.0.weight\); Sightline's have 3"):
        load(network, weights)


def test_whole_numbers_for_others_are_a_sentence(network, trained):
    weights = trained | {
        "conv1.0.weight": (trained["conv1.0.weight"] * 100).to(torch.int8),
        "conv1.0.SCB": torch.ones(8),
    }
    with pytest.raises(ModelError, match="are quantised: conv1.0.weight hold whole numbers"):
        load(network, weights)


def test_a_network_without_head_is_a_sentence_and_can_be_trained_from(tmp_path, network, trained):
    weights = {f"teacher.body.{name}": value for name, value in trained.items() if not name.startswith("fc.")}
    weights["teacher.projector.weight"] = torch.ones(3, 3)
    with pytest.raises(ModelError, match=r"without its head \(fc.weight, fc.bias\): .* sightline train --pretrained"):
        load(network, {name: weights[name] for name in weights if "projector" not in name})
    torch.save(weights, tmp_path / "w.pt")
    fresh = network.fc.weight.clone()
    assert load_pretrained(network, tmp_path / "w.pt", 2) == ["fc.weight", "fc.bias"]
    assert torch.equal(network.fc.weight, fresh) and torch.equal(network.bn1.weight, trained["bn1.weight"])


def test_names_of_a_file_are_printed_on_one_line_and_cut(network, trained):
    hostile = {"a\x1b[2J\n\u202eb": torch.ones(1), "\ud800": torch.ones(1), "long" * 100: torch.ones(1)}
    with pytest.raises(ModelError) as error:
        load(network, trained | {"conv1.0.weight": torch.ones(1)} | hostile)
    lines = str(error.value).encode().decode().split("\n")
    assert len(lines) == 1 + 1 + 4 and max(map(len, lines[1:])) < 130 and all(line.isprintable() for line in lines)


def test_names_that_all_begin_with_something_else_are_given_up_soon(monkeypatch):
    """Each of these beginnings costs a look at all names: 8,000 of them took 34 s."""
    model, looks, find = nn.Sequential(*(nn.Linear(2, 2) for _ in range(30))), [], naming._prefix
    monkeypatch.setattr(naming, "_prefix", lambda *names: looks.append(0) or find(*names))
    weights = {f"p{place}.{name}": torch.zeros(2) for place, name in enumerate(model.state_dict())}
    named_as(model, WeightsFile(Path("weights.pt"), weights, ""), 2)
    assert len(looks) == naming.MOST_PREFIXES
