"""Train a classifier and write its run directory.

sightline train --dataset planted-shapes --model resnet18_narrow --epochs 10
sightline train --dataset cifar10 --recipe fast --run runs/cifar10
sightline train --dataset folder:DIR --model resnet18 --epochs 20 --run runs/photos [--resume]
torchrun --standalone --nproc-per-node 2 -m sightline.training.train -- --dataset folder:DIR --run runs/photos
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from sightline.explain.command_line import ending_in_a_sentence, one_line, sentence
from sightline.explain.precompute import precompute
from sightline.explain.progress import progress_bar, warn
from sightline.explain.world import World
from sightline.image_data import DataError, ImageData, hold_out, leave_out, load_image_data
from sightline.image_data.images import Images, in_chunks
from sightline.model_zoo import ModelError, ModelSpec, build_model, load_pretrained, named_spec, normalize
from sightline.model_zoo.device import choose_device, choose_precision, keep_freed_memory
from sightline.run_store import files
from sightline.run_store.commands import command
from sightline.run_store.left_out import TrainingList, left_out, read_list
from sightline.run_store.record import RunRecord
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.loop import Loop, fit
from sightline.training.new_run import choose_layers, default_run, describe, first_look
from sightline.training.recipe import RECIPES, TrainConfig, TrainingError, full_size_from, resolution, same_steps

ONE_VALUE = "Expected more than 1 value per channel when training"  # as torch says it
NO_SPREAD = (
    "batch normalisation saw one number a channel, which has no spread; "
    "train on more images at a time, with a larger --image-size, or another --model."
)

# A single process applies the run's own thread count again.
FREE_TO_CHANGE = ("run", "resume", "recipe", "threads", "processes", "tensorboard", "maps", "without", "keep_epochs")


def parse(arguments: Sequence[str] | None = None) -> TrainConfig:
    """Return the settings of a command line, by default this process's: those of --recipe, changed by its others."""
    before = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    before.add_argument("--recipe", nargs="?")
    named = RECIPES.get(before.parse_known_args(arguments)[0].recipe, TrainConfig())
    return tyro.cli(TrainConfig, prog="sightline train", args=arguments, default=named)


def train(config: TrainConfig) -> Path:
    """Train as `config` says; return the run directory.

    Raises DataError, ExplainError, ModelError, RunError or TrainingError with a sentence. Whatever ends a training that
    has begun is a TrainingError, which its run has as the reason of its failure.
    """
    config.check()
    world = World.of_environment()
    spec = named_spec(config.model, config.image_size)
    device = choose_device(config.device)
    run = config.run or default_run(config.dataset, config.model, f"seed{config.seed}")
    is_begun = config.resume and Run(run).exists  # a run may be killed before it has a record
    with world.joined(device):
        threads = Run(run).record.threads if is_begun and world.size == 1 else config.threads
        torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // world.local_size))
        keep_freed_memory()
        torch.backends.cudnn.benchmark = True  # a GPU tries its convolutions once, as all batches have the same shape
        listed = world.share(_list(config, Run(run) if is_begun else None) if world.is_first else None)
        loop = _prepare(config, spec, device, world, listed)
        if not world.is_first:
            fit(loop, None)
            return run
        with _reopen(run, loop.record) if is_begun else RunWriter.create(run, loop.record) as writer:
            loop.record = writer.record
            _fit_or_fail(loop, writer, listed)
            if config.maps:
                _precompute_maps(Run(run), device)
    return run


def _list(config: TrainConfig, begun: Run | None) -> TrainingList | None:
    """Return the images to leave out, None where there are none: as the options say, or else the run that goes on."""
    if config.without:
        return read_list(config.without)
    return left_out(begun) if begun else None


def _prepare(
    config: TrainConfig, spec: ModelSpec, device: torch.device, world: World, listed: TrainingList | None
) -> Loop:
    """Load the data and build the model; nothing is written yet. listed: the images to leave out."""
    recipe = asdict(config)
    with world.first_alone():
        data = _load_data(config, spec.input_size)
        if listed:
            images = len(data.train)
            data = _leave_out(config, data, listed)
            config = same_steps(config, images, len(data.train))
            recipe |= {"left_out": len(listed.indices), "planned_epochs": config.epochs}
    warn(data.warnings)
    if world.size > len(data.test):
        raise TrainingError(f"{world.size} processes are more than the test split has images ({len(data.test)}).")
    torch.manual_seed(config.seed)
    classes = len(data.train.class_names)
    model = build_model(config.model, classes, data.train.images.shape[1])
    if config.pretrained:
        fresh = load_pretrained(model, config.pretrained, classes)
        if fresh:
            print(f"{config.pretrained} has another number of classes: {', '.join(fresh)} start from fresh weights.")
    mean, std = _mean_and_std(data.train.images)
    sample = normalize(np.array(data.train.images[:1]), mean, std)
    precision = str(choose_precision(config.precision, device)).removeprefix("torch.")
    recipe |= {"precision": precision} | ({"processes": world.size} if world.size > 1 else {})
    record = RunRecord(
        layers=spec.layers or _look_for_layers(config, model, sample, classes),
        mean=mean,
        std=std,
        seed=config.seed,
        full_size_from=full_size_from(config),
        **describe(recipe, {"train": data.train, "test": data.test}, model, device),
    )
    return Loop(config, model.to(device), data, record, world)


def _fit_or_fail(loop: Loop, writer: RunWriter, listed: TrainingList | None) -> None:
    """Train, and let the run say why where that fails. Raises TrainingError."""
    config, record = loop.config, loop.record
    precision = record.recipe["precision"]
    print(f"{writer.path}: {config.model} on {config.dataset}, {record.device}, {precision}", flush=True)
    try:
        if listed:
            writer.save_left_out(listed.content)
        with loop.world.reporting_ends():
            fit(loop, writer)
    except Exception as error:
        reason = NO_SPREAD if ONE_VALUE in str(error) else sentence(error)
        with suppress(OSError):  # the disk may be too full to say so
            writer.fail(reason)
        raise TrainingError(f"The training of {writer.path} failed: {reason}") from error


def _look_for_layers(config: TrainConfig, model: nn.Module, sample: Tensor, classes: int) -> tuple[str, ...]:
    """Return the layers to explain of an architecture that names none.

    Raises ModelError, or TrainingError, for a network that does not take such images, or does not classify them.
    """
    first_look(model, sample, classes, config.model)
    if config.progressive:
        _refuse_one_size(config, model, sample, classes)
    return choose_layers(model, sample)


def _refuse_one_size(config: TrainConfig, model: nn.Module, images: Tensor, classes: int) -> None:
    """Raise TrainingError for a network that cannot take the smaller images of --progressive, such as a ViT."""
    for side in sorted({resolution(config, epoch, images.shape[2]) for epoch in range(1, config.epochs + 1)}):
        try:
            first_look(model, nn.functional.interpolate(images, (side, side)), classes, config.model)
        except ModelError as error:
            raise TrainingError(
                f"--progressive shows images of {side}×{side} pixels first, "
                f"which {config.model} cannot take; leave it out."
            ) from error


def _precompute_maps(run: Run, device: torch.device) -> None:
    """Write the maps of the test split, and only warn where that fails: the run is complete without them."""
    later = f"the run is complete; write its maps with: {command('precompute', '--run', run.path)}"
    try:
        print(precompute(run, device=device))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(later) from None
    except Exception as error:
        print(f"Warning: no maps ({one_line(error).rstrip('.')}), but {later}", file=sys.stderr)


def _reopen(run: Path, record: RunRecord) -> RunWriter:
    """Lock an unfinished run to go on with it. Raises TrainingError when it is complete or was started otherwise."""
    started = Run(run)
    if started.state == "complete":
        raise TrainingError(f"{run} is complete, there is nothing to resume.")
    before, now = (
        {**entry.recipe, "data": entry.fingerprints, "device": entry.device} for entry in (started.record, record)
    )
    before = asdict(TrainConfig()) | before  # the run may be older than an option
    changed = [name for name in now if name not in FREE_TO_CHANGE and before.get(name) != now[name]]
    if changed:
        said = ", ".join(f"{name} was {before.get(name)}, is {now[name]}" for name in changed)
        raise TrainingError(f"{run} was started with other settings ({said}); resume it with the same ones.")
    return RunWriter.reopen(run, started.record)


def _load_data(config: TrainConfig, input_size: int) -> ImageData:
    with progress_bar("decoding") as progress:
        data = load_image_data(
            config.dataset,
            image_size=config.image_size,
            default_size=input_size,
            strict=config.strict,
            run_code=True,
            progress=progress,
        )
    side = data.train.images.shape[1]
    if config.crop_padding >= side:
        raise TrainingError(f"--crop-padding {config.crop_padding} moves an image of {side} pixels out of itself.")
    return data if config.held_out is None else hold_out(data, config.held_out)


def _leave_out(config: TrainConfig, data: ImageData, listed: TrainingList) -> ImageData:
    try:
        return leave_out(data, listed.indices, listed.labels)
    except DataError as error:
        held_out = f" less the {config.held_out} of --held-out" if config.held_out else ""
        name = config.without or files.WITHOUT
        raise DataError(f"{name} does not fit {config.dataset}{held_out}. {error}") from error


def _mean_and_std(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, 0–1, of uint8 N×H×W×3.

    They are exact, from the counts of the 256 values.
    """
    counts = np.zeros((3, 256), np.int64)
    for chunk in in_chunks(images):
        counts += [np.bincount(chunk[..., channel].ravel(), minlength=256) for channel in range(3)]
    values = np.arange(256) / 255
    mean = (counts * values).sum(axis=1) / counts.sum(axis=1)
    variance = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    std = np.maximum(np.sqrt(variance), 1 / 255)  # a constant channel must not divide by zero
    return tuple(mean.tolist()), tuple(std.tolist())


def main() -> None:
    """Run the command `sightline train` with the command line of this process."""
    world = World.of_environment()
    signal.signal(signal.SIGTERM, world.interrupt)
    with world.leaving(), ending_in_a_sentence(interrupted="the run keeps every finished epoch and opens in the app."):
        run = train(parse())
        if world.is_first:
            print(f"Done: {run}")


if __name__ == "__main__":
    main()
