"""Make the two demo runs side by side: the same model on planted shapes, trained without and with the shortcut.

In the end, what their mistakes share is looked for, and which training images taught them.

python -m sightline.training.demo
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import tyro

from sightline.explain.command_line import ending_in_a_sentence
from sightline.image_data.planted_shapes import VARIANTS
from sightline.run_store.run import Run
from sightline.training.side_by_side import run_side_by_side

# Chosen so that both runs fit into 100 seconds on two cores; benchmarks/RESULTS.md has the times and accuracies.
RECIPE = (
    "--model", "resnet18_narrow", "--epochs", "4", "--batch-size", "32", "--learning-rate", "0.04", "--progressive",
    "--keep-epochs", "4",
)  # fmt: skip
TRAIN = "sightline.training.train"
ASKED = {"sightline.explain.patterns": "what mistakes share", "sightline.explain.influence": "what taught them"}


@dataclass(frozen=True)
class DemoConfig:
    """Train the two demo runs, each on half of the cores; a finished one is kept as it is."""

    runs: Path = Path("runs")
    """the folder of runs"""
    seed: int = 0
    """the seed of both runs"""


def train_demo(config: DemoConfig) -> list[Path]:
    """Start what is missing and wait for it; return the runs that were trained. Raises TrainingError if one failed."""
    threads = max(1, (os.cpu_count() or 1) // 2)
    trainings: dict[Path, Sequence[str]] = {}
    for variant in VARIANTS:
        run = _free_path(config.runs / f"demo-{variant}")
        if run is not None:
            data = ("--dataset", f"planted-shapes:{variant}", "--run", str(run))
            trainings[run] = (TRAIN, *data, *RECIPE, "--seed", str(config.seed), "--threads", str(threads))
    if trainings:
        print(f"Training {' and '.join(map(str, trainings))}; watch the curves grow in the dashboard.", flush=True)
    run_side_by_side(trainings, at_once=len(VARIANTS), what="training")
    for module, what in ASKED.items():
        asked = {run: (module, "--run", str(run)) for run in trainings}
        run_side_by_side(asked, at_once=len(VARIANTS), what=what, threads=threads)
    return list(trainings)


def _free_path(path: Path) -> Path | None:
    """Return the path, numbered where an unfinished run stands in the way; None where there is nothing to train."""
    for number in count(1):
        candidate = path if number == 1 else path.with_name(f"{path.name}-{number}")
        if not candidate.exists():
            return candidate
        if Run(candidate).state in ("complete", "running"):
            return None
    raise AssertionError("count() never ends")


def main() -> None:
    """Train the demo with the command line of this process."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores for what it runs with &
    with ending_in_a_sentence(interrupted="finished runs are kept."):
        runs = train_demo(tyro.cli(DemoConfig, prog="python -m sightline.training.demo"))
        if runs:
            print(f"Trained: {', '.join(map(str, runs))}", flush=True)


if __name__ == "__main__":
    main()
