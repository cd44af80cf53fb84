"""A run opens its network from its graph and its weights, or says in a sentence why it has none."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from sightline.model_zoo.graph import export_graph
from sightline.run_store import files
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from tests.exported_networks import Own
from tests.fabricated import ROOT, fabricate_run

SIDE, NAMES = 32, ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Own(len(NAMES)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def graph(network):
    return export_graph(network, torch.zeros(1, 3, SIDE, SIDE))


@pytest.fixture
def run(tmp_path, network, graph):
    """A run whose network no name builds."""
    fabricate_run(tmp_path / "own", 12, NAMES)
    with RunWriter.reopen(tmp_path / "own", Run(tmp_path / "own").record) as writer:
        writer.save_model(network)
        writer.save_network(graph)
    edit(tmp_path / "own", network="graph", model="Own", layers=["lower"])
    return Run(tmp_path / "own")


def edit(path, **fields):
    record = json.loads((path / files.RECORD).read_text())
    (path / files.RECORD).write_text(json.dumps(record | fields))


def test_the_network_of_a_run_is_opened_without_its_code(run, network):
    opened = run.load_model()
    assert type(opened).__module__.startswith("sightline.") and not opened.training
    assert not any(parameter.requires_grad for parameter in opened.parameters())
    images = run.to_input(run.images()[:4])
    with torch.no_grad():
        assert torch.equal(opened(images), network(images))


def test_a_run_without_network_says_why(run):
    edit(run.path, network="none", without_network="It holds predictions only: give the model to evaluate.")
    with pytest.raises(RunError, match="Run own has no network. It holds predictions only: give the model"):
        Run(run.path).load_model()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: (path / files.NETWORK).unlink(), f"has lost its {files.NETWORK}"),
        (lambda path: (path / files.NETWORK).write_bytes(b""), "holds no exported network"),
        (lambda path: (path / files.NETWORK).write_bytes((path / files.MODEL).read_bytes()), "no exported network"),
        (lambda path: (path / files.MODEL).write_bytes(b"{}"), f"{files.MODEL} is damaged"),
        (lambda path: change(path, **{"stem.0.weight": None}), "asks for weights 'stem.0.weight', which are missing"),
        (lambda path: change(path, more=torch.ones(2)), "is of another network than the weights"),
        (lambda path: change(path, **{"stem.0.weight": torch.ones(8, 2, 3, 3)}), "do not fit together"),
        (lambda path: edit(path, input_size=31), "no network of images of 31×31 pixels and 3 classes"),
        (lambda path: edit(path, class_names=["cat", "dog"]), "no network of images of 32×32 pixels and 2 classes"),
    ],
)
def test_what_does_not_fit_is_told_in_a_sentence(run, damage, said):
    damage(run.path)
    with pytest.raises(RunError, match=said) as refused:
        Run(run.path).load_model()
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


def change(path, **tensors):
    weights = load_file(path / files.MODEL) | tensors
    save_file({name: value for name, value in weights.items() if value is not None}, path / files.MODEL)


def test_opening_a_network_loads_no_compiler(tmp_path):
    # torch would load it for a random number without content, which takes more than a second.
    fabricate_run(tmp_path / "run", 12, NAMES, with_model=True)
    load = f"import sys, pathlib, sightline; sightline.Run(pathlib.Path({str(tmp_path / 'run')!r})).load_model()"
    program = f"{load}; print('torch._dynamo' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
