"""How fast one GPU trains, and how accurate the models become: `benchmarks/h200.sh` runs it.

python -m benchmarks.gpu_training --dataset folder:.data --recipe best --seeds 0 1 2 3 4
"""

import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import matmul_rate, seconds_of
from sightline.model_zoo import build_model
from sightline.model_zoo.device import choose_device, choose_precision
from sightline.run_store.run import Run
from sightline.training.recipe import RECIPES
from sightline.training.train import train


def training_flop(model: str, classes: int, side: int) -> int:
    """Of one image: forward, and twice as much backward."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        build_model(model, classes).eval()(torch.zeros(1, 3, side, side))
    return 3 * counter.get_total_flops()


def main(
    dataset: str,
    recipe: Literal["fast", "best"] = "best",
    model: str = "resnet18",
    epochs: int | None = None,
    image_size: int = 32,
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    runs: Path = Path("runs/gpu"),
    compile: bool = True,
) -> None:
    """Train a run for each seed, named beforehand; unfinished ones go on, finished ones are only read."""
    arithmetic = "compiled" if compile else "eager"
    device = choose_device("auto")
    dtype = choose_precision("auto", device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    rate = matmul_rate(device, dtype)
    print(f"{name}, torch {torch.__version__}: matrix multiplication in {dtype} reaches {rate / 1e12:.2f} TFLOP/s")
    config = replace(RECIPES[recipe], dataset=dataset, model=model, image_size=image_size, compile=compile)
    config = replace(config, epochs=epochs or config.epochs, resume=True)
    lines, accuracies = [], []
    for seed in seeds:
        settings = (Path(dataset).name, recipe, model, config.epochs, image_size, arithmetic, seed)
        run = Run(runs / "_".join(map(str, settings)))
        if not run.path.exists() or run.state != "complete":
            torch.compiler.reset()  # so that each seed's first epoch says what compiling takes
            left = config.epochs - len(run.metrics())
            taken = seconds_of(partial(train, replace(config, seed=seed, run=run.path)))
            print(f"{taken:.1f} s for {left} epochs, with loading, compiling and sealing", flush=True)
        rows = run.metrics()
        accuracies.append(rows[-1].test_accuracy)
        seconds = [row.seconds for row in rows[1:-1]] or [rows[-1].seconds]  # the last judges in float32
        median, images = statistics.median(seconds), run.record.image_counts["train"]
        flop = training_flop(model, len(run.record.class_names), image_size)
        cells = [f"{rows[-1].test_accuracy:.2%}", f"{median:.2f}", f"{min(seconds):.2f}–{max(seconds):.2f}"]
        cells += [f"{rows[0].seconds:.2f}", f"{images / median:.0f}", f"{images * flop / median / rate:.0%}"]
        lines.append(f"| {seed} | {' | '.join(cells)} |")
    print(
        "| seed | test accuracy, last epoch | seconds an epoch, median | min–max | the first | images/s | of the rate |"
    )
    print(f"|{'---|' * 7}", *lines, sep="\n")
    spread = f"{min(accuracies):.2%}–{max(accuracies):.2%}, {len(accuracies)} seeds"
    print(f"\ntest accuracy {statistics.mean(accuracies):.2%} ({spread}); an epoch's seconds hold the look at the test")
    print("split; it is written while the next one trains. The first also compiles. The share is for full resolution.")


if __name__ == "__main__":
    tyro.cli(main)
