"""What a checkpoint claims of its accuracy, and the names of its classes."""

import argparse
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sightline.model_zoo import beside, read_weights

WEIGHTS = {"fc.weight": torch.ones(3, 2)}
FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def read(tmp_path, content, zipped=True):
    torch.save({"net": WEIGHTS} | content, tmp_path / "best.ckpt", _use_new_zipfile_serialization=zipped)
    return read_weights(tmp_path / "best.ckpt")


@FORMATS
@pytest.mark.parametrize(
    ("content", "key", "claimed"),
    [
        ({"acc": 93.5, "epoch": 7}, "acc", 0.935),  # of pytorch-cifar
        ({"best_acc1": torch.tensor(76.13)}, "best_acc1", 0.7613),  # of PyTorch's ImageNet example
        ({"best_prec1": np.array(70.5)}, "best_prec1", 0.705),
        ({"Accuracy": np.float32(0.9)}, "Accuracy", 0.9),
        ({"metrics": {"val/acc": 0.66}}, "val/acc", 0.66),
        ({"args": argparse.Namespace(test_top1=0.5)}, "test_top1", 0.5),
        ({"train_acc": 0.99, "best_val_acc": 0.8, "val_acc": 0.7}, "val_acc", 0.7),
        ({"best_acc": 0.8, "acc": 0.7}, "acc", 0.7),
        ({"val_acc": 0.8, "test_acc": "0.7"}, "test_acc", 0.7),
        ({"arch": "resnet18", "metric": 77.5, "args": argparse.Namespace(eval_metric="top1")}, "metric", 0.775),  # timm
        ({"arch": "resnet18", "metric": 1.0}, "metric", 0.01),
        ({"acc": 100}, "acc", 1),
    ],
)
def test_an_accuracy_is_found_and_percent_recognised(tmp_path, content, key, claimed, zipped):
    found = read(tmp_path, content, zipped)
    assert (found.claim_key, found.claimed_accuracy) == (key, claimed)


@pytest.mark.parametrize(
    "content",
    [
        {"acc": 1.0},  # all, or one percent
        {"best_acc": 0},  # where it begins
        {"acc": -1}, {"acc": 101}, {"acc": float("nan")}, {"acc": float("inf")}, {"acc": 10**400}, {"acc": True},
        {"acc": "best"}, {"acc": None}, {"acc": [0.5, 0.6]}, {"acc": torch.ones(3)}, {"acc": np.ones(3)},
        {"acc": {"a": 0.5}}, {"train_acc": 0.5}, {"acc5": 0.9}, {"top5": 99.0}, {"accumulate": 2}, {"metric": 0.7},
        {"arch": "resnet18", "metric": 0.7, "args": argparse.Namespace(eval_metric="loss")}, {"vacc": 0.5},
    ],
)  # fmt: skip
def test_what_is_no_accuracy_or_not_clear_is_no_claim(tmp_path, content):
    found = read(tmp_path, content)
    assert (found.claim_key, found.claimed_accuracy) == ("", None)


def remembered(**state):
    state = {"monitor": "val_acc", "current_score": None, "best_k_models": {}, "kth_value": torch.tensor(0.1)} | state
    return {"callbacks": {"ModelCheckpoint{'monitor': 'val_acc', 'mode': 'max'}": state}}


@pytest.mark.parametrize(
    ("content", "claimed"),
    [
        (remembered(best_model_score=torch.tensor(0.9)), 0.9),
        (remembered(best_model_score=torch.tensor(0.9), current_score=torch.tensor(0.8)), 0.8),
        (
            remembered(
                current_score=torch.tensor(0.8),
                best_k_models={"/a/last.ckpt": torch.tensor(0.8), "/a/best.ckpt": torch.tensor(0.7)},
            ),
            0.7,
        ),
        (remembered(best_k_models={"C:\\a\\best.ckpt": torch.tensor(0.7)}), 0.7),
        (remembered(monitor="val_loss", best_model_score=torch.tensor(0.9)), None),
        (remembered(monitor="train_acc", best_model_score=torch.tensor(0.9)), None),
        (remembered(monitor=None, best_model_score=torch.tensor(0.9)), None),
    ],
)
def test_what_lightning_monitors_is_a_claim_where_it_is_an_accuracy(tmp_path, content, claimed):
    assert read(tmp_path, content).claimed_accuracy == claimed


def test_safetensors_may_claim_in_its_metadata(tmp_path):
    save_file(WEIGHTS, tmp_path / "w.safetensors", metadata={"format": "pt", "acc": "93.5"})
    assert read_weights(tmp_path / "w.safetensors").claimed_accuracy == 0.935


NAMES = ("dog", "cat", "owl")


@FORMATS
@pytest.mark.parametrize(
    "content",
    [
        {"classes": list(NAMES)},
        {"meta": {"CLASSES": NAMES}},  # of mmpretrain
        {"class_to_idx": {"cat": 1, "dog": 0, "owl": 2}},
        {"idx_to_class": {0: "dog", 2: "owl", 1: "cat"}},
        {"id2label": OrderedDict([("0", "dog"), ("1", "cat"), ("2", "owl")])},
        {"hyper_parameters": {"class_names": list(NAMES), "rate": 0.1}},
        {"args": argparse.Namespace(classes=list(NAMES)), "class_names": list(NAMES)},
    ],
)
def test_names_of_classes_are_found_in_the_order_of_the_outputs(tmp_path, content, zipped):
    assert read(tmp_path, content, zipped).class_names == NAMES


@pytest.mark.parametrize(
    "content",
    [
        {"classes": 3},
        {"classes": ["cat", "cat"]},
        {"classes": ["cat", 7]},
        {"classes": ["cat"]},
        {"classes": {"cat": 0, "dog": 2}},
        {"classes": {"cat": 0, "dog": 0}},
        {"classes": {0: "cat", 2: "dog"}},
        {"classes": ["cat", "dog"], "class_names": ["dog", "cat"]},
        {"classes": ["x" * 1000, "y"]},
        {"names": list(NAMES)},
    ],
)
def test_what_is_no_list_of_classes_or_not_clear_names_none(tmp_path, content):
    assert read(tmp_path, content).class_names == ()


def test_a_checkpoint_that_holds_itself_or_much_is_looked_at_for_a_while(tmp_path, monkeypatch):
    content = {"meta": {}}
    content["meta"]["again"] = content
    assert read(tmp_path, content).claimed_accuracy is None
    monkeypatch.setattr(beside, "MOST_ENTRIES", 100)
    looked = {"many": dict.fromkeys(map(str, range(200)), {}), "late": {"deep": {"acc": 0.5}}}
    assert read(tmp_path, looked).claimed_accuracy is None
