"""Images a second of our training loop, of its variants, and of the plain loop that everyone writes.

python -m benchmarks.training_speed --model resnet18

Every contestant lives in a process of its own; they take turns, so that a drift of the machine meets all of them.
"""

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import numpy as np
import torch
import tyro
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from tqdm import tqdm

from sightline.image_data import ImageData, ImageSplit
from sightline.model_zoo import build_model
from sightline.model_zoo.device import keep_freed_memory
from sightline.run_store.record import RunRecord
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig

IMAGES, CLASSES, SIDE = 50_000, 10, 32
NAMES = tuple(f"class {code}" for code in range(CLASSES))


def random_split() -> ImageSplit:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    return ImageSplit(pixels, rng.integers(0, CLASSES, IMAGES), NAMES, "")


class PilImages(Dataset):
    """As torchvision's CIFAR10: arrays in memory, each made a PIL image when asked for."""

    def __init__(self) -> None:
        self.split = random_split()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(SIDE, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize((0.5,) * 3, (0.25,) * 3),
            ]
        )

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.split.images[index])), int(self.split.labels[index])


def plain_steps(config: TrainConfig) -> Iterator[None]:
    model = build_model(config.model, CLASSES).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    criterion = nn.CrossEntropyLoss()
    for images, labels in DataLoader(PilImages(), config.batch_size, shuffle=True, num_workers=2):
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        yield


def our_loop(config: TrainConfig) -> Loop:
    data = ImageData("random", random_split(), random_split())
    record = RunRecord(
        model=config.model, layers=(), dataset="random", fingerprints={}, image_counts={}, class_names=NAMES,
        mean=(0.5,) * 3, std=(0.25,) * 3, input_size=SIDE, parameters=0, recipe={"precision": config.precision},
        seed=0, threads=torch.get_num_threads(), device="cpu", created="",
    )  # fmt: skip
    return Loop(config, build_model(config.model, CLASSES).train(), data, record)


def our_steps(config: TrainConfig) -> Iterator[None]:
    loop = our_loop(config)
    for images, labels in loop.batches(SIDE, epoch=1):
        loss, _ = loop.step(images, labels)
        loss.item()
        yield


def contestant(
    connection: Connection, steps_of: Callable[[TrainConfig], Iterator[None]], config: TrainConfig, keep: bool
) -> None:
    """Do as many steps as asked for, answer with the seconds; asked for none, answer with the peak memory and end."""
    if keep:
        keep_freed_memory()
    steps = steps_of(config)
    while count := connection.recv():
        start = time.perf_counter()
        for _ in range(count):
            next(steps)
        connection.send(time.perf_counter() - start)
    connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)


def main(model: str = "resnet18", rounds: int = 5, steps: int = 2, batch_size: int = 128) -> None:
    float32 = TrainConfig(model=model, batch_size=batch_size, precision="float32")
    bfloat16 = TrainConfig(model=model, batch_size=batch_size, precision="bfloat16")
    contestants = {
        "plain loop: PIL, DataLoader with 2 workers, float32, NCHW": (plain_steps, float32, False),
        "ours, float32": (our_steps, float32, True),
        "ours, float32, freed memory returned to the kernel": (our_steps, float32, False),
        "ours, bfloat16": (our_steps, bfloat16, True),
    }
    spawn = multiprocessing.get_context("spawn")
    pipes = {}
    for name, arguments in contestants.items():
        pipes[name], theirs = spawn.Pipe()
        spawn.Process(target=contestant, args=(theirs, *arguments)).start()
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in tqdm(range(rounds + 1)):
        for name, pipe in pipes.items():
            pipe.send(steps)
            seconds = pipe.recv()
            if turn:  # the first is for warming up
                speeds[name].append(steps * batch_size / seconds)
    print_table(speeds, {name: _end(pipe) for name, pipe in pipes.items()})


def _end(pipe: Connection) -> float:
    pipe.send(0)
    return pipe.recv()


def print_table(speeds: dict[str, list[float]], memory: dict[str, float]) -> None:
    base = statistics.median(next(iter(speeds.values())))
    print("| | images/s, median | min–max | × | peak memory, GiB |\n|---|---|---|---|---|")
    for name, values in speeds.items():
        median = statistics.median(values)
        spread = f"{min(values):.1f}–{max(values):.1f}"
        print(f"| {name} | {median:.1f} | {spread} | {median / base:.2f} | {memory[name]:.2f} |")


if __name__ == "__main__":
    tyro.cli(main)
