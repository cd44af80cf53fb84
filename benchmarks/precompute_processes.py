"""Maps of a whole test split in one process and in several, each of one thread.

python -m benchmarks.precompute_processes [--images 10240 --processes 2 --rounds 3]

ResNet18 with random weights, four stages, the predicted class, on the CPU. Every round runs both commands, as a user
types them, the other one first in every second round; each begins without maps, and the maps of both must be the same
bytes. Two times are compared: that of the whole command, with the start of Python and torch (of torchrun's own, too),
and that of the images alone, from the mean speed that the progress bar ends with.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from benchmarks.precompute_speed import make_run, row
from benchmarks.timing import seconds_of
from sightline.run_store import files
from sightline.run_store.maps import remove_maps
from tests.fabricated import ROOT

SPEED = re.compile(r"([\d.]+)image/s\]")


@dataclass(frozen=True)
class Config:
    """Measure how much sooner several processes are ready; prints a table in Markdown."""

    images: int = 10_240
    """40 batches"""
    processes: int = 2
    rounds: int = 3


def run_command(path: Path, images: int, processes: int) -> tuple[float, float]:
    """Return the seconds of the whole command, and those of the images alone."""
    remove_maps(path)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = ["-m", "sightline.explain.precompute", *(["--"] if processes > 1 else [])]
    command = [*(launcher if processes > 1 else []), *command, "--run", str(path), "--targets", "predicted"]
    said = []

    def run() -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        arguments = [sys.executable, *command, "--device", "cpu"]
        done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        said.append(done.stderr)

    seconds = seconds_of(run)
    return seconds, images / float(SPEED.findall(said[0])[-1])


def contents(path: Path) -> dict[Path, bytes]:
    return {file.relative_to(path): file.read_bytes() for file in (path / files.MAPS).rglob("*.npy")}


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.precompute_processes")
    seconds: dict[int, list[tuple[float, float]]] = {1: [], config.processes: []}
    with tempfile.TemporaryDirectory() as folder:
        path = make_run(Path(folder) / "run", config.images).path
        written = []
        for number in range(config.rounds):
            for processes in list(seconds)[:: -1 if number % 2 else 1]:
                seconds[processes].append(run_command(path, config.images, processes))
                written.append(contents(path))
                assert written[-1] == written[0], "the maps are not the same bytes"
    one, several = (np.array(found).T for found in seconds.values())
    print("| what | median | least–most | number |\n|---|---|---|---|")
    for place, what in enumerate(("the whole command", "the images alone")):
        print(row(f"{what}, one process", one[place], "s"))
        print(row(f"{what}, {config.processes} processes", several[place], "s"))
        print(row("the former, in the latter", one[place] / several[place], "×"))


if __name__ == "__main__":
    main()
