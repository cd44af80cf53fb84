"""What it costs to judge maps: ROAD beside pytorch-grad-cam's, and the whole report of a run.

pip install -r benchmarks/requirements.txt
python -m benchmarks.quality_speed [--run runs/NAME] [--road-images 20 --rounds 3] [--report-images 500]

ROAD: the same Grad-CAM maps of the same images and model, nine steps, most and least relevant first. The two take turns
in one process. pytorch-grad-cam removes the pixels above a percentile where ours takes an exact number, and draws
other noise: before anything is timed, the two gaps must agree within LARGEST_GAP on average.
The report: four layers × three methods and the controls, all measures, as `python -m explain.quality` writes it.
Without --run, a run of ResNet18 with random weights and images is made, which has no masks.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import Tensor, nn

from benchmarks.precompute_speed import make_run
from explain.engine import layer_attributions, upsample
from explain.quality import measure
from explain.removal import road_gap
from explain.sample import draw_sample
from model_zoo.device import keep_freed_memory
from run_store.quality import QUALITY_FILE
from run_store.run import Run
from run_store.writer import RunWriter

METHODS = ("gradcam", "hirescam", "layercam")
LARGEST_GAP = 0.05


@dataclass(frozen=True)
class Config:
    """Measure what judging maps costs on the CPU; prints a table in Markdown."""

    run: Path | None = None
    """it is copied, and left as it is"""
    road_images: int = 20
    rounds: int = 3
    report_images: int = 500
    """0: no report"""


def theirs(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor) -> np.ndarray:
    """The gaps of pytorch-grad-cam, whose ROADCombined is half the gap. It takes maps scaled to 0–1."""
    least, most = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    scaled = ((maps - least) / (most - least)).numpy()
    classes = [ClassifierOutputSoftmaxTarget(code) for code in targets.tolist()]
    return 2 * ROADCombined()(images, scaled, classes, model)


def ours(model: nn.Module, images: Tensor, maps: Tensor, targets: Tensor) -> np.ndarray:
    return road_gap(model, images, maps, targets).numpy()


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def compare_road(run: Run, config: Config) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Seconds of ours and of theirs, a value a round, and the differences of their gaps, a value an image."""
    model, sample = run.load_model(), draw_sample(run, config.road_images)
    images, targets = sample.images(slice(None), torch.device("cpu")), sample.classes[:, 0]
    layer = run.record.layers[-1]
    maps = layer_attributions(model, images, [layer], targets)[layer]
    judged = (model, images, upsample(maps, (images.shape[2], images.shape[3]))[:, 0], targets)
    difference = ours(*judged) - theirs(*judged)
    if abs(difference.mean()) > LARGEST_GAP:
        raise SystemExit(f"The gaps disagree by {difference.mean():.3f} on average: nothing was timed.")
    rounds = [(seconds_of(lambda: ours(*judged)), seconds_of(lambda: theirs(*judged))) for _ in range(config.rounds)]
    return *np.array(rounds).T, difference


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
            (path / QUALITY_FILE).unlink(missing_ok=True)
        fast, slow, difference = compare_road(run, config)
        print(f"{run.record.model}, {torch.get_num_threads()} threads, {config.road_images} images for ROAD")
        print("| what | median | least–most | number |\n|---|---|---|---|")
        print(row("ROAD, ours", fast, "s"))
        print(row("ROAD, pytorch-grad-cam", slow, "s"))
        print(row("the latter, in ours", slow / fast, "×"))
        print(row("difference of the gaps, ours minus theirs", difference, ""))
        if config.report_images:
            with RunWriter.reopen(run.path, run.record):
                seconds = seconds_of(lambda: measure(run, methods=METHODS, images=config.report_images))
            print(row(f"the whole report, {config.report_images} images", np.array([seconds / 60]), "min"))


if __name__ == "__main__":
    main()
