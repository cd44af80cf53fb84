"""Weights from files as other programs save them, and what is said about those that do not fit."""

import argparse
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from sightline.model_zoo import ModelError, build_model, load_pretrained, load_weights, read_weights, restore
from sightline.model_zoo.checkpoint import WeightsFile
from sightline.model_zoo.weights import TABLE_ROWS
from tests.tiny_networks import Shared


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(1)
    return build_model("resnet18_narrow", 10)


@pytest.fixture
def weights(trained):
    return {name: tensor.clone() for name, tensor in trained.state_dict().items()}


@pytest.fixture
def network():
    return other_network()


def other_network(classes=10):
    torch.manual_seed(2)
    return build_model("resnet18_narrow", classes)


def load(network, file, classes=10):
    return load_weights(network, read_weights(file), classes, "folder:photos")


def saved(content, file):
    (save_file if file.suffix == ".safetensors" else torch.save)(content, file)
    return file


def renamed(weights, rename):
    return {rename(name): tensor for name, tensor in weights.items()}


def same(network, weights):
    return all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.safetensors", "w.bin"])
def test_a_bare_state_dict_is_loaded_whatever_its_file_is_called(tmp_path, network, weights, name):
    assert load(network, saved(weights, tmp_path / name)) == ""
    assert same(network, weights)


def test_a_safetensors_file_is_known_by_its_content(tmp_path, network, weights):
    file = saved(weights, tmp_path / "w.safetensors").rename(tmp_path / "model.bin")
    assert load(network, file) == "" and same(network, weights)


@pytest.mark.parametrize(
    "key", ["state_dict", "model_state_dict", "model", "net", "weights", "model_ema", "state_dict_ema", "ema.module"]
)
def test_weights_lie_under_the_usual_keys_of_a_checkpoint(tmp_path, network, weights, key):
    content = weights
    for part in reversed(key.split(".")):
        content = {part: content, "epoch": 3}
    optimizer = {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    content |= {"optimizer": optimizer, "args": argparse.Namespace(lr=0.1, output=Path("out"))}
    assert load(network, saved(content, tmp_path / "w.pt")) == f"Read from {key!r} in the file."
    assert same(network, weights)


@pytest.mark.parametrize("key", ["state_dict_ema", "ema_model_state_dict", "swa_state_dict", "averaged", "best_ema"])
def test_averaged_weights_go_before_the_raw_ones_and_that_is_said(tmp_path, network, weights, key):
    raw = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    file = saved({"state_dict": raw, key: weights}, tmp_path / "w.pt")
    assert f"{key!r}" in load(network, file) and same(network, weights)


@pytest.mark.parametrize("key", ["resnet", "my_net", "best", "ckpt", "model_weights", "checkpoint", "my.run", "0"])
def test_weights_may_lie_under_any_other_key(tmp_path, network, weights, key):
    optimizer = {"momentum": {"fc.weight": torch.ones(2)}, "state": {0: {"weight": torch.ones(1)}}}
    content = {"optimizer": optimizer, "losses": torch.ones(3), key: weights, "epoch": 3}
    assert load(network, saved(content, tmp_path / "w.pt")) == f"Read from {key!r} in the file."
    assert same(network, weights)
    load(network, saved({"log": {"losses": np.ones(3)}, "run": {key: weights}}, tmp_path / "w.pt"))
    assert same(network, weights)


def test_body_and_head_may_lie_under_two_keys(tmp_path, network, weights):
    head = {name.removeprefix("fc."): value for name, value in weights.items() if name.startswith("fc.")}
    body = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    content = {"feature_extractor": body, "classifier": head, "optimizer": {"a.weight": torch.ones(1)}}
    assert load(network, saved(content, tmp_path / "w.pt")).startswith(
        "Read from 'feature_extractor, classifier' in the file. The names begin with 'feature_extractor.' there. "
        "2 weights have other names there (classifier.weight → fc.weight, classifier.bias → fc.bias)"
    )
    assert same(network, weights)


WRAPPED = {
    "DataParallel": lambda model: nn.DataParallel(model).state_dict(),
    "a module of one's own": lambda model: nn.ModuleDict({"net": nn.ModuleDict({"backbone": model})}).state_dict(),
    "AveragedModel": lambda model: AveragedModel(model).state_dict(),  # with a counter of its own
    "torch.compile": lambda model: renamed(model.state_dict(), "_orig_mod.{}".format),
    "both": lambda model: renamed(model.state_dict(), "module._orig_mod.{}".format),
    "FSDP": lambda model: renamed(
        model.state_dict(),
        lambda name: "module._fsdp_wrapped_module." + name.replace(".0.", ".0._fsdp_wrapped_module._orig_mod."),
    ),
    "averages of all": lambda model: AveragedModel(nn.DataParallel(model)).state_dict(),
    "compiled layers": lambda model: renamed(model.state_dict(), lambda name: name.replace(".0.", ".0._orig_mod.")),
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_names_may_have_been_wrapped(tmp_path, trained, network, weights, wrapper):
    load(network, saved(WRAPPED[wrapper](trained), tmp_path / "w.pt"))
    assert same(network, weights)


def test_a_lightning_checkpoint_gives_its_network_and_leaves_the_rest(tmp_path, network, weights):
    content = renamed(weights, "model.{}".format) | {"loss.weight": torch.ones(10), "metric.total": torch.tensor(0)}
    file = saved({"epoch": 1, "pytorch-lightning_version": "2.5", "state_dict": content}, tmp_path / "last.ckpt")
    assert load(network, file) == (
        "Read from 'state_dict' in the file. The names begin with 'model.' there. "
        "2 others were left out: loss.weight, metric.total."
    )
    assert same(network, weights)


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ("ema_model.", "model."), ("model_ema.module.", "model."), ("ema.", "net."), ("swa_model.module.", "net."),
        ("net.", "net_copy."), ("teacher.", "student."), ("model.", "teacher."), ("module.avg_model.", "module.model."),
    ],
)  # fmt: skip
def test_of_two_networks_in_a_file_the_averaged_one_is_taken_else_the_shorter_prefix(
    tmp_path, network, weights, taken, left
):
    zeros = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    for first, second in ((left, taken), (taken, left)):
        content = renamed(zeros if first == left else weights, first.__add__)
        content |= renamed(weights if first == left else zeros, second.__add__)
        notes = load(network, saved(content, tmp_path / "w.pt"))
        assert f"begin with '{taken}' there. {len(zeros)} others were left out" in notes
        assert same(network, weights)


def test_a_prefix_that_is_the_network_s_own_stays(tmp_path):
    network = nn.ModuleDict({"model": nn.Linear(2, 3)})
    load(network, saved({"model.weight": torch.ones(3, 2), "model.bias": torch.ones(3)}, tmp_path / "w.pt"), 3)
    assert network["model"].weight.eq(1).all()


def test_what_is_computed_may_be_missing_or_there(tmp_path, network, weights):
    # torchvision's oldest files were saved before batch normalisation counted its batches; thop leaves its counts.
    content = {k: v for k, v in weights.items() if "num_batches_tracked" not in k} | {"total_ops": torch.zeros(1)}
    assert load(network, saved(content, tmp_path / "w.pt")) == ""
    assert torch.equal(network.layer4[1].bn2.weight, weights["layer4.1.bn2.weight"])


@pytest.mark.parametrize(
    ("name", "old"),
    [
        ("torchvision:densenet121", lambda name: re.sub(r"(denselayer\d+\.\w+)([12])\.", r"\1.\2.", name)),
        (
            "torchvision:vit_b_32",
            lambda name: name.replace("mlp.0.", "mlp.linear_1.").replace("mlp.3.", "mlp.linear_2."),
        ),
    ],
)
def test_files_that_torchvision_published_under_older_names_fit(name, old):
    with torch.device("meta"):
        network = build_model(name, 10)
    weights = network.state_dict()
    file = WeightsFile(Path("w.pth"), renamed(weights, old), "")
    assert file.weights.keys() != weights.keys()
    assert load_weights(network, file, 10, "folder:photos") == ""


def test_auxiliary_heads_of_inception_are_left_out():
    with torch.device("meta"):
        network = build_model("torchvision:googlenet", 10)
    aux = {"aux1.fc2.weight": torch.ones(10, 1024), "aux2.fc2.weight": torch.ones(10, 1024)}
    file = WeightsFile(Path("w.pth"), network.state_dict() | aux, "")
    assert load_weights(network, file, 10, "folder:photos") == ""


def test_another_number_of_classes_is_said_in_words_and_first(tmp_path, network, weights):
    file = saved(weights | {"conv1.weight": torch.ones(1)}, tmp_path / "w.pt")
    with pytest.raises(
        ModelError, match=r"w.pt are for 10 classes, folder:photos has 3: give the weights .* --pretrain"
    ):
        load(other_network(3), file, 3)
    with pytest.raises(ModelError, match=r"for 1,000 classes, folder:photos has 10"):
        load(network, saved(weights | {"fc.weight": torch.ones(1000, 128)}, tmp_path / "w.pt"))


def test_what_does_not_fit_stands_in_an_aligned_table(tmp_path, network, weights):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    del weights["bn1.bias"]
    weights |= {"conv1.weight": torch.ones(16, 3, 7, 7), "extra.scale": torch.tensor(1.0)}
    with pytest.raises(ModelError) as error:
        load(network, saved(weights, tmp_path / "w.pt"))
    sentence, *table = str(error.value).split("\n")
    assert sentence == (
        f"The weights in {tmp_path / 'w.pt'} are of another architecture: 1 of another shape, 1 missing, "
        "1 unexpected; choose the --model, and the --image-size, that they were saved with; of a network that was "
        "changed, a new head for example, give sightline evaluate the code that builds it, --model FILE.py:NAME."
    )
    assert table == [
        "  name           in the file   in the model",
        "  conv1.weight   16×3×7×7      16×3×3×3",
        "  bn1.bias       –             16",
        "  extra.scale    one number    –",
    ]
    assert same(network, before)


def test_a_long_table_ends_with_how_many_more(tmp_path, network):
    with pytest.raises(ModelError) as error:
        load(network, saved({"stem.weight": torch.ones(2)}, tmp_path / "w.pt"))
    learnt = sum("num_batches_tracked" not in name for name in network.state_dict())
    lines = str(error.value).split("\n")
    assert len(lines) == 1 + 1 + TABLE_ROWS + 1
    assert lines[-1] == f"  and {learnt + 1 - TABLE_ROWS} more"


class Anything:
    """A class that a file may name; unpickling it would run code."""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not weights", "cannot be read: it is damaged, or of another kind"),
        (b"", "cannot be read: it is damaged, or of another kind"),
        (None, "No weights file at"),
        ([1, 2], "holds no state dict; save one with torch.save"),
        ({}, "holds no state dict; save one with torch.save"),
        ({"epoch": 3, "lr": 0.1}, r"holds no state dict under a usual name \(it has epoch, lr\)"),
        (
            Anything(),
            r"holds Python objects \(tests.model_zoo.test_weights.Anything\), and those are never loaded; where it was",
        ),
    ],
)
def test_a_file_without_weights_is_a_sentence(tmp_path, content, says):
    file = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(ModelError, match=says):
        read_weights(file)


def test_a_damaged_safetensors_file_is_a_sentence(tmp_path, weights):
    file = saved(weights, tmp_path / "weights.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be read: it is damaged"):
        read_weights(file)


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated, but such files are around
def test_a_folder_and_a_torchscript_archive_are_sentences(tmp_path):
    with pytest.raises(ModelError, match="is a folder; give the weights file in it"):
        read_weights(tmp_path)
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), tmp_path / "script.pt")
    with pytest.raises(ModelError, match="is a TorchScript archive"):
        read_weights(tmp_path / "script.pt")


def test_pretrained_weights_are_read_the_same_way(tmp_path, network, weights):
    file = saved({"state_dict": renamed(weights, "module.{}".format)}, tmp_path / "w.pt")
    assert load_pretrained(network, file, 10) == [] and same(network, weights)


def test_a_head_for_another_number_of_classes_stays_fresh(tmp_path, weights):
    file = saved(weights, tmp_path / "ten.pt")
    model, fresh = other_network(3), other_network(3)
    assert load_pretrained(model, file, 3) == ["fc.weight", "fc.bias"]
    assert torch.equal(model.fc.weight, fresh.fc.weight) and torch.equal(model.fc.bias, fresh.fc.bias)
    assert torch.equal(model.conv1.weight, weights["conv1.weight"])


def test_pretrained_weights_of_another_architecture_are_refused(tmp_path, network):
    file = saved(build_model("resnet18_imagenet", 10).state_dict(), tmp_path / "wide.pt")
    with pytest.raises(
        ModelError,
        match=r"of another shape; choose the --model, and the --image-size, that they were saved with; .*\n +name",
    ):
        load_pretrained(network, file, 10)


def test_a_complete_state_dict_is_restored_and_an_incomplete_one_refused():
    network = build_model("torchvision:mnasnet0_5", 3)  # which refuses weights without a version
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    restore(network, weights)
    del weights["classifier.1.bias"]
    with pytest.raises(RuntimeError, match="classifier.1.bias"):
        restore(network, weights)


@pytest.mark.parametrize("read", [load, lambda network, file: load_pretrained(network, file, 10)])
def test_a_file_that_keeps_one_name_of_a_tensor_fills_all(tmp_path, read):
    weights = {name: torch.randn_like(tensor) for name, tensor in Shared(10).state_dict().items()}
    weights["tied.weight"] = weights["block.weight"]
    weights["part"] = weights["table"][2:6].clone()
    weights["again.weight"], weights["again.bias"] = weights["block.weight"], weights["block.bias"]
    kept = {name: weights[name] for name in weights if name not in ("again.weight", "again.bias", "block.weight")}
    network = Shared(10)
    read(network, saved(kept, tmp_path / "w.safetensors"))
    assert same(network, weights)
    with pytest.raises(ModelError, match="1 missing"):
        del kept["first.bias"]
        read(Shared(10), saved(kept, tmp_path / "w.safetensors"))


def test_one_name_of_a_tensor_is_enough_to_restore():
    weights = {
        name: torch.ones_like(tensor) for name, tensor in Shared(2).state_dict().items() if name != "tied.weight"
    }
    network = Shared(2)
    restore(network, weights)
    assert network.tied.weight is network.block.weight and network.tied.weight.eq(1).all()
