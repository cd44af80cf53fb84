"""Maps of a whole test split, and one map at a time: computed live, and read where it was precomputed.

python -m benchmarks.precompute_speed [--images 10000 --processes 3]

ResNet18 with random weights, four stages, the predicted class. Every round is a fresh process that loads the model and
the images, and then does both: one plain forward pass over all images, and `explain.precompute`. Its memory is the
peak of that process above what it held with the model and the images loaded (precompute loads both once more).
"""

import multiprocessing
import re
import tempfile
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
import tyro

from benchmarks.timing import seconds_of
from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.precompute import precompute
from sightline.model_zoo import build_model
from sightline.model_zoo.device import choose_device, keep_freed_memory
from sightline.run_store.maps import read_map, remove_maps
from sightline.run_store.predictions_file import predictions_table
from sightline.run_store.record import RunRecord
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter

CLASSES, SIDE = 10, 32
LAYERS = ("layer1", "layer2", "layer3", "layer4")


@dataclass(frozen=True)
class Config:
    """Measure the maps of a whole test split, and single ones; prints a table in Markdown."""

    images: int = 10_000
    processes: int = 3
    """one after the other"""
    single: int = 30
    """images explained one at a time, and read"""
    device: str = "cpu"


def make_run(path: Path, images: int) -> Run:
    """A complete run of ResNet18 with random weights; what it predicted is made up."""
    torch.manual_seed(0)
    digits = np.random.default_rng(0)
    record = RunRecord(
        model="resnet18", layers=LAYERS, dataset="random", fingerprints={}, image_counts={"test": images},
        class_names=tuple(f"class {code}" for code in range(CLASSES)), mean=(0.5,) * 3, std=(0.25,) * 3,
        input_size=SIDE, parameters=0, recipe={}, seed=0, threads=torch.get_num_threads(), device="cpu", created="",
    )  # fmt: skip
    with RunWriter.create(path, record) as writer:
        writer.save_model(build_model(record.model, CLASSES))
        writer.save_images(digits.integers(0, 256, (images, SIDE, SIDE, 3), dtype=np.uint8), None)
        logits = digits.normal(size=(images, CLASSES)).astype(np.float32)
        writer.complete(predictions_table(logits, logits.argmax(1)), np.zeros((images, 1)))
    return Run(path)


def whole_split(connection: Connection, path: Path, device_name: str) -> None:
    """Send the seconds of one forward pass and of `precompute`, and the latter's memory in GiB."""
    device, run = choose_device(device_name), Run(path)
    pixels, model = np.array(run.images()), run.load_model().to(device)
    remove_maps(path)
    start = resident()["VmRSS"]
    keep_freed_memory()  # as the command does; the forward pass gains from it too
    with RunWriter.reopen(path, run.record):
        seconds = seconds_of(lambda: precompute(run, targets=("predicted",), device=device))
    memory = resident()["VmHWM"] - start
    # The forward pass comes last: it has a peak of its own.
    connection.send((seconds_of(lambda: forward_over(run, model, pixels, device)), seconds, memory))


def forward_over(run: Run, model: torch.nn.Module, pixels: np.ndarray, device: torch.device) -> None:
    with torch.no_grad():
        for start in range(0, len(pixels), 256):
            model(run.to_input(pixels[start : start + 256]).to(device)).cpu()


def resident() -> dict[str, float]:
    """Memory of this process in GiB: VmRSS now, VmHWM at most so far (of this program only, unlike getrusage)."""
    status = Path("/proc/self/status").read_text()
    return {name: int(size) / 2**20 for name, size in re.findall(r"(VmRSS|VmHWM):\s+(\d+) kB", status)}


def single_maps(run: Run, count: int, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds to compute, and to read, the four maps of the predicted class of one image."""
    model = run.load_model().to(device)

    def compute(image: int) -> None:
        pixels = run.to_input(run.model_images([image])).to(device)
        maps = layer_attributions(model, pixels, LAYERS, torch.tensor([[0]], device=device))
        _ = [values.cpu() for values in maps.values()]

    def read(image: int) -> None:
        for layer in LAYERS:
            read_map(run, "gradcam", layer, "predicted", image)

    chosen = np.random.default_rng(0).integers(0, len(run.images()), count)
    compute(0)  # to warm up
    live, stored = ([seconds_of(partial(act, image)) for image in chosen.tolist()] for act in (compute, read))
    return 1000 * np.array(live), 1000 * np.array(stored)


def row(name: str, values: np.ndarray, unit: str) -> str:
    return f"| {name} | {np.median(values):.2f} {unit} | {values.min():.2f}–{values.max():.2f} | {len(values)} |"


def in_a_fresh_process(path: Path, device: str) -> tuple[float, float, float]:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=whole_split, args=(theirs, path, device))
    process.start()
    theirs.close()  # so that the end of the process ends the waiting
    try:
        return ours.recv()
    finally:
        process.join()


def main() -> None:
    config = tyro.cli(Config, prog="python -m benchmarks.precompute_speed")
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder) / "run", config.images)
        answers = [in_a_fresh_process(run.path, config.device) for _ in range(config.processes)]
        live, stored = single_maps(run, config.single, choose_device(config.device))
    forward, seconds, memory = np.array(answers).T
    print("| what | median | least–most | number |\n|---|---|---|---|")
    print(row(f"one forward pass over {config.images:,} images", forward, "s"))
    print(row("maps of four stages of them all, written", seconds, "s"))
    print(row("the latter, in forward passes", seconds / forward, "×"))
    print(row("memory of the latter above the start", memory, "GiB"))
    print(row("four maps of one image, computed, model warm", live, "ms"))
    print(row("four maps of one image, read", stored, "ms"))


if __name__ == "__main__":
    main()
