"""What a change of the recipe does, on images held out of the training split: the test split is never looked at.

python -m benchmarks.recipe_ablation --dataset folder:.data --epochs 6 --seeds 0 1 2 \\
    --variants "" weight-decay=1.5e-3 "learning-rate=0.2 weight-decay=1e-3"
"""

import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tyro

from sightline.run_store.run import Run


def main(
    dataset: str = "folder:.data",
    model: str = "resnet18_narrow",
    epochs: int = 6,
    image_size: int = 32,
    held_out: int = 5000,
    seeds: tuple[int, ...] = (0, 1, 2),
    variants: tuple[str, ...] = ("", "weight-decay=1.5e-3"),
    runs: Path = Path("runs/ablation"),
    jobs: int = 1,
) -> None:
    """Train `model` with the options of each variant, a run for each seed; finished runs are not trained again.

    A variant names options of training.train without their dashes; an empty one is the defaults. `jobs` trainings run
    at once, sharing the processor's cores: small models have no use for many.
    """
    common = ["--dataset", dataset, "--model", model, "--epochs", str(epochs), "--held-out", str(held_out)]
    if jobs > 1:
        common += ["--threads", str(max(1, (os.cpu_count() or 1) // jobs))]
    if dataset.startswith("folder:"):
        common += ["--image-size", str(image_size)]
    head = "| options | held-out accuracy, mean | min–max | loss | seeds |"
    print(f"{head}\n|{'---|' * (head.count('|') - 1)}", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        trainings = {
            variant: [pool.submit(trained, runs, [*common, *_options(variant)], seed) for seed in seeds]
            for variant in variants
        }
        try:
            for variant, of_seeds in trainings.items():
                last = [training.result().metrics()[-1] for training in of_seeds]
                accuracy = [epoch.test_accuracy for epoch in last]
                loss = statistics.mean(epoch.test_loss for epoch in last)
                spread = f"{statistics.mean(accuracy):.2%} | {min(accuracy):.2%}–{max(accuracy):.2%}"
                print(f"| {variant or 'the defaults'} | {spread} | {loss:.3f} | {len(seeds)} |", flush=True)
        finally:
            pool.shutdown(cancel_futures=True)  # one that failed, or Ctrl-C, ends the others too


def _options(variant: str) -> list[str]:
    return [word for pair in variant.split() for word in f"--{pair}".split("=", 1)]


def trained(runs: Path, options: list[str], seed: int) -> Run:
    """The run of these options, trained or gone on with where it is not complete."""
    name = "_".join(option.lstrip("-").replace(":", "_").replace("/", "_") for option in [*options, f"seed{seed}"])
    run = Run(runs / name)
    if not run.path.exists() or run.state != "complete":
        command = [
            sys.executable,
            "-m",
            "sightline.training.train",
            *options,
            "--seed",
            str(seed),
            "--run",
            str(run.path),
        ]
        command += ["--resume"] * run.path.exists()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run


if __name__ == "__main__":
    tyro.cli(main)
