"""Train a classifier, write its run directory.

    python -m training.train --dataset planted-shapes --model resnet18_narrow --epochs 10
    python -m training.train --dataset cifar10 --model resnet18 --epochs 20 --run runs/cifar10
    python -m training.train --dataset folder:DIR --model resnet18 --epochs 20
"""

import importlib.metadata
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from image_data import ImageData, load_image_data
from model_zoo import build_model, load_pretrained, model_spec, normalize
from run_store.predictions import predictions_table
from run_store.run import METRICS_COLUMNS, RunRecord
from run_store.writer import RunWriter
from training.augment import augment
from training.evaluate import USER_ERRORS, infer, stored_images, test_figures
from training.recipe import (
    TrainConfig,
    TrainingError,
    choose_device,
    choose_precision,
    keep_freed_memory,
    make_optimizer,
    resolution,
    triangular,
)

REPORT_STEPS = 10  # steps between two looks at the loss: each look waits for the device


def train(config: TrainConfig) -> Path:
    """Train as `config` says; returns the run directory. Raises one of USER_ERRORS with a sentence."""
    config.check()
    spec = model_spec(config.model)
    device = choose_device(config.device)
    torch.set_num_threads(config.threads or os.cpu_count() or 1)
    keep_freed_memory()
    data = _load_data(config, spec.input_size)
    torch.manual_seed(config.seed)
    model = build_model(config.model, len(data.train.class_names))
    if config.pretrained:
        load_pretrained(model, config.pretrained, spec.head)
    mean, std = _mean_and_std(data.train.images)
    record = _record(config, data, model, spec.layers, mean, std, device)
    run = config.run or Path("runs") / _default_name(config)
    with RunWriter.create(run, record) as writer:
        print(f"{run}: {config.model} on {config.dataset}, {device}, {record.recipe['precision']}", flush=True)
        try:
            fit(config, data, model.to(device), writer)
        except (TrainingError, OSError, torch.OutOfMemoryError) as error:
            writer.fail(str(error))
            raise TrainingError(f"The training of {run} failed: {error}") from error
    return run


def fit(config: TrainConfig, data: ImageData, model: nn.Module, writer: RunWriter) -> None:
    """Train `model` in place for `config.epochs` epochs, writing each to the run, and seal it with its predictions."""
    record = writer.record
    head = model_spec(config.model).head
    loop = Loop(config, model, data, record)
    writer.save_images(stored_images(data.test), data.test.masks)
    rows: list[dict[str, float]] = []
    images = loop.steps_per_epoch * loop.batch_size
    with tqdm(total=config.epochs * images, unit="image", unit_scale=True, smoothing=0.05) as progress:
        for epoch in range(1, config.epochs + 1):
            start = time.perf_counter()
            row = {"epoch": epoch, **loop.train_epoch(epoch, progress)}
            # The last epoch is judged by the very predictions that the run will show, in float32.
            dtype = torch.float32 if epoch == config.epochs else loop.dtype
            logits, features = infer(model, data.test.images, record.mean, record.std, head, dtype)
            table = predictions_table(logits, data.test.labels, data.test.paths)
            row |= test_figures(table) | {"seconds": time.perf_counter() - start}
            rows.append(row)
            writer.save_checkpoint(loop.state() | {"metrics": [[row[name] for name in METRICS_COLUMNS] for row in rows]})
            writer.append_metrics(row)
            progress.write(_epoch_line(row, config.epochs, images))
    writer.save_model(model)
    writer.complete(table, features)


@dataclass
class Loop:
    """The training steps of one model: its batches, optimizer and schedule."""

    config: TrainConfig
    model: nn.Module
    data: ImageData
    record: RunRecord

    def __post_init__(self) -> None:
        config, device = self.config, torch.device(self.record.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this form
        self.images = torch.from_numpy(np.array(self.data.train.images)).to(device)
        self.labels = torch.from_numpy(self.data.train.labels).to(device)
        self.dtype = getattr(torch, self.record.recipe["precision"])
        self.batch_size = min(config.batch_size, len(self.labels))
        self.steps_per_epoch = len(self.labels) // self.batch_size
        self.optimizer = make_optimizer(self.model, config)
        self.generator = torch.Generator().manual_seed(config.seed)

    def state(self) -> dict[str, Any]:
        """What a training needs to go on, as plain tensors and numbers."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def train_epoch(self, epoch: int, progress: tqdm) -> dict[str, float]:
        """One pass; returns train_loss (with label smoothing), train_accuracy on augmented images, learning_rate."""
        size = resolution(self.config, epoch, self.record.input_size)
        self.model.train()
        losses: list[Tensor] = []
        hits: list[Tensor] = []
        for step, (images, labels) in enumerate(self._batches(size), start=(epoch - 1) * self.steps_per_epoch):
            learning_rate = self._set_learning_rate(step)
            loss, correct = self._step(images, labels)
            losses.append(loss)
            hits.append(correct)
            if len(losses) % REPORT_STEPS == 0 or len(losses) == self.steps_per_epoch:
                self._check_finite(losses[-REPORT_STEPS:], step)
                done = len(losses) * self.batch_size
                accuracy = torch.stack(hits).sum().item() / done
                progress.set_postfix_str(f"epoch {epoch}, loss {losses[-1].item():.3f}, accuracy {accuracy:.1%}", refresh=False)
                progress.update((epoch - 1) * self.steps_per_epoch * self.batch_size + done - progress.n)
        return {"train_loss": torch.stack(losses).mean().item(), "train_accuracy": accuracy, "learning_rate": learning_rate}

    def _batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented batches, normalised float32 B×3×size×size; what does not fill a batch waits for the next epoch."""
        config = self.config
        order = torch.randperm(len(self.labels), generator=self.generator).to(self.images.device)
        for index in order[: self.steps_per_epoch * self.batch_size].split(self.batch_size):
            pixels = augment(
                self.images[index], self.generator, padding=config.crop_padding, flip=config.flip, cutout=config.cutout
            )
            images = normalize(pixels, self.record.mean, self.record.std)
            if size != self.record.input_size:
                images = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
            yield images.contiguous(memory_format=torch.channels_last), self.labels[index]

    def _step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One update of the weights; the loss and the number of right answers before it, still on the device."""
        with torch.autocast(images.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = self.model(images)
        loss = functional.cross_entropy(logits.float(), labels, label_smoothing=self.config.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach(), (logits.detach().argmax(dim=1) == labels).sum()

    def _set_learning_rate(self, step: int) -> float:
        learning_rate = triangular(
            step, self.config.epochs * self.steps_per_epoch, self.config.learning_rate, self.config.warmup
        )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        return learning_rate

    def _check_finite(self, losses: list[Tensor], last_step: int) -> None:
        finite = torch.stack(losses).isfinite().tolist()
        if all(finite):
            return
        step = last_step - len(losses) + 1 + finite.index(False)
        learning_rate = self._set_learning_rate(step)
        raise TrainingError(
            f"the loss is not finite at step {step + 1} (epoch {step // self.steps_per_epoch + 1}), "
            f"learning rate {learning_rate:.4g}; the last good epoch is kept. Try a lower --learning-rate."
        )


def _load_data(config: TrainConfig, input_size: int) -> ImageData:
    is_folder = config.dataset.startswith("folder:")
    with tqdm(desc="decoding", unit="image", disable=not is_folder, leave=False) as progress:

        def show(done: int, total: int) -> None:
            progress.total = total
            progress.update(done - progress.n)

        image_size = config.image_size or (input_size if is_folder else None)
        data = load_image_data(config.dataset, image_size=image_size, strict=config.strict, progress=show)
    for warning in data.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    return data


def _mean_and_std(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Per channel, 0–1, of uint8 N×H×W×3: exact, from the counts of the 256 values."""
    counts = np.stack([np.bincount(images[..., channel].ravel(), minlength=256) for channel in range(3)])
    values = np.arange(256) / 255
    mean = (counts * values).sum(axis=1) / counts.sum(axis=1)
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    return mean.tolist(), np.maximum(np.sqrt(variance), 1 / 255).tolist()  # a constant channel must not divide by zero


def _record(
    config: TrainConfig,
    data: ImageData,
    model: nn.Module,
    layers: tuple[str, ...],
    mean: list[float],
    std: list[float],
    device: torch.device,
) -> RunRecord:
    splits = {"train": data.train, "test": data.test}
    precision = str(choose_precision(config.precision, device)).removeprefix("torch.")
    recipe = asdict(config) | {"precision": precision}
    return RunRecord(
        model=config.model,
        layers=layers,
        dataset=config.dataset,
        fingerprints={name: split.fingerprint for name, split in splits.items()},
        image_counts={name: len(split) for name, split in splits.items()},
        class_names=data.train.class_names,
        mean=tuple(mean),
        std=tuple(std),
        input_size=data.train.images.shape[1],
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        recipe={name: str(value) if isinstance(value, Path) else value for name, value in recipe.items()},
        seed=config.seed,
        threads=torch.get_num_threads(),
        device=device.type,
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        git_commit=_git_commit(),
        packages={name: importlib.metadata.version(name) for name in ("torch", "torchvision", "numpy")}
        | {"python": platform.python_version()},
    )


def _git_commit() -> str:
    """The commit this code is at, marked when files differ from it; empty outside a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _default_name(config: TrainConfig) -> str:
    dataset = re.sub(r"[^\w.-]+", "-", config.dataset).strip("-")
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}_{dataset}_{config.model}_seed{config.seed}"


def _epoch_line(row: Mapping[str, float], epochs: int, images: int) -> str:
    return (
        f"epoch {row['epoch']:>3}/{epochs}  train loss {row['train_loss']:.4f} accuracy {row['train_accuracy']:.2%}"
        f"  test loss {row['test_loss']:.4f} accuracy {row['test_accuracy']:.2%}"
        f"  {row['seconds']:.1f} s, {images / row['seconds']:.0f} images/s"
    )


def main() -> None:
    config = tyro.cli(TrainConfig, prog="python -m training.train")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an interruption like Ctrl-C
    try:
        print(f"Done: {train(config)}")
    except KeyboardInterrupt:
        print("\nInterrupted: the run keeps every finished epoch and opens in the app.", file=sys.stderr)
        sys.exit(130)
    except USER_ERRORS as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
