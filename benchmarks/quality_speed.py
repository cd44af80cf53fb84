"""What it costs to judge maps: ROAD beside pytorch-grad-cam's, and the whole report of a run.

pip install -r benchmarks/requirements.txt
python -m benchmarks.quality_speed [--run runs/NAME] [--road-images 20 --rounds 3] [--report-images 500]
                                   [--before CHECKOUT]

ROAD: the same Grad-CAM maps of the same images and model, nine steps, most and least relevant first. The two take turns
in one process, ours in the arithmetic of the report and in float32. pytorch-grad-cam removes the pixels above a
percentile where ours takes an exact number, and draws other noise: before anything is timed, the gaps must agree within
LARGEST_GAP on average.
The report: four layers × three methods and the controls, all measures, as `sightline quality` writes it in a process of
its own, on a GPU where there is one: how long it takes until the file is there (before: with figures of a control; now:
with verdicts of all kinds), and until it is complete. --before: a checkout of the commit to compare with, which goes
first.
Without --run, a run of ResNet18 with random weights and images is made, which has no masks.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from benchmarks.precompute_speed import make_run
from benchmarks.timing import seconds_of
from sightline.explain.attribution.engine import layer_attributions, upsample
from sightline.explain.judging.families import Autocast
from sightline.explain.judging.removal import road_gap
from sightline.explain.judging.sample import draw_sample
from sightline.model_zoo.device import choose_precision, keep_freed_memory
from sightline.run_store import files
from sightline.run_store.run import Run

METHODS = ("gradcam", "hirescam", "layercam")
LARGEST_GAP = 0.05
PEER = "pytorch-grad-cam"


@dataclass(frozen=True)
class Config:
    """Measure what judging maps costs; prints a table in Markdown."""

    run: Path | None = None
    """it is copied, and left as it is"""
    road_images: int = 20
    """0: no comparison of ROAD, which is on the CPU"""
    rounds: int = 3
    report_images: int = 500
    """0: no report"""
    before: Path | None = None
    """a checkout of another commit, whose report is timed too"""


def theirs(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor) -> np.ndarray:
    """The gaps of pytorch-grad-cam, whose ROADCombined is half the gap. It takes maps scaled to 0–1."""
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    least, most = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    scaled = ((maps - least) / (most - least)).numpy()
    classes = [ClassifierOutputSoftmaxTarget(code) for code in targets.tolist()]
    return 2 * ROADCombined()(images, scaled, classes, model)


def compare_road(run: Run, config: Config) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Of each way: seconds, a value a round; and its gaps less pytorch-grad-cam's, a value an image."""
    model, sample = run.load_model(), draw_sample(run, config.road_images)
    images, targets = sample.images(slice(None), torch.device("cpu")), sample.classes[:, 0]
    layer = run.record.layers[-1]
    maps = layer_attributions(model, images, [layer], targets)[layer]
    judged = (images, upsample(maps, (images.shape[2], images.shape[3]))[:, 0], targets)
    quick = Autocast(model, choose_precision("auto", images.device))
    ways: dict[str, Callable[[], np.ndarray]] = {
        f"ours in {str(quick.dtype).removeprefix('torch.')}": lambda: road_gap(quick, *judged).numpy(),
        "ours in float32": lambda: road_gap(model, *judged).numpy(),
        PEER: lambda: theirs(model, *judged),
    }
    gaps = {name: way() for name, way in ways.items()}
    differences = {name: gap - gaps[PEER] for name, gap in gaps.items() if name != PEER}
    if max(abs(difference.mean()) for difference in differences.values()) > LARGEST_GAP:
        raise SystemExit(f"The gaps disagree: {differences}: nothing was timed.")
    rounds = [[seconds_of(way) for way in ways.values()] for _ in range(config.rounds)]
    return dict(zip(ways, np.array(rounds).T, strict=True)), differences


def time_report(checkout: Path, run: Path, images: int) -> tuple[float, float]:
    """Seconds until a report of a copy of the run has its file, and until it is complete."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(run, Path(folder) / "run"))
        words = ("--run", str(copy), "--methods", ",".join(METHODS), "--images", str(images))
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "sightline.explain.quality", *words], cwd=checkout)
        while process.poll() is None and not (copy / files.QUALITY).exists():
            time.sleep(0.05)
        first = time.perf_counter() - start
        if process.wait():
            raise SystemExit(f"The report of {checkout} failed.")
        return first, time.perf_counter() - start


def row(name: str, values: np.ndarray, unit: str) -> str:
    return f"| {name} | {np.median(values):.2f} {unit} | {values.min():.2f}–{values.max():.2f} | {len(values)} |"


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.quality_speed")
    keep_freed_memory()  # as the command does
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        if config.run is None:
            run = make_run(path, max(config.report_images, config.road_images, 500))
        else:
            run = Run(Path(shutil.copytree(config.run, path)))
            for name in (files.QUALITY, files.QUALITY_VALUES):
                (path / name).unlink(missing_ok=True)
        seconds, differences = compare_road(run, config) if config.road_images else ({}, {})
        print(f"{run.record.model}, {torch.get_num_threads()} threads, {config.road_images} images for ROAD")
        print("| what | median | least–most | number |\n|---|---|---|---|")
        for name, values in seconds.items():
            print(row(f"ROAD, {name}", values, "s"))
        for name, values in differences.items():
            print(row(f"{PEER}, in {name}", seconds[PEER] / seconds[name], "×"))
            print(row(f"gaps of {name}, less {PEER}'s", values, ""))
        for checkout in filter(None, (config.before, Path.cwd())) if config.report_images else ():
            name = "before" if checkout == config.before else "now"
            first, whole = time_report(checkout, run.path, config.report_images)
            print(row(f"the report {name}: the file is there", np.array([first]), "s"))
            print(row(f"the report {name}, {config.report_images} images: complete", np.array([whole / 60]), "min"))


if __name__ == "__main__":
    main()
