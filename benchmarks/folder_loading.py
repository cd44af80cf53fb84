"""Seconds to load a folder of images in a fresh process, the first time and from the cache.

python -m benchmarks.folder_loading --dataset folder:.data
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import tyro

CODE = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from sightline.image_data import load_image_data
data = load_image_data(sys.argv[1], image_size=32, data_dir=Path(sys.argv[2]))
print(len(data.train) + len(data.test), time.perf_counter() - start)
"""


def measure(dataset: str, cache: Path) -> tuple[int, float]:
    """Images, and seconds from the imports to two splits in memory."""
    command = [sys.executable, "-c", CODE, dataset, str(cache)]
    images, seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(images), float(seconds)


def main(dataset: str = "folder:.data", runs: Annotated[int, tyro.conf.arg(help="of each kind")] = 3) -> None:
    first, again = [], []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as cache:
            images, seconds = measure(dataset, Path(cache))
            first.append(seconds)
            again.append(measure(dataset, Path(cache))[1])
    print(f"{images:,} images, {runs} runs\n\n| | seconds, median | min–max |\n|---|---|---|")
    for name, times in (("first time", first), ("from the cache", again)):
        print(f"| {name} | {statistics.median(times):.2f} | {min(times):.2f}–{max(times):.2f} |")


if __name__ == "__main__":
    tyro.cli(main)
