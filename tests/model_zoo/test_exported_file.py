"""FILE.pt2 as --model: the network in a file of torch.export.save, which is read as tests/model_zoo/graph says."""

import io

import pytest
import torch
from torch import nn
from torch.export import Dim, export, save

from sightline.model_zoo import ModelError, load_weights, model_spec
from sightline.model_zoo.adapted import adapt
from sightline.model_zoo.checkpoint import WeightsFile
from sightline.model_zoo.graph import export_graph, open_graph

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()


@pytest.fixture(scope="module")
def file(network, tmp_path_factory):
    file = tmp_path_factory.mktemp("exported") / "net.pt2"
    save(export(network, (IMAGES,), dynamic_shapes=({0: Dim("images")},)), file)
    return file


def test_it_answers_as_before_and_can_be_kept_in_a_run(file, network):
    spec = model_spec(str(file))
    assert (spec.input_size, spec.trained, spec.by_name, spec.weights, spec.layers) == (8, True, False, None, ())
    adapted, notes = adapt(spec.build(2), IMAGES, 2)
    kept = open_graph(io.BytesIO(export_graph(adapted, IMAGES)), adapted.state_dict())
    with torch.no_grad():
        assert torch.equal(adapted(IMAGES), network(IMAGES)) and torch.equal(kept(IMAGES), network(IMAGES))
    assert not notes and {name for name, _ in kept.named_modules()} == {name for name, _ in network.named_modules()}


def test_other_weights_may_be_put_into_it(file, network):
    weights = {name: value + 1 for name, value in network.state_dict().items()}
    own = model_spec(str(file)).build(2)
    load_weights(own, WeightsFile(file, {f"module.{name}": value for name, value in weights.items()}, ""), 2, "x")
    assert all(torch.equal(value, weights[name]) for name, value in own.state_dict().items())
    assert torch.equal(model_spec(str(file)).build(2).state_dict()["4.bias"], network[4].bias)  # the file's


@pytest.mark.parametrize(
    ("content", "size", "says"),
    [
        (None, 16, "was exported for images of 8×8 pixels, and takes no others"),
        (b"not an archive", None, "net.pt2 cannot be opened: It holds no exported network"),
        ((nn.Flatten(), torch.rand(2, 3, 8, 4)), None, "was exported for images of 3×8×4; they must be square"),
        ((nn.Linear(3, 2), torch.rand(2, 3)), None, "net.pt2 cannot be opened|must be square"),
    ],
)
def test_what_it_does_not_take_is_a_sentence(tmp_path, file, content, size, says):
    own = tmp_path / "net.pt2"
    if content is None:
        own.write_bytes(file.read_bytes())
    elif isinstance(content, bytes):
        own.write_bytes(content)
    else:
        save(export(content[0], (content[1],), dynamic_shapes=({0: Dim("images")},)), own)
    with pytest.raises(ModelError, match=says):
        model_spec(str(own), size)


def test_a_file_that_is_not_there_is_a_sentence():
    with pytest.raises(ModelError, match="No file 'nothing.pt2'; FILE.pt2 is what torch.export.save wrote"):
        model_spec("nothing.pt2")
