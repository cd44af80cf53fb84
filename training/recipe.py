"""The settings of a training, its optimizer and its schedule."""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro
from torch import nn

from sightline.image_data import dataset_help
from sightline.image_data.sources import IMAGE_SIZES
from sightline.run_store.metrics import MOST_EPOCHS


class TrainingError(Exception):
    """A sentence for the user: what was wrong, what is allowed, what to do."""


@dataclass(frozen=True)
class TrainConfig:
    """Train an image classifier and write its run directory."""

    dataset: Annotated[str, tyro.conf.arg(help=dataset_help())] = "planted-shapes"
    model: str = "resnet18"
    """an architecture: resnet18, resnet34, resnet18_narrow, resnet18_imagenet, torchvision:NAME, timm:NAME"""
    epochs: int = 20
    """passes over the training split"""
    recipe: Literal["fast", "best"] | None = None
    """settings for CIFAR-10 by name, which the other options still change (in Python, start from RECIPES). fast: for
    an hour on two cores with AMX; best: 110 epochs with cutout, for a GPU"""
    seed: int = 0
    """decides the initial weights, the order of the images and their augmentation"""
    run: Path | None = None
    """the run directory to make; default: runs/<UTC time>_<dataset>_<model>_seed<k>"""
    resume: bool = False
    """go on with the run of --run after its last finished epoch, with the same options; start it if it has none"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the first GPU where there is one"""
    batch_size: int = 128
    """images a step, at least 2"""
    learning_rate: float = 0.1
    """peak of the triangular schedule"""
    warmup: float = 0.25
    """share of the steps in which the learning rate rises, 0 up to 1, which it must not reach"""
    momentum: float = 0.9
    """Nesterov momentum of SGD"""
    weight_decay: float = 5e-4
    """pulls the weights of convolutions and linear layers, and no others, towards 0"""
    label_smoothing: float = 0.1
    """share of the target spread evenly over all classes, 0-1"""
    crop_padding: int = 4
    """largest shift of an image in each direction, pixels"""
    flip: bool = True
    """mirror half of the images left to right"""
    alternating_flip: bool = False
    """with --flip: mirror each image in every other epoch, where otherwise chance decides"""
    cutout: int = 0
    """side of a grey square that covers part of each image, pixels; 0: none"""
    mix: Literal["mixup", "cutmix"] | None = None
    """mix each image of a batch, and its target, with another: blended, or a rectangle of it put in; Beta(1, 1)"""
    progressive: bool = False
    """first third of the epochs at half, second third at three quarters of the resolution; from 3 epochs on"""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """arithmetic of the training step; auto: bfloat16 where the processor multiplies in it"""
    compile: bool = False
    """compile the network for the training step (torch.compile); did not pay on the CPUs that were measured"""
    threads: int | None = None
    """CPU threads; default: one a core. The same number gives the same weights"""
    image_size: int | None = None
    """side to which a folder's images are brought, pixels"""
    strict: bool = False
    """refuse a folder where an image would be left out"""
    pretrained: Path | None = None
    """local weights to start from: .safetensors or a state dict saved by torch"""
    held_out: int | None = None
    """judge on so many images held out of the training split, always the same ones, instead of on the test split:
    to choose settings without looking at it"""
    without: Path | None = None
    """leave these images out of the training split (after --held-out): a CSV with a column train_index, or a number a
    line. The epochs rise so that the steps stay as many; --resume takes the list from the run"""
    keep_epochs: int = 0
    """keep the weights of so many epochs, evenly spread, the last among them: to see how maps came about; 0-1000"""
    tensorboard: bool = False
    """also write the metrics as event files, which TensorBoard opens, into the run; needs the package tensorboard"""
    maps: bool = False
    """in the end, compute the attribution maps of the whole test split, as `sightline precompute` does"""

    def check(self) -> None:
        """Raise TrainingError for a value outside its range."""
        if self.resume and self.run is None:
            raise TrainingError("--resume needs the run to go on with: --run DIR.")
        if self.tensorboard and find_spec("tensorboard") is None:
            raise TrainingError("--tensorboard needs a package: pip install 'tensorboard>=2.20,<3'.")
        wrong = {
            "epochs": not 1 <= self.epochs <= MOST_EPOCHS,
            "seed": not 0 <= self.seed < 2**63,
            "batch-size": self.batch_size < 2,  # batch normalisation needs two
            "learning-rate": not 0 < self.learning_rate < float("inf"),
            "warmup": not 0 <= self.warmup < 1,
            "momentum": not 0 < self.momentum < 1,
            "weight-decay": not 0 <= self.weight_decay < float("inf"),
            "label-smoothing": not 0 <= self.label_smoothing < 1,
            "crop-padding": self.crop_padding < 0,
            "cutout": self.cutout < 0,
            "progressive": self.progressive and self.epochs < 3,
            "held-out": self.held_out is not None and self.held_out < 1,
            "keep-epochs": not 0 <= self.keep_epochs <= 1000,
            "threads": self.threads is not None and not 1 <= self.threads <= 1024,
            "image-size": self.image_size is not None and not IMAGE_SIZES[0] <= self.image_size <= IMAGE_SIZES[1],
        }
        for option, is_wrong in wrong.items():
            if is_wrong:
                value = getattr(self, option.replace("-", "_"))
                raise TrainingError(f"--{option} {value} is out of range; see --help for what is allowed.")


# benchmarks/RESULTS.md ("Recipes") says what is measured of these and what is taken from the literature.
RECIPES = {
    "fast": TrainConfig(recipe="fast", epochs=24, progressive=True, learning_rate=0.2),
    "best": TrainConfig(recipe="best", epochs=110, cutout=16, batch_size=512, learning_rate=0.4, alternating_flip=True),
}


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.SGD:
    """Return SGD with Nesterov momentum; biases and batch-norm parameters are not decayed."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum, nesterov=True, fused=True)


def steps_per_epoch(config: TrainConfig, images: int) -> int:
    """Return the number of steps on so many training images: of whole batches, or of one smaller batch."""
    return images // min(config.batch_size, images)


def same_steps(config: TrainConfig, images: int, kept: int) -> TrainConfig:
    """Return the settings with so many epochs on the kept images that they take the steps of all images, or nearly.

    Raises TrainingError where these are too many.

    >>> same_steps(TrainConfig(epochs=4, batch_size=32), 5000, 2802).epochs
    7
    """
    epochs = round(config.epochs * steps_per_epoch(config, images) / steps_per_epoch(config, kept))
    if epochs > MOST_EPOCHS:
        raise TrainingError(
            f"The steps of {config.epochs:,} epochs of {images:,} images are {epochs:,} epochs of {kept:,}, and "
            f"there may be {MOST_EPOCHS:,}; leave out fewer images, or choose fewer --epochs."
        )
    return replace(config, epochs=epochs)


def triangular(step: int, steps: int, peak: float, warmup: float) -> float:
    """Return the learning rate of step 0 … steps−1: it rises linearly to `peak`, then falls and is 0 at `steps`.

    It never exceeds `peak`, and reaches it however few steps there are. `warmup` is the share of rising steps, 0–1.

    >>> [triangular(step, 5, peak=0.9, warmup=0.4) for step in range(5)]
    [0.45, 0.9, 0.9, 0.6, 0.3]
    """
    rising = min(round(warmup * steps), steps - 1)
    if step < rising:
        return peak * (step + 1) / rising
    return peak * (steps - step) / (steps - rising)


def resolution(config: TrainConfig, epoch: int, full: int) -> int:
    """Return the side in pixels of the images in `epoch` (from 1), test images too; in the last it is `full`.

    >>> [resolution(TrainConfig(epochs=6, progressive=True), epoch, full=32) for epoch in range(1, 7)]
    [16, 16, 24, 24, 32, 32]
    """
    third = 3 * (epoch - 1) // config.epochs
    return full * (third + 2) // 4 if config.progressive and third < 2 else full


def epochs_to_keep(config: TrainConfig) -> set[int]:
    """Return the epochs before the last whose weights are kept: the last one's are the run's own.

    >>> epochs_to_keep(TrainConfig(epochs=20, keep_epochs=4)), epochs_to_keep(TrainConfig(epochs=2, keep_epochs=9))
    ({10, 5, 15}, {1})
    """
    kept = min(config.keep_epochs, config.epochs)
    return {number * config.epochs // kept for number in range(1, kept)}


def full_size_from(config: TrainConfig) -> int:
    """Return the first epoch (from 1) whose images are not reduced."""
    return next(epoch for epoch in range(1, config.epochs + 1) if resolution(config, epoch, 4) == 4)
