"""What other programs put around the weights, and what they put into them: the weights are found."""

import argparse
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from torch import nn

from sightline.model_zoo import ModelError, load_weights, read_weights

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return timm.create_model("test_resnet", num_classes=2)


@pytest.fixture(scope="module")
def weights(network):
    return network.state_dict()


@pytest.fixture
def lightning(monkeypatch):
    """A module with a class of hyper-parameters, which is there when a file is written, and gone when it is read."""
    module = ModuleType("lightning_fake")
    module.AttributeDict = type("AttributeDict", (dict,), {"__module__": "lightning_fake"})
    monkeypatch.setitem(sys.modules, "lightning_fake", module)
    return module


def read(tmp_path, content, zipped=True):
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    return read_weights(tmp_path / "w.pt")


def equal(found, weights):
    return found.keys() == weights.keys() and all(torch.equal(found[name], weights[name]) for name in weights)


BESIDE = {
    "a numpy number": np.float64(93.1),
    "a numpy array": np.arange(6.0).reshape(2, 3),
    "options": argparse.Namespace(lr=0.1, out=Path("out")),
    "a time": datetime(2026, 1, 1),
    "an object": SimpleNamespace(a=1),
    "a function": print,
    "a model": nn.Linear(2, 2),
    "an optimizer": torch.optim.AdamW([nn.Parameter(torch.ones(2))]),
    "a set": {1, 2},
    "a number type": torch.float16,
    "a device": torch.device("cpu"),
    "a size": torch.Size([1, 2]),
    "bytes": b"abc",
}


@FORMATS
@pytest.mark.parametrize("beside", BESIDE)
def test_anything_may_lie_beside_the_weights(tmp_path, weights, beside, zipped):
    found = read(tmp_path, {"state_dict": weights, "beside": BESIDE[beside], "epoch": 3}, zipped)
    assert equal(found.weights, weights) and found.key == "state_dict"


@FORMATS
def test_numbers_may_lie_among_the_weights(tmp_path, weights, zipped):
    assert equal(read(tmp_path, weights | {"epoch": 3, "best": None, "by": "me"}, zipped).weights, weights)


@FORMATS
def test_hyper_parameters_may_be_of_a_class_that_is_not_installed(tmp_path, weights, lightning, zipped):
    content = {"state_dict": weights, "hyper_parameters": lightning.AttributeDict(lr=0.1)}
    torch.save(content, tmp_path / "w.ckpt", _use_new_zipfile_serialization=zipped)
    del sys.modules["lightning_fake"]
    assert equal(read_weights(tmp_path / "w.ckpt").weights, weights)


@pytest.mark.parametrize(
    ("wrap", "key"),
    [
        (lambda weights: defaultdict(list, {"model": weights}), "model"),
        (lambda weights: [weights, {"epoch": 3}], "0"),
        (lambda weights: ({"epoch": 3}, {"state_dict": weights}), "1.state_dict"),
        (lambda weights: {"student": {}, "teacher": weights, "epoch": 3}, "teacher"),
        (lambda weights: {"student": weights, "dino_loss": {"center": torch.ones(2)}}, "student"),
        (lambda weights: {"model": weights, "teacher": {"other.weight": torch.ones(1)}}, "model"),
        (lambda weights: {"loss": torch.tensor(0.3), "state_dict": weights, "figure": torch.ones(2)}, "state_dict"),
        (lambda weights: SimpleNamespace(model=weights), "model"),
    ],
)
def test_weights_are_found_in_what_is_around_them(tmp_path, weights, wrap, key):
    found = read(tmp_path, wrap(weights))
    assert equal(found.weights, weights) and found.key == key


class Own(nn.Module):
    """With a buffer that is not saved, a module under two names, and one that is not there."""

    def __init__(self):
        super().__init__()
        self.body = self.again = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.drop: nn.Module | None = None
        self.register_module("none", None)
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("left", torch.ones(2), persistent=False)


@FORMATS
@pytest.mark.parametrize("key", ["", "model"])
def test_a_model_saved_whole_gives_the_weights_of_its_state_dict(tmp_path, zipped, key):
    model = Own()
    found = read(tmp_path, {key: model, "epoch": 1} if key else model, zipped)
    assert list(found.weights) == list(model.state_dict()) and equal(found.weights, model.state_dict())
    assert found.key == key


def test_a_whole_model_in_parallel_is_read(tmp_path, network, weights):
    found = read(tmp_path, nn.DataParallel(network))
    assert load_weights(timm.create_model("test_resnet", num_classes=2), found, 2, "x") == (
        "The names begin with 'module.' there."
    )


def test_a_model_that_contains_itself_is_a_sentence(tmp_path):
    model = nn.ModuleDict()
    model.register_module("a", model)
    model.register_module("b", model)
    with pytest.raises(ModelError, match="cannot be read: it is damaged"):
        read(tmp_path, model)


def test_averages_of_torch_ema_lie_beside_the_weights(tmp_path, network, weights):
    averages = [value.detach() + 1 for value in network.parameters()]
    ema = {"decay": 0.99, "num_updates": 3, "shadow_params": averages, "collected_params": None}
    found = read(tmp_path, {"model": weights, "ema": ema})
    assert found.key == "model, ema.shadow_params" and equal(found.weights, weights)
    assert all(map(torch.equal, found.averages, averages)) and len(found.averages) == len(averages)


def test_averages_by_name_go_before_what_they_are_of(tmp_path, network, weights):
    shadow = {name: value.detach() + 1 for name, value in network.named_parameters()}
    found = read(tmp_path, {"model": weights, "ema": {"decay": 0.99, "shadow": shadow}})
    assert found.key == "model, ema.shadow" and equal(found.weights, weights | shadow)


@pytest.mark.filterwarnings("ignore")  # torch's quantised tensors are deprecated, but such files are around
def test_a_converted_network_is_a_sentence(tmp_path):
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    converted = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    for content in (converted.state_dict(), {"state_dict": converted.state_dict()}, converted):
        with pytest.raises(
            ModelError, match="converted to compute with integers .*; give the weights from before the conv"
        ):
            read(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            {"loss": torch.tensor(0.3), "generator": {"a": 1}, "steps": 3},
            r"usual name \(it has loss, generator, steps\)",
        ),
        ({"a\nb": 1}, "it has a\N{REPLACEMENT CHARACTER}b"),
        (torch.ones(3), "holds no state dict; save one"),
        ([torch.ones(3)], "holds no state dict; save one"),
        ({"state_dict": {"x" * 1000: torch.ones(1)}}, "holds no state dict under a usual name"),
    ],
)
def test_a_file_without_weights_says_what_it_has(tmp_path, content, says):
    with pytest.raises(ModelError, match=says):
        read(tmp_path, content)


def test_a_checkpoint_that_holds_itself_ends(tmp_path):
    content = {}
    content |= dict.fromkeys(["model", "state_dict", "ema", "net", "module"], content)
    with pytest.raises(ModelError, match="holds no state dict"):
        read(tmp_path, content)
