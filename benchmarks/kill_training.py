"""Kill a training at random moments: does the run open, and does --resume end as if nothing had happened?

python -m benchmarks.kill_training [--kills 30 --seed 0]

Every kill (SIGKILL, at a moment drawn from the whole length of an undisturbed training) hits a run of its own. What is
right: the run opens, and the same command then ends with the weights, also those of the epochs that are kept, and the
history, byte for byte, the predictions and the metrics (but for the seconds) of the undisturbed run, and with no other
files.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import tyro

from sightline.run_store import files
from sightline.run_store.run import Run

OPTIONS = "--dataset planted-shapes --model resnet18_narrow --keep-epochs 3 --resume"


def training(path: Path, epochs: int) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "sightline.training.train",
        *OPTIONS.split(),
        "--epochs",
        str(epochs),
        "--run",
        str(path),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(path: Path, epochs: int) -> None:
    process = training(path, epochs)
    _, said = process.communicate()
    if process.returncode:
        raise SystemExit(f"The training of {path.name} ended with {process.returncode}: {said.decode()[-500:]}")


def where(run: Run) -> str:
    """How far the killed training had come, by what a reader finds."""
    if not (run.path / files.RECORD).exists():
        return "before the run was begun"
    finished = len(run.metrics())
    if run.state not in ("interrupted", "complete"):
        raise SystemExit(f"{run.name} does not open: it is {run.state}.")
    return "after the predictions" if run.state == "complete" else f"{finished} epochs finished"


def outcome(run: Run) -> tuple[object, ...]:
    """What must not depend on the kill, but for the predictions."""
    metrics = [epoch._replace(seconds=0) for epoch in run.metrics()]
    # Killed while it wrote its last file, a complete run keeps half of it, until something else is written.
    names = {file.name for file in run.path.iterdir() if not file.name.startswith(f".{files.RECORD}.")}
    written = [run.path / files.MODEL, run.path / files.HISTORY, *sorted((run.path / files.EPOCHS).iterdir())]
    return run.state, {file.name: file.read_bytes() for file in written}, metrics, names


def main(kills: int = 30, epochs: int = 3, seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        whole = Run(Path(folder) / "whole")
        start = time.perf_counter()
        finish(whole.path, epochs)
        seconds = time.perf_counter() - start
        for number in range(kills):
            run = Run(Path(folder) / f"killed-{number}")
            process = training(run.path, epochs)
            time.sleep(random.uniform(0, seconds))
            process.kill()
            process.communicate()
            killed = where(run)
            if killed != "after the predictions":
                finish(run.path, epochs)
            run = Run(run.path)  # read anew
            same_predictions = run.predictions().table.equals(whole.predictions().table)
            if not same_predictions or outcome(run) != outcome(whole):
                raise SystemExit(f"{run.name}, killed with {killed}, ended otherwise than the undisturbed run.")
            found[killed] += 1
            print(f"{number + 1} of {kills}: {killed}; resumed to the same end", flush=True)
    print("\n| killed | runs | opened and ended as the undisturbed run |\n|---|---|---|")
    for name, runs in sorted(found.items()):
        print(f"| {name} | {runs} | {runs} |")


if __name__ == "__main__":
    tyro.cli(main)
