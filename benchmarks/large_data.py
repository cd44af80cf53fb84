"""Peak memory of a training, of one with --held-out and of an evaluation, with few images and with ten times as many;
and images a second of the training loop that reads a memory map, of the same in memory, and of the same that decodes.

python -m benchmarks.large_data

The images are generated JPEG files of 224×224 pixels (64 different ones, under as many names as are asked for), read
as any folder is. Memory is the largest RssAnon, asked for every 5 ms, of a process that does nothing else: what the
kernel cannot take back, so not the memory map. A training does so many steps, whatever the number of images; an
evaluation looks at all of them. The ways to read images take turns, so that a drift of the machine meets all of them.
"""

import io
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import tyro
from PIL import Image

from benchmarks.timing import seconds_of
from sightline.explain.reading import read_ahead
from sightline.image_data import ImageData, load_image_data
from sightline.image_data.folder.file_images import FileImages
from sightline.model_zoo import build_model
from sightline.model_zoo.device import keep_freed_memory
from sightline.run_store.record import RunRecord
from sightline.run_store.writer import RunWriter
from sightline.training.inference import write_predictions
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig
from sightline.training.train import train

SIDE, CLASSES, TEST = 224, 10, 40
PHOTOGRAPH = (500, 375)  # the usual size in ImageNet
MODEL = "resnet18_narrow"


def jpeg(seed: int, size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """Large patches of colour and some noise: about as many bytes as a photograph of that size."""
    digits = np.random.default_rng(seed)
    patches = Image.fromarray(digits.integers(0, 256, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8))
    pixels = np.asarray(patches.resize(size, Image.Resampling.BICUBIC)) + digits.normal(0, 8, (size[1], size[0], 3))
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()


def make_folder(folder: Path, count: int, size: tuple[int, int] = (SIDE, SIDE)) -> Path:
    contents = [jpeg(seed, size) for seed in range(64)]
    for split, images in (("train", count), ("test", TEST)):
        for code in range(CLASSES):
            (folder / split / f"class {code}").mkdir(parents=True)
        for number in range(images):
            file = folder / split / f"class {number % CLASSES}" / f"{number:06}.jpg"
            file.write_bytes(contents[number % len(contents)])
    return folder


def load(folder: Path) -> ImageData:
    return load_image_data(f"folder:{folder}", image_size=SIDE)


def train_steps(folder: Path, batch_size: int, steps: int, held_out: int | None = None) -> None:
    """The command `sightline train`, but for the end of its epoch, which comes early."""
    prepared = Loop.__post_init__

    def few_steps(loop: Loop) -> None:
        prepared(loop)
        loop.steps_per_epoch = steps

    options = {"dataset": f"folder:{folder}", "image_size": SIDE, "model": MODEL, "batch_size": batch_size}
    with patch.object(Loop, "__post_init__", few_steps):
        train(TrainConfig(**options, epochs=1, held_out=held_out, device="cpu", run=folder / f"run {held_out}"))


def train_held_out(folder: Path, batch_size: int, steps: int) -> None:
    train_steps(folder, batch_size, steps, held_out=TEST)


def evaluate(folder: Path, batch_size: int, steps: int) -> None:
    """What `sightline evaluate` does with a test split; here, of all the images."""
    keep_freed_memory()
    data = load(folder)
    with RunWriter.create(folder / "run", record(data)) as writer:
        write_predictions(writer, build_model(MODEL, CLASSES, SIDE), data.train)


def load_first(folder: Path, batch_size: int, steps: int) -> None:
    load(folder)


def record(data: ImageData) -> RunRecord:
    return RunRecord(
        model=MODEL, layers=("layer4",), dataset=data.name, fingerprints={}, image_counts={},
        class_names=data.train.class_names, mean=(0.5,) * 3, std=(0.25,) * 3, input_size=SIDE, parameters=0,
        recipe={"precision": "float32"}, seed=0, threads=torch.get_num_threads(), device="cpu", created="",
    )  # fmt: skip


WORK = {
    "decoding into the cache": load_first,
    "training": train_steps,
    "training with --held-out": train_held_out,
    "evaluating all images": evaluate,
}


def peak_of(work: Callable[..., None], *arguments: object) -> float:
    """Megabytes of anonymous memory of a process of its own that does this work."""
    process = multiprocessing.get_context("spawn").Process(target=quietly, args=(work, *arguments))
    process.start()
    peak = 0.0
    while process.is_alive():
        peak = max(peak, anonymous(process.pid))
        time.sleep(0.005)
    if process.exitcode:
        raise SystemExit(f"{work.__name__} failed.")
    return peak


def quietly(work: Callable[..., None], *arguments: object) -> None:
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        work(*arguments)


def anonymous(pid: int | None) -> float:
    """Megabytes of a process that belong to no file; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("RssAnon:")), 0)


def ways_to_read(data: ImageData, config: TrainConfig) -> dict[str, Loop]:
    """The same training three times: as it was before, from memory; from the memory map; from the files."""
    assert data.train.paths
    images = {
        "in memory": data.train.images,
        "from the memory map": data.train.images,
        "decoded when needed": FileImages(data.train.paths, SIDE),
    }
    loops = {}
    for name, each in images.items():
        split = replace(data.train, images=each)
        model = build_model(MODEL, CLASSES, SIDE).train()
        loops[name] = Loop(config, model, replace(data, train=split), record(data))
    loops["in memory"].images = torch.from_numpy(np.array(data.train.images))
    return loops


def endless(loop: Loop) -> Iterator[None]:
    while True:
        for batch in loop.batches(SIDE, epoch=1):
            loop.step(*batch)[0].item()
            yield


def speeds(loops: dict[str, Loop], rounds: int, steps: int) -> dict[str, list[float]]:
    """Images a second of each way, in each round."""
    running = {name: endless(loop) for name, loop in loops.items()}
    found: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(rounds + 1):
        names = list(loops) if turn % 2 else list(reversed(loops))
        for name in names:
            seconds = seconds_of(lambda name=name: [next(running[name]) for _ in range(steps)])
            if turn:  # the first is for warming up
                found[name].append(steps * loops[name].batch_size / seconds)
    return found


def decoding_speeds(folder: Path, rounds: int) -> list[float]:
    """Images a second that the workers decode and nobody waits for: files, in an order that is drawn."""
    images = FileImages([str(file) for file in sorted(folder.glob("train/*/*.jpg"))], SIDE)
    parts = [torch.from_numpy(part) for part in np.array_split(np.random.default_rng(0).permutation(len(images)), 30)]
    images[:64]  # the workers start

    def decode() -> None:
        for _ in read_ahead(images, parts, torch.device("cpu")):
            pass

    return [len(images) / seconds_of(decode) for _ in range(rounds)]


def print_row(name: str, values: Sequence[float], *others: str) -> None:
    spread = f"{min(values):.1f}–{max(values):.1f}"
    print(f"| {name} | {statistics.median(values):.1f} | {spread} |{''.join(f' {other} |' for other in others)}")


def report_memory(folders: dict[int, Path], batch_size: int, steps: int) -> None:
    few, many = folders
    print(f"| peak anonymous memory, MB | {few:,} images | {many:,} images | × |\n|---|---|---|---|")
    for name, work in WORK.items():
        peaks = [peak_of(work, folder, batch_size, steps) for folder in folders.values()]
        print(f"| {name} | {peaks[0]:.0f} | {peaks[1]:.0f} | {peaks[1] / peaks[0]:.3f} |", flush=True)


def report_speed(folder: Path, photographs: Path, batch_size: int, steps: int, rounds: int) -> None:
    print("\n| | images/s, median | min–max | × in memory, median of the rounds |\n|---|---|---|---|")
    found = speeds(ways_to_read(load(folder), TrainConfig(model=MODEL, batch_size=batch_size)), rounds, steps)
    for name, values in found.items():
        ratios = [value / base for value, base in zip(values, found["in memory"], strict=True)]
        print_row(f"training, {name}", values, f"{statistics.median(ratios):.3f}")
    for size, files in ((f"{SIDE}×{SIDE}", folder), ("×".join(map(str, PHOTOGRAPH)), photographs)):
        print_row(f"only decoding, JPEG files of {size}", decoding_speeds(files, rounds=2), "")


def main(
    few: int = 2_000,
    many: int = 20_000,
    batch_size: int = 16,
    steps: int = 3,
    rounds: int = 7,
    folder: Path | None = None,
) -> None:
    """folder: on a disk with room for 4 GB; by default that of temporary files."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        os.environ["SIGHTLINE_DATA"] = f"{place}/data"
        folders = {count: make_folder(Path(place) / str(count), count) for count in (few, many)}
        photographs = make_folder(Path(place) / "photographs", 2_000, PHOTOGRAPH)
        report_memory(folders, batch_size, steps)
        shutil.rmtree(folders.pop(many))
        keep_freed_memory()
        report_speed(folders[few], photographs, batch_size, steps, rounds)


if __name__ == "__main__":
    tyro.cli(main)
