"""A user's own file of torch.export.save is a network, with the weights that are in it."""

import io
import json
import zipfile

import pytest
import torch
from torch import nn

from sightline.model_zoo import ModelError
from sightline.model_zoo.graph import export_graph, open_graph
from tests.model_zoo.graph.archives import (
    CONSTANTS,
    MODEL,
    SIDE,
    WEIGHTS,
    Small,
    archive,
    exported,
    members,
    packed,
    small_network,
)


@pytest.fixture(scope="module")
def network():
    return small_network()


@pytest.fixture(scope="module")
def content(network):
    return archive(exported(network))


def opened(content, weights=None):
    return open_graph(io.BytesIO(content), weights)


def test_it_answers_and_names_its_parts_as_the_original(network, content):
    found = opened(content)
    images = torch.rand(5, 3, SIDE, SIDE)
    torch.testing.assert_close(found(images), network(images), rtol=1e-6, atol=1e-6)
    assert (found.graph_image, found.graph_answer) == ((3, SIDE, SIDE), (2, 2))
    assert dict(found.named_modules()).keys() == dict(network.named_modules()).keys()
    assert list(found.state_dict()) == list(network.state_dict())
    assert found.tied.weight is found.block.get_submodule("0").weight
    seen = []
    with found.block.register_forward_hook(lambda _, __, output: seen.append(output)):
        found(images)
    assert torch.equal(seen[1], network.block(seen[0]))


def test_other_weights_take_the_place_of_those_in_it(network, content):
    zeros = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
    assert opened(content, zeros)(torch.rand(1, 3, SIDE, SIDE)).tolist() == [[0, 0]]


def test_it_can_be_kept_in_a_run(network, content):
    found = opened(content)
    again = opened(export_graph(found, torch.rand(1, 3, SIDE, SIDE)), found.state_dict())
    images = torch.rand(3, 3, SIDE, SIDE)
    torch.testing.assert_close(again(images), network(images), rtol=1e-6, atol=1e-6)


def test_core_operators_are_known_too(network):
    found = opened(archive(exported(network).run_decompositions()))
    images = torch.rand(3, 3, SIDE, SIDE)
    torch.testing.assert_close(found(images), network(images), rtol=1e-5, atol=1e-5)


class TwoTensors(nn.Module):
    def forward(self, images, mask):
        return (images * mask).mean(dim=(2, 3))


def with_model(content, change):
    files = members(content)
    model = json.loads(files[MODEL])
    change(model)
    return packed({**files, MODEL: model})


def with_config(content, name, change):
    files = members(content)
    config = json.loads(files[name])
    change(config["config"])
    return packed({**files, name: config})


def of_training():
    return archive(exported(Small().train()))


def of_two_tensors():
    images = torch.rand(2, 3, SIDE, SIDE)
    return archive(torch.export.export(TwoTensors(), (images, images), strict=False))


def saved(content):
    buffer = io.BytesIO()
    torch.save({"weight": torch.rand(2)}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda content: archive(exported(dynamic=False)), "exactly 2 images at once.*any number.*dynamic_shapes"),
        (lambda content: of_training(), r"exported as it is trained: call model.eval\(\)"),
        (lambda content: of_two_tensors(), "It takes 2 tensors, and"),
        (
            lambda content: packed({"net/data.pkl": b"", "net/constants.pkl": b""}),
            "TorchScript: give the model itself, with sightline.record",
        ),
        (saved, "torch.save, which holds no steps"),
        (lambda content: packed({"serialized_exported_program.json": b"{}"}), "an older PyTorch"),
        (lambda content: packed({"config.json": b"{}", "model.weights.h5": b""}), "Keras model: give its predictions"),
        (lambda content: packed({"notes.txt": b""}), "another archive"),
        (lambda content: b"\x08\x08\x12\x07pytorch\x1a\x052.5.1:" + bytes(99), "one of ONNX"),
        (lambda content: b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5, perhaps of Keras"),
        (lambda content: b"", "no exported network"),
        (lambda content: content[: len(content) // 2], "no exported network, or a damaged one"),
        (lambda content: packed(members(content), zipfile.ZIP_DEFLATED), "packed in another way"),
        (lambda content: with_model(content, lambda model: model["schema_version"].update(major=9)), "save it again"),
        (lambda content: with_config(content, WEIGHTS, lambda config: config.pop("fc.bias")), "asks for .*'fc.bias'"),
        (lambda content: with_config(content, CONSTANTS, lambda config: config.clear()), "asks for weights"),
    ],
)
def test_what_cannot_be_opened_is_told_in_a_sentence(content, make, said):
    with pytest.raises(ModelError, match=said) as refused:
        opened(make(content))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300
