"""The device and the arithmetic that are chosen."""

import pytest
import torch
from torch import nn

from sightline.model_zoo import ModelError
from sightline.model_zoo.device import choose_device, choose_precision, device_of


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": False, "avx512_f": True}, torch.float32), ({}, torch.float32),
    ],
)  # fmt: skip
def test_bfloat16_is_chosen_only_where_the_processor_multiplies_in_it(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert choose_precision("auto", torch.device("cpu")) == expected
    assert choose_precision("float32", torch.device("cpu")) == torch.float32
    assert choose_precision("bfloat16", torch.device("cpu")) == torch.bfloat16


def test_a_gpu_is_asked_for_real_bfloat16_not_for_emulation(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    assert choose_precision("auto", torch.device("cuda")) == torch.float32


def test_a_missing_gpu_is_a_sentence_and_auto_does_without(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ModelError, match="no GPU that torch can use; choose --device cpu or auto"):
        choose_device("cuda")


def test_a_model_is_on_the_device_of_its_parameters_and_without_any_on_the_cpu():
    assert device_of(nn.Sequential(nn.Flatten(), nn.Linear(2, 2)).to("meta")) == torch.device("meta")
    assert device_of(nn.Flatten()) == torch.device("cpu")
