"""Architectures against hand counts and torchvision, normalisation by hand, weights from files."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import resnet18 as torchvision_resnet18
from torchvision.transforms import Compose, Normalize, ToTensor

from model_zoo import MODELS, ModelError, build_model, load_pretrained, model_spec, normalize


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture
def network():
    torch.manual_seed(1)
    return build_model("resnet18_narrow", 10)


@pytest.fixture
def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def other_network(classes=10):
    torch.manual_seed(2)
    return build_model("resnet18_narrow", classes)


def test_resnet18_has_as_many_parameters_as_counted_by_hand():
    # Two convolutions a block and 2 batch-norm values a channel; a stage's first block has a 1×1 shortcut.
    stem = 3 * 64 * 9 + 2 * 64
    first = 4 * 64 * 64 * 9 + 4 * 2 * 64
    later = sum((n // 2) * n * 9 + 3 * n * n * 9 + 4 * 2 * n + (n // 2) * n + 2 * n for n in (128, 256, 512))
    assert stem + first + later + 512 * 10 + 10 == 11_173_962
    assert parameters(build_model("resnet18", 10)) == 11_173_962


@pytest.mark.parametrize(
    ("name", "classes", "count"),
    [("resnet34", 10, 21_282_122), ("resnet18_narrow", 10, 701_466), ("resnet18_imagenet", 1000, 11_689_512)],
)
def test_the_other_models_have_their_published_or_counted_size(name, classes, count):
    assert parameters(build_model(name, classes)) == count


def test_resnet18_differs_from_torchvision_only_in_the_shape_of_the_stem():
    ours = {name: tensor.shape for name, tensor in build_model("resnet18", 1000).state_dict().items()}
    theirs = {name: tensor.shape for name, tensor in torchvision_resnet18().state_dict().items()}
    assert list(ours) == list(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == ["conv1.weight"]
    assert ours["conv1.weight"] == (64, 3, 3, 3)


def test_a_block_computes_what_torchvision_s_block_computes():
    torch.manual_seed(0)
    ours, theirs = build_model("resnet18", 5).eval(), torchvision_resnet18(num_classes=5).eval()
    theirs.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = torch.nn.Identity()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.allclose(ours(images), theirs(images), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_layers_and_head_of_every_model_are_its_modules(name):
    spec = model_spec(name)
    modules = dict(build_model(name, 7).named_modules())
    assert {*spec.layers, spec.head} <= modules.keys()
    assert isinstance(modules[spec.head], torch.nn.Linear) and modules[spec.head].out_features == 7


@pytest.mark.parametrize(("name", "sizes"), [("resnet18_narrow", [32, 16, 8, 4]), ("resnet18_imagenet", [8, 4, 2, 1])])
def test_layers_halve_their_resolution_and_the_head_gives_a_logit_a_class(name, sizes):
    model, seen = build_model(name, 7).eval(), []
    for layer in model_spec(name).layers:
        model.get_submodule(layer).register_forward_hook(lambda _, __, output: seen.append(output.shape[2]))
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)
    assert seen == sizes


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(ModelError, match="Unknown model 'resnet19'; choose from: resnet18, resnet34, resnet18_narrow"):
        build_model("resnet19", 10)


def test_normalisation_by_hand():
    image = np.array([[[[0, 255, 51]]]], np.uint8)
    # (0 − 0.5)/0.25, (1 − 0.5)/0.25, (0.2 − 0.1)/0.4
    result = normalize(image, (0.5, 0.5, 0.1), (0.25, 0.25, 0.4))
    assert result.flatten().tolist() == pytest.approx([-2, 2, 0.25])
    assert (result.shape, result.dtype) == ((1, 3, 1, 1), torch.float32)


def test_normalisation_agrees_with_torchvision(tiny_data):
    mean, std = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    images = tiny_data.test.images[:8].copy()
    theirs = torch.stack([Compose([ToTensor(), Normalize(mean, std)])(image) for image in images])
    for given in (images, torch.from_numpy(images)):
        assert torch.allclose(normalize(given, mean, std), theirs, atol=1e-5)
    assert normalize(images, mean, std).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_pretrained_weights_come_from_a_file(tmp_path, weights, suffix):
    file = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(weights, file)
    model = other_network()
    assert load_pretrained(model, file, "fc") == []
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_a_head_for_another_number_of_classes_stays_fresh(tmp_path, weights):
    torch.save(weights, tmp_path / "ten.pt")
    model, fresh = other_network(3), other_network(3)
    assert load_pretrained(model, tmp_path / "ten.pt", "fc") == ["fc.weight", "fc.bias"]
    assert torch.equal(model.fc.weight, fresh.fc.weight) and torch.equal(model.fc.bias, fresh.fc.bias)
    assert torch.equal(model.conv1.weight, weights["conv1.weight"])


def test_a_file_without_batch_counters_is_as_good(tmp_path, weights):
    # torchvision's published files were saved before batch normalisation counted its batches.
    torch.save({k: v for k, v in weights.items() if "num_batches_tracked" not in k}, tmp_path / "old.pt")
    model = other_network()
    assert load_pretrained(model, tmp_path / "old.pt", "fc") == []
    assert torch.equal(model.layer4[1].bn2.weight, weights["layer4.1.bn2.weight"])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not weights", "cannot be read"), (b"", "cannot be read"), (None, "No weights file at"),
        ([1, 2], "holds no state dict"), ({"epoch": 3}, "holds no state dict"), (print, "cannot be read"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_without_weights_is_a_sentence(tmp_path, network, content, says, suffix):
    file = tmp_path / f"weights{suffix}"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
        says = says if suffix == ".pt" else "cannot be read"
    with pytest.raises(ModelError, match=says):
        load_pretrained(network, file, "fc")


def test_weights_of_another_architecture_are_named_and_change_nothing(tmp_path, network, weights):
    torch.save(build_model("resnet18_imagenet", 10).state_dict(), tmp_path / "wide.pt")
    with pytest.raises(ModelError, match=r"of another shape \(conv1.weight, …\); choose the --model"):
        load_pretrained(network, tmp_path / "wide.pt", "fc")
    torch.save({"module.conv1.weight": weights["conv1.weight"]}, tmp_path / "wrapped.pt")
    with pytest.raises(ModelError, match=r"missing \(conv1.weight, …\), 1 unexpected \(module.conv1.weight\)"):
        load_pretrained(network, tmp_path / "wrapped.pt", "fc")
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
