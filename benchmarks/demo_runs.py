"""Seconds of the two demo runs from an empty folder, and how often each is wrong on the test split.

python -m benchmarks.demo_runs
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import tyro

from sightline.image_data.planted_shapes import VARIANTS
from sightline.run_store.run import Run


def main(seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    seconds: list[float] = []
    print("| seed | both runs, seconds | honest, wrong | shortcut, wrong |\n|---|---|---|---|")
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            command = [sys.executable, "-m", "sightline.training.demo", "--runs", folder, "--seed", str(seed)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
            wrong = [f"{1 - Run(Path(folder) / f'demo-{name}').predictions().accuracy:.1%}" for name in VARIANTS]
        print(f"| {seed} | {seconds[-1]:.1f} | {' | '.join(wrong)} |", flush=True)
    print(f"\nmedian {statistics.median(seconds):.1f} s, {min(seconds):.1f}–{max(seconds):.1f}, {len(seeds)} runs")


if __name__ == "__main__":
    tyro.cli(main)
