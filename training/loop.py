"""The training of one model, from top to bottom: the epochs, the steps of one, a batch, an update."""

import math
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from sightline.explain.reading import on_gpu_if_small, read_ahead
from sightline.explain.world import ALONE, World
from sightline.image_data import ImageData
from sightline.model_zoo import normalize
from sightline.run_store import files
from sightline.run_store.checkpoint import read_checkpoint
from sightline.run_store.files import EVENTS
from sightline.run_store.metrics import METRICS_COLUMNS
from sightline.run_store.record import RunRecord
from sightline.run_store.run import Run
from sightline.run_store.thumbnails import kept_images
from sightline.run_store.writer import RunWriter
from sightline.training.augment import augment, mix
from sightline.training.commits import Commits
from sightline.training.event_files import event_files
from sightline.training.im2col import Im2col
from sightline.training.inference import predict_together, seal, test_figures
from sightline.training.recipe import (
    TrainConfig,
    TrainingError,
    make_optimizer,
    resolution,
    steps_per_epoch,
    triangular,
)
from sightline.training.strided import StridedPoints

REPORT_STEPS = 10  # steps between two looks at the loss: each look waits for the device


def fit(loop: "Loop", writer: RunWriter | None) -> None:
    """Train up to the last epoch, writing each epoch to the run, and seal it with its predictions.

    Goes on after the run's last finished epoch, where it has one. writer: of the first process, None in the others.
    An epoch is written while the next one trains, and the line that says so is printed when it has been.
    """
    config, rows = loop.config, _go_on(loop, writer)
    commits = Commits(writer, config, len(rows), len(loop.data.test)) if writer else None
    if writer:
        writer.save_images(kept_images(loop.data.test), loop.data.test.masks)
    finished, images = len(rows), loop.steps_per_epoch * loop.batch_size
    predicted = loop.predict_test(config.epochs) if finished == config.epochs else None  # resumed after the last epoch
    bar = tqdm(total=config.epochs * images, unit="image", unit_scale=True, smoothing=0.05, disable=writer is None)
    bar.update(finished * images)
    folder = writer.path / EVENTS if writer and config.tensorboard else None
    with event_files(folder, rows) as add_event, bar, ThreadPoolExecutor(1) as background:

        def commit(commits: Commits, state: dict[str, Any], row: dict[str, float], predictions: pa.Table) -> None:
            commits.write(state, row, predictions)
            add_event(row)
            bar.write(_epoch_line(row, config.epochs, images))

        committed = background.submit(lambda: None)
        for epoch in range(finished + 1, config.epochs + 1):
            start = time.perf_counter()
            row = {"epoch": epoch, **loop.train_epoch(epoch, bar)}
            predicted = loop.predict_test(epoch)
            if commits is None or predicted is None:  # another process than the first
                continue
            state = loop.state()
            row |= test_figures(predicted[0]) | {"seconds": time.perf_counter() - start}
            if not math.isfinite(row["test_loss"]):  # the last update of an epoch is seen by no training loss
                raise loop.diverged(epoch * loop.steps_per_epoch - 1)
            rows.append([row[name] for name in METRICS_COLUMNS])
            committed.result()
            committed = background.submit(commit, commits, state | {"metrics": rows[:]}, row, predicted[0])
        committed.result()
    if writer and predicted:
        writer.save_model(loop.model)
        seal(writer, *predicted)


def _go_on(loop: "Loop", writer: RunWriter | None) -> list[list[float]]:
    """Put the run's last finished epoch, if any, back into `loop` in every process; return the metrics so far."""
    rows: list[list[float]] = []
    if writer:
        checkpoint = read_checkpoint(Run(writer.path))
        if checkpoint is not None:
            try:
                rows = checkpoint["metrics"]
                loop.restore(checkpoint)
            except (KeyError, TypeError, ValueError, RuntimeError) as error:  # torch could read it, but it is another
                raise TrainingError(f"{files.CHECKPOINT} is damaged; train the run again.") from error
        writer.restart(rows)
    rows, state = loop.world.share((rows, loop.state()))
    if not writer:
        loop.restore(state)
    return rows


def _epoch_line(row: Mapping[str, float], epochs: int, images: int) -> str:
    return (
        f"epoch {row['epoch']:>3}/{epochs}  train loss {row['train_loss']:.4f} accuracy {row['train_accuracy']:.2%}"
        f"  test loss {row['test_loss']:.4f} accuracy {row['test_accuracy']:.2%}"
        f"  {row['seconds']:.1f} s, {images / row['seconds']:.0f} images/s"
    )


@dataclass
class Loop:
    """A network in training, on its device, with all that an epoch changes; `record` says with which arithmetic.

    Each process of `world` takes its part of every batch: what is one batch, what order and augmentation the images
    have and how the learning rate runs do not depend on how many they are. Raises TrainingError for a batch that
    cannot be divided among them.
    """

    config: TrainConfig
    model: nn.Module
    data: ImageData
    record: RunRecord
    world: World = ALONE

    def __post_init__(self) -> None:
        config, device = self.config, torch.device(self.record.device)
        self.device = device
        self.model.to(memory_format=torch.channels_last)
        self.images = on_gpu_if_small(self.data.train.images, device)
        self.labels = torch.from_numpy(np.array(self.data.train.labels)).to(device)
        self.dtype = getattr(torch, self.record.recipe["precision"])
        self.batch_size = min(config.batch_size, len(self.labels))
        if self.batch_size % self.world.size:
            raise TrainingError(f"--batch-size {self.batch_size} cannot be divided among {self.world.size} processes.")
        network = self.world.wrapped(self.model)
        # One GPU replays the step from a graph: to start its kernels one by one takes longer than they do.
        mode = "reduce-overhead" if device.type == "cuda" and self.world.size == 1 else None
        self.network = torch.compile(network, dynamic=False, mode=mode) if config.compile else network
        self.steps_per_epoch = steps_per_epoch(config, len(self.labels))
        self.optimizer = make_optimizer(self.model, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        sides = torch.randint(0, 2, (len(self.labels),), generator=torch.Generator().manual_seed(config.seed))
        self.mirrored_first = sides.to(device) == 1  # in the odd epochs of --alternating-flip
        self.torch = torch.cuda if device.type == "cuda" else torch  # whose random numbers dropout takes

    def train_epoch(self, epoch: int, bar: tqdm) -> dict[str, float]:
        """Train on every image once, and move the bar on.

        Returns train_loss (with label smoothing), train_accuracy (on augmented images, 0–1) and the last learning_rate.
        Raises TrainingError where a loss is infinite or no number.
        """
        side = resolution(self.config, epoch, self.record.input_size)
        first, end = (epoch - 1) * self.steps_per_epoch, epoch * self.steps_per_epoch
        sums: list[Tensor] = []  # of each step, over all processes: losses, right answers
        recent: list[Tensor] = []  # of this process, since the last look
        self.model.train()
        for step, (images, targets) in enumerate(self.batches(side, epoch), start=first):
            learning_rate = self.set_learning_rate(step)
            recent.append(torch.stack(self.step(images, targets)))
            if len(recent) < REPORT_STEPS and step + 1 < end:
                continue
            sums += self.world.sum(torch.stack(recent))
            recent.clear()
            losses, hits = torch.stack(sums).T
            losses = losses / self.world.size
            finite = losses.isfinite().tolist()
            if not all(finite):
                raise self.diverged(first + finite.index(False))
            accuracy = hits.sum().item() / (len(sums) * self.batch_size)
            bar.set_postfix_str(f"epoch {epoch}, loss {losses[-1].item():.3f}, accuracy {accuracy:.1%}", refresh=False)
            bar.update((step + 1) * self.batch_size - bar.n)
        return {"train_loss": losses.mean().item(), "train_accuracy": accuracy, "learning_rate": learning_rate}

    def predict_test(self, epoch: int) -> tuple[pa.Table, np.ndarray] | None:
        """Return predictions and features of the test split after `epoch`, in the first process; None in the others.

        The last epoch is judged by the very predictions that the run will show, in float32.
        """
        dtype = torch.float32 if epoch == self.config.epochs else self.dtype
        side = resolution(self.config, epoch, self.record.input_size)
        return predict_together(self.model, self.data.test, self.record, self.world, dtype, side)

    def batches(self, size: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's part of shuffled, augmented batches: images, and what they show.

        Images are normalised float32 B×3×size×size; what they show is labels, int64 B, or with --mix the share of each
        class, float32 B×classes.
        What does not fill a batch waits for the next epoch, so that batch normalisation never sees a single image.
        """
        config = self.config
        order = torch.randperm(len(self.labels), generator=self.generator)
        batches = order[: self.steps_per_epoch * self.batch_size].split(self.batch_size)
        world = ALONE if config.mix else self.world  # to be mixed, an image needs its neighbour in the batch
        parts = [world.part(rows) for rows in batches]
        for rows, pixels in zip(parts, read_ahead(self.images, parts, self.device), strict=True):
            index = rows.to(self.device, non_blocking=True)
            flip: bool | Tensor = config.flip
            if flip and config.alternating_flip:
                flip = self.mirrored_first[index] ^ (epoch % 2 == 0)
            pixels = augment(
                pixels, self.generator, padding=config.crop_padding, flip=flip, cutout=config.cutout, world=world
            )
            images, targets = normalize(pixels, self.record.mean, self.record.std, size), self.labels[index]
            if config.mix:
                classes = len(self.record.class_names)
                mixed = mix(images, targets, self.generator, how=config.mix, classes=classes)
                images, targets = map(self.world.part, mixed)
            yield images.contiguous(memory_format=torch.channels_last), targets

    def step(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Update the weights once; return loss and number of right answers before it, both float32, on the device.

        They are of this process's part of the batch; the update is of all of it. Of mixed images the right answer is
        the class of the larger share.
        """
        few_pixels = nullcontext() if self.config.compile else Im2col()
        strided = StridedPoints() if images.device.type == "cpu" else nullcontext()
        with few_pixels, strided, torch.autocast(images.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = self.network(images)
        loss = functional.cross_entropy(logits.float(), targets, label_smoothing=self.config.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        labels = targets.argmax(dim=1) if self.config.mix else targets
        return loss.detach(), (logits.detach().argmax(dim=1) == labels).sum().float()

    def set_learning_rate(self, step: int) -> float:
        """Bring the optimizer to the schedule's learning rate of `step`, from 0 over all epochs, and return it."""
        learning_rate = self._learning_rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        return learning_rate

    def _learning_rate(self, step: int) -> float:
        steps = self.config.epochs * self.steps_per_epoch
        return triangular(step, steps, self.config.learning_rate, self.config.warmup)

    def diverged(self, step: int) -> TrainingError:
        """Return what to say when the loss of `step`, or of the test split after it, is infinite or no number."""
        return TrainingError(
            f"the loss is not finite at step {step + 1} (epoch {step // self.steps_per_epoch + 1}), "
            f"learning rate {self._learning_rate(step):.4g}; the last good epoch is kept. "
            "Try a lower --learning-rate."
        )

    def state(self) -> dict[str, Any]:
        """Return what a training needs to go on, as numbers and tensors on the CPU, which later steps leave alone."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "random": self.torch.get_rng_state(),
        }
        return {name: _copied(value) for name, value in state.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.torch.set_rng_state(state["random"])


def _copied(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    return state.to("cpu", copy=True) if isinstance(state, Tensor) else deepcopy(state)
