"""The whole report on small networks of the kinds that are not ResNet18, with random weights."""

import io
import shutil
from functools import partial

import pytest
import torch

from sightline.explain import quality
from sightline.explain.judging.figures import ALL_CONTROLS, kinds_of
from sightline.explain.judging.measures import MEASURES, NO_MOSAICS
from sightline.explain.judging.verdicts import SUPPORTED, measure_of, verdicts
from sightline.explain.quality import measure
from sightline.model_zoo.graph import export_graph, open_graph
from sightline.run_store.quality import read_quality
from sightline.run_store.run import Run
from tests.explain.quick_quality import measure_less
from tests.explain.test_quality import CLASSES, IMAGES, SIDE, make_run
from tests.tiny_networks import bottleneck_network, convnext, token_network

METHODS = ("gradcam", "layercam")
NETWORKS = {
    "tokens": (partial(token_network, CLASSES, SIDE), ("blocks.0", "blocks.1.norm1")),
    "ConvNeXt": (partial(convnext, CLASSES), ("stages.0", "stages")),
    "bottlenecks": (partial(bottleneck_network, CLASSES), ("layer1", "layer2")),
    "exported": (lambda: exported(bottleneck_network(CLASSES)), ("layer1", "layer2")),
}


def exported(network):
    content = export_graph(network.eval(), torch.rand(1, 3, SIDE, SIDE))
    return open_graph(io.BytesIO(content), network.state_dict())


@pytest.fixture(scope="module")
def bare_run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "bare")


@pytest.fixture
def run_of(bare_run, tmp_path, monkeypatch):
    """A run of the network of a name, and the layers to explain."""

    def make(name):
        build, layers = NETWORKS[name]
        torch.manual_seed(0)
        network = build().eval().requires_grad_(False)
        monkeypatch.setattr(Run, "load_model", lambda self: network)
        run = Run(shutil.copytree(bare_run.path, tmp_path / "run"))
        object.__setattr__(run.record, "layers", layers)
        return run, layers

    return make


@pytest.mark.parametrize("name", NETWORKS)
def test_all_measures_are_taken_and_random_weights_support_nothing(run_of, name, monkeypatch):
    measure_less(monkeypatch)
    run, layers = run_of(name)
    said = measure(run, layers, METHODS)
    rows = read_quality(run)
    kinds = kinds_of(METHODS, layers)
    assert f"measured {len(kinds)} kinds of maps on {IMAGES} images" in said
    assert {(row.method, row.layer, row.measure) for row in rows if measure_of(row.measure) == row.measure} == {
        (*kind, measure) for kind in kinds for measure in MEASURES
    }
    assert all(row.final for row in rows)
    for row in rows:
        if row.measure in MEASURES and row.n:
            assert MEASURES[row.measure].least - 1e-5 <= row.value <= MEASURES[row.measure].most + 1e-5
    assert all(row.n for row in rows if row.measure != "gridpg")
    found = verdicts(rows)
    assert len(found) == len(kinds) - len(ALL_CONTROLS) and SUPPORTED not in {verdict.name for verdict in found}
    mosaics = {row.method: (row.n, row.value) for row in rows if row.measure == "gridpg"}
    if name == "tokens":
        assert "GridPG is left out: its mosaics are 32 pixels wide, and the model takes only 16." in said
        assert {n for n, _ in mosaics.values()} == {0}
    else:
        assert "GridPG" not in said
        assert all(mosaics[control] == (5, pytest.approx(0.25, abs=1e-5)) for control in ALL_CONTROLS)


def test_that_a_model_takes_no_mosaics_is_said_also_to_who_reads_the_verdicts_later(run_of, monkeypatch, call_main):
    measure_less(monkeypatch)
    run, layers = run_of("tokens")
    measure(run, layers[:1], METHODS[:1], images=10)
    code, said = call_main(quality, "--run", run.path, "--verdicts")
    assert code == 0 and NO_MOSAICS in said
