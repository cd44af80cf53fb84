"""Files of other programs: what they are is said, and which way in there is."""

import argparse
import gzip
import json
import os
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sightline.model_zoo import ModelError, model_spec, read_weights

PREDICTIONS = r"write its predictions for your images to a CSV file, and give --predictions FILE.csv"


def keras_model():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])


def rename(file, ending):
    file.with_suffix(ending).rename(file)


FILES = {
    "net.onnx": (lambda file: file.touch(), f"an ONNX model, .* FILE.py:NAME, if you have it; else {PREDICTIONS}"),
    "net.pt": (
        lambda file: torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), file),
        r"a TorchScript archive, .* torch.save\(torch.jit.load\(FILE\).state_dict\(\)",
    ),
    "net.keras": (lambda file: keras_model().save(file), f"a Keras or TensorFlow model, .*{PREDICTIONS}"),
    "net.h5": (lambda file: keras_model().save(file), f"a Keras or TensorFlow model, .*{PREDICTIONS}"),
    "net.weights.h5": (lambda file: keras_model().save_weights(file), "a Keras or TensorFlow model"),
    "keras.zip": (lambda file: keras_model().save(file.with_suffix(".keras")) or rename(file, ".keras"), "a Keras or"),
    "h5.pth": (lambda file: keras_model().save(file.with_suffix(".h5")) or rename(file, ".h5"), "a Keras or"),
    "saved": (lambda file: file.mkdir() or (file / "saved_model.pb").touch(), "a Keras or TensorFlow model"),
    "net.tflite": (lambda file: file.write_bytes(b"\x1c\0\0\0TFL3"), f"a TensorFlow Lite model, .*{PREDICTIONS}"),
    "lite.bin": (lambda file: file.write_bytes(b"\x1c\0\0\0TFL3"), "a TensorFlow Lite model"),
    "net.mlmodel": (lambda file: file.touch(), f"a Core ML model, .*{PREDICTIONS}"),
    "net.mlpackage": (lambda file: file.mkdir(), "a Core ML model"),
    "net.joblib": (lambda file: file.write_bytes(b"\x80\x04"), f"a pickle, as scikit-learn and joblib .*{PREDICTIONS}"),
    "net.pkl": (
        lambda file: file.write_bytes(pickle.dumps(argparse.Namespace(coefficients=np.ones(3)))),
        f"a pickle, as scikit-learn and joblib write them, .*torch.save.*{PREDICTIONS}",
    ),
    "net.pt.gz": (lambda file: file.write_bytes(gzip.compress(b"a")), "a compressed file, .*; unpack it first"),
    "shards": (lambda file: file.mkdir() or (file / ".metadata").touch(), "a distributed checkpoint .* dcp_to_torch"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # TorchScript and .h5 are deprecated, but such files are around
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_program_names_its_way_in(tmp_path, name):
    write, says = FILES[name]
    write(tmp_path / name)
    for look in (read_weights, lambda file: model_spec(str(file))):
        with pytest.raises(ModelError, match=f"is {says}") as error:
            look(tmp_path / name)
        assert str(error.value).startswith(str(tmp_path / name)) and str(error.value).isprintable()


def test_weights_in_the_place_of_a_network_are_sent_to_where_they_belong(tmp_path):
    torch.save({"weight": torch.ones(2)}, tmp_path / "w.pt")
    with pytest.raises(
        ModelError, match=r"w.pt may be weights \(--weights FILE\); --model names their network: resnet18"
    ):
        model_spec(str(tmp_path / "w.pt"))


@pytest.mark.parametrize("content", [b"PK\x03\x04 damaged", b"\x89HDF\r\n\x1a\n", b"\x80\x04damaged", b""])
def test_a_damaged_file_is_a_sentence(tmp_path, content):
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(ModelError):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_a_state_dict_is_read(tmp_path, protocol):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    weights = network.state_dict() | {"half.weight": torch.ones(2).half(), "view.weight": network[0].weight[1]}
    arrays = {name: value.detach().numpy() for name, value in weights.items()}
    for content in (weights, {"model": weights, "acc": np.float32(93.5)}, arrays, network):
        (tmp_path / "w.pkl").write_bytes(pickle.dumps(content, protocol))
        found = read_weights(tmp_path / "w.pkl").weights
        assert all(torch.equal(found[name], weights[name]) for name in found) and found.keys() >= {"0.weight"}


def test_metadata_of_an_index_is_checked(tmp_path):
    index = tmp_path / "model.safetensors.index.json"
    (tmp_path / "damaged.safetensors").write_bytes(b"{}")
    for weight_map, says in (
        ({"a": "../secret.safetensors"}, "secret.safetensors is in another folder"),
        ({"a": "nothing.safetensors"}, "nothing.safetensors should lie beside it and does not"),
        ({"a": index.name}, "model.safetensors.index.json is an index too"),
        ({"a": "damaged.safetensors"}, "damaged.safetensors cannot be read: it is damaged"),
        ({"a": 7}, "cannot be read"),
        ([], "cannot be read"),
        ({}, "holds no state dict"),
    ):
        index.write_text(json.dumps({"weight_map": weight_map}))
        with pytest.raises(ModelError, match=says):
            read_weights(index)
