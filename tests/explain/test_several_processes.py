"""Maps and their figures in several processes, as torchrun starts them: the same bytes, whoever is lost on the way."""

import shutil

import numpy as np
import pytest
import torch

from sightline.explain.precompute import precompute
from sightline.explain.quality import measure
from sightline.run_store import files
from sightline.run_store.quality import read_quality
from sightline.run_store.run import Run
from tests.explain import test_precompute, test_quality
from tests.explain.quick_quality import measure_less
from tests.several_processes import finished, kill, torchrun

BATCHES = 12  # of 256 images, so that a process can be lost long before it has done its part


@pytest.fixture
def one_thread():
    """As each of the processes has: sums in another order are rounded otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def contents(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_one_of_three_that_write_maps_is_lost_and_two_go_on_to_the_bytes_of_one(tmp_path, one_thread):
    pixels = np.random.default_rng(0).integers(0, 256, (BATCHES * 256 - 3, 16, 16, 3), dtype=np.uint8)
    run = test_precompute.make_run(tmp_path / "run", pixels, 16)
    one = Run(shutil.copytree(run.path, tmp_path / "one"))
    command = "sightline.explain.precompute", "--run", run.path, "--device", "cpu"

    def written():
        """How many maps of the last layer there are."""
        scales = list(run.path.glob("maps/*/layer4/.predicted.scale.npy.partial"))
        return int((~np.isnan(np.load(scales[0]))).sum()) if scales else 0

    with torchrun(3, *command) as process:
        said = kill(process, rank=0, when=written)
    assert said.count(" is kept") == 2  # of the two that are left, each
    assert 0 < written() < len(pixels) and not files.is_locked(run.path)
    with torchrun(2, *command) as process:
        said = finished(process)
    assert said.count("are complete") == 1  # only the first process speaks
    precompute(one)
    assert contents(run.path / "maps") == contents(one.path / "maps")


def test_one_of_two_that_measure_is_lost_and_three_go_on_to_the_figures_of_one(tmp_path, one_thread, monkeypatch):
    run = test_quality.make_run(tmp_path / "run")
    one = Run(shutil.copytree(run.path, tmp_path / "one"))
    command = "tests.explain.quick_quality", "--run", run.path, "--device", "cpu", "--methods", "gradcam,hirescam"
    with torchrun(2, *command) as process:
        said = kill(process, rank=1, when=lambda: read_quality(run))
    assert said.count(" is kept") == 1 and not files.is_locked(run.path)
    assert not all(row.final for row in read_quality(run))
    with torchrun(3, *command) as process:
        assert "on 20 images" in finished(process)
    measure_less(monkeypatch)
    measure(one, methods=("gradcam", "hirescam"))
    assert (run.path / "quality.csv").read_bytes() == (one.path / "quality.csv").read_bytes()
