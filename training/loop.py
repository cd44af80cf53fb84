"""The training steps of one model: batches, updates, and the look at whether the loss is still a number."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from sightline.image_data import ImageData
from sightline.model_zoo import normalize
from sightline.run_store.run import RunRecord
from sightline.training.augment import augment, mix
from sightline.training.im2col import Im2col
from sightline.training.recipe import TrainConfig, TrainingError, make_optimizer, resolution, triangular
from sightline.training.world import ALONE, World

REPORT_STEPS = 10  # steps between two looks at the loss: each look waits for the device


@dataclass
class Loop:
    """Trains `model` in place, an epoch at a time; `record` says with which arithmetic and on which device.

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
        self.model.to(memory_format=torch.channels_last)
        self.images = torch.from_numpy(np.array(self.data.train.images)).to(device)
        self.labels = torch.from_numpy(np.array(self.data.train.labels)).to(device)
        self.dtype = getattr(torch, self.record.recipe["precision"])
        self.batch_size = min(config.batch_size, len(self.labels))
        if self.batch_size % self.world.size:
            raise TrainingError(f"--batch-size {self.batch_size} cannot be divided among {self.world.size} processes.")
        network = self.world.wrapped(self.model)
        # One GPU replays the step from a graph: to start its kernels one by one takes longer than they do.
        mode = "reduce-overhead" if device.type == "cuda" and self.world.size == 1 else None
        self.network = torch.compile(network, dynamic=False, mode=mode) if config.compile else network
        self.steps_per_epoch = len(self.labels) // self.batch_size
        self.optimizer = make_optimizer(self.model, config)
        self.generator = torch.Generator().manual_seed(config.seed)
        sides = torch.randint(0, 2, (len(self.labels),), generator=torch.Generator().manual_seed(config.seed))
        self.mirrored_first = sides.to(device) == 1  # in the odd epochs of --alternating-flip
        self.torch = torch.cuda if device.type == "cuda" else torch  # whose random numbers dropout takes

    def state(self) -> dict[str, Any]:
        """What a training needs to go on, as numbers and tensors on the CPU, which later steps leave alone."""
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

    def train_epoch(self, epoch: int, progress: tqdm) -> dict[str, float]:
        """One pass; returns train_loss (with label smoothing), train_accuracy on augmented images, learning_rate."""
        size = resolution(self.config, epoch, self.record.input_size)
        self.model.train()
        sums: list[Tensor] = []  # a step each: loss times processes, right answers
        for step, batch in enumerate(self.batches(size, epoch), start=(epoch - 1) * self.steps_per_epoch):
            learning_rate = self._set_learning_rate(step)
            sums.append(torch.stack(self.step(*batch)))
            if len(sums) % REPORT_STEPS == 0 or len(sums) == self.steps_per_epoch:
                last = (len(sums) - 1) // REPORT_STEPS * REPORT_STEPS
                sums[last:] = self.world.sum(torch.stack(sums[last:]))
                losses, hits = torch.stack(sums).T
                losses = losses / self.world.size
                self._check_finite(losses[last:], step)
                done = len(sums) * self.batch_size
                accuracy = hits.sum().item() / done
                progress.set_postfix_str(
                    f"epoch {epoch}, loss {losses[-1].item():.3f}, accuracy {accuracy:.1%}", refresh=False
                )
                progress.update((epoch - 1) * self.steps_per_epoch * self.batch_size + done - progress.n)
        return {
            "train_loss": losses.mean().item(),
            "train_accuracy": accuracy,
            "learning_rate": learning_rate,
        }

    def batches(self, size: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's part of shuffled, augmented batches, normalised float32 B×3×size×size, and what they show.

        That is the labels, int64 B, or with --mix the share of each class, float32 B×classes.
        What does not fill a batch waits for the next epoch, so that batch normalisation never sees a single image.
        """
        config = self.config
        order = torch.randperm(len(self.labels), generator=self.generator).to(self.images.device)
        for index in order[: self.steps_per_epoch * self.batch_size].split(self.batch_size):
            flip: bool | Tensor = config.flip
            if flip and config.alternating_flip:
                flip = self.mirrored_first[index] ^ (epoch % 2 == 0)
            pixels = augment(
                self.images[index], self.generator, padding=config.crop_padding, flip=flip, cutout=config.cutout
            )
            images, targets = normalize(pixels, self.record.mean, self.record.std, size), self.labels[index]
            if config.mix:
                classes = len(self.record.class_names)
                images, targets = mix(images, targets, self.generator, how=config.mix, classes=classes)
            part = self.world.part(images)
            yield part.contiguous(memory_format=torch.channels_last), self.world.part(targets)

    def step(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """One update of the weights; the loss and the number of right answers before it, both float32, on the device.

        They are of this process's part of the batch; the update is of all of it. Of mixed images the right answer is
        the class of the larger share.
        """
        few_pixels = nullcontext() if self.config.compile else Im2col()
        with few_pixels, torch.autocast(images.device.type, self.dtype, enabled=self.dtype != torch.float32):
            logits = self.network(images)
        loss = functional.cross_entropy(logits.float(), targets, label_smoothing=self.config.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        labels = targets.argmax(dim=1) if self.config.mix else targets
        return loss.detach(), (logits.detach().argmax(dim=1) == labels).sum().float()

    def _set_learning_rate(self, step: int) -> float:
        learning_rate = triangular(
            step, self.config.epochs * self.steps_per_epoch, self.config.learning_rate, self.config.warmup
        )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        return learning_rate

    def _check_finite(self, losses: Tensor, last_step: int) -> None:
        finite = losses.isfinite().tolist()
        if all(finite):
            return
        raise self.diverged(last_step - len(losses) + 1 + finite.index(False))

    def diverged(self, step: int) -> TrainingError:
        """What to say when the loss of `step` (from 0), or of the test split after it, is infinite or no number."""
        return TrainingError(
            f"the loss is not finite at step {step + 1} (epoch {step // self.steps_per_epoch + 1}), "
            f"learning rate {self._set_learning_rate(step):.4g}; the last good epoch is kept. "
            "Try a lower --learning-rate."
        )


def _copied(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    return state.to("cpu", copy=True) if isinstance(state, Tensor) else deepcopy(state)
