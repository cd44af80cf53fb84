"""Where the seconds of a training step go, what share of the machine's matrix multiplication it reaches, and what the
rest of an epoch costs: the look at the test split, metrics and checkpoint.

python -m benchmarks.training_profile --model resnet18
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import tyro
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import matmul_rate, seconds_of
from benchmarks.training_speed import IMAGES, our_loop
from sightline.explain.world import ALONE
from sightline.model_zoo.device import choose_precision, keep_freed_memory
from sightline.run_store.metrics import METRICS_COLUMNS
from sightline.run_store.writer import RunWriter
from sightline.training.inference import predict_together, test_figures
from sightline.training.loop import Loop
from sightline.training.recipe import TrainConfig

TEST_IMAGES = 10_000
WARM_UP = 12  # steps until the memory that is kept has found its places
KINDS = {
    "convolution": ("mkldnn_convolution", "convolution_backward"),
    "im2col's matrix multiplication": ("mm",),
    "normalisation": ("native_batch_norm", "native_batch_norm_backward"),
    "activation": ("clamp_min", "threshold_backward"),
    "optimizer": ("_fused_sgd_",),
    "addition": ("add", "add_"),
    "copies (im2col's patches, bfloat16 weights, layouts)": ("copy_",),
}


def profiled(loop: Loop, side: int, steps: int) -> tuple[dict[str, float], list[float], float]:
    """Shares of the time by kind; seconds of each of `steps` steps that no profiler watched; FLOP of one step."""
    batches = _endless(loop, side)

    def step() -> None:
        loss, _ = loop.step(*next(batches))
        loss.item()

    for _ in range(WARM_UP):
        step()
    seconds = [seconds_of(step) for _ in range(steps)]
    with FlopCounterMode(display=False) as counter:
        step()
    preparing = statistics.median(seconds_of(lambda: next(batches)) for _ in range(steps)) / statistics.median(seconds)
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        for batch in [next(batches) for _ in range(6)]:
            loop.step(*batch)
    events = watched.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    shares = {
        kind: sum(event.self_cpu_time_total for event in events if event.key.removeprefix("aten::") in parts) / total
        for kind, parts in KINDS.items()
    }
    shares = {kind: share * (1 - preparing) for kind, share in shares.items()}
    shares["augmentation, normalising, resizing"] = preparing
    return shares | {"the rest": 1 - sum(shares.values())}, seconds, counter.get_total_flops()


def _endless(loop: Loop, side: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from loop.batches(side, epoch=1)


def rest_of_an_epoch(loop: Loop, sides: Sequence[int], rounds: int) -> dict[tuple[str, int | None], list[float]]:
    """Seconds, as training.train spends them after each epoch; by what is done and the side of the images, if any."""
    test = replace(
        loop.data.test, images=loop.data.test.images[:TEST_IMAGES], labels=loop.data.test.labels[:TEST_IMAGES]
    )
    row = dict.fromkeys(METRICS_COLUMNS, 0.0)
    seconds: dict[tuple[str, int | None], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, RunWriter.create(Path(folder) / "run", loop.record) as writer:
        looks = dict.fromkeys([*((loop.dtype, side) for side in sides), (torch.float32, sides[-1])])
        ways: dict[tuple[str, int | None], Callable[[], object]] = {
            (f"test split in {str(dtype).removeprefix('torch.')}", side): lambda dtype=dtype, side=side: test_figures(
                predict_together(loop.model, test, loop.record, ALONE, dtype, side)[0]
            )
            for dtype, side in looks
        }
        ways["checkpoint", None] = lambda: writer.save_checkpoint(loop.state() | {"metrics": []})
        ways["metrics", None] = lambda: writer.append_metrics(row)
        for turn in range(rounds + 1):
            for name, way in ways.items():
                taken = seconds_of(way)
                if turn:  # the first is for warming up
                    seconds.setdefault(name, []).append(taken)
    return seconds


def main(
    model: str = "resnet18", batch_size: int = 128, sides: tuple[int, ...] = (16, 24, 32), steps: int = 20
) -> None:
    keep_freed_memory()
    device = torch.device("cpu")
    dtype = choose_precision("auto", device)
    rate = matmul_rate(device, dtype)
    precision = str(dtype).removeprefix("torch.")
    print(f"matrix multiplication in {precision}: {rate / 1e9:.0f} GFLOP/s, {torch.get_num_threads()} threads\n")
    loop = our_loop(TrainConfig(model=model, batch_size=batch_size, precision=precision))
    found = [profiled(loop, side, steps) for side in sides]
    head = " | ".join(f"{side}×{side}" for side in sides)
    print(f"| a training step | {head} |\n|{'---|' * (len(sides) + 1)}")
    for kind in found[0][0]:
        print_row(kind, [f"{shares[kind]:.0%}" for shares, _, _ in found])
    speeds = [sorted(batch_size / taken for taken in seconds) for _, seconds, _ in found]
    print_row(
        f"images/s, median (min–max of {steps})",
        [f"{statistics.median(s):.0f} ({s[0]:.0f}–{s[-1]:.0f})" for s in speeds],
    )
    reached = [flop / statistics.median(seconds) / rate for _, seconds, flop in found]
    print_row("of the matrix multiplication's rate", [f"{share:.0%}" for share in reached])
    print(f"\n| after each epoch | seconds, median (min–max) | of an epoch at {head} |\n|{'---|' * (len(sides) + 2)}")
    for (name, of_side), values in rest_of_an_epoch(loop, sides, rounds=3).items():
        taken = statistics.median(values)
        shares = [
            f"{taken / (taken + IMAGES / statistics.median(speed)):.1%}" if of_side in (None, side) else ""
            for side, speed in zip(sides, speeds, strict=True)
        ]
        title = f"{name} at {of_side}×{of_side}" if of_side else name
        print_row(title, [f"{taken:.2f} ({min(values):.2f}–{max(values):.2f})", *shares])


def print_row(name: str, cells: Sequence[str]) -> None:
    print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    tyro.cli(main)
