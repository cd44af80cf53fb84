"""A run of a model that was trained elsewhere: its weights, its predictions, and no curves."""

import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from tqdm import tqdm

from sightline.explain.command_line import one_line
from sightline.image_data import ImageSplit, load_test_split
from sightline.model_zoo import ModelSpec, build_model, load_weights, model_spec, normalize, read_weights
from sightline.model_zoo.device import choose_device
from sightline.run_store.run import RunError, RunRecord
from sightline.run_store.writer import RunWriter
from sightline.training.command_line import progress_bar
from sightline.training.inference import predict, stored_images
from sightline.training.new_run import choose_layers, default_run, first_look, surroundings

if TYPE_CHECKING:
    from sightline.training.evaluate import EvaluateConfig


def import_model(config: "EvaluateConfig") -> tuple[Path, pa.Table]:
    """Make the run that a checked `config` describes; returns its directory and its predictions.

    All is loaded, and the model tried on one image, before the directory is made: what does not fit leaves nothing.
    Raises one of COMMAND_ERRORS with a sentence.
    """
    assert config.model and config.weights and config.dataset
    device = choose_device(config.device)
    file = read_weights(config.weights)  # a wrong file is found before many images are decoded
    spec = model_spec(config.model, config.image_size)
    test = _load_test(config.dataset, spec.input_size, config.image_size)
    side, classes = test.images.shape[1], len(test.class_names)
    model = build_model(config.model, classes, side)
    notes = load_weights(model, file, classes, config.dataset)
    model = model.to(device).eval().requires_grad_(False)
    record = _record(config, spec, test, model)
    run = config.run or default_run(config.dataset, config.model)
    with RunWriter.create(run, record) as writer:
        settings = f"mean {_figures(record.mean)}, std {_figures(record.std)}, layers {', '.join(record.layers)}"
        print(f"{run}: {config.model} on {config.dataset}, {device}, {side}×{side} pixels, {settings}. {notes}".strip())
        return run, _predict(model, test, writer)


def _load_test(dataset: str, input_size: int, wanted: int | None) -> ImageSplit:
    with progress_bar("decoding") as progress:
        test, warnings = load_test_split(dataset, image_size=wanted, default_size=input_size, progress=progress)
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    return test


def _record(config: "EvaluateConfig", spec: ModelSpec, test: ImageSplit, model: nn.Module) -> RunRecord:
    assert config.model and config.dataset
    mean, std = config.mean or spec.mean, config.std or spec.std
    assert mean and std
    device = next(model.parameters()).device
    sample = normalize(np.array(test.images[:1]), mean, std).to(device)
    first_look(model, sample, len(test.class_names), config.model)
    wanted = tuple(name.strip() for name in config.layers.split(",")) if config.layers else ()
    layers = choose_layers(model, sample, wanted) if wanted or not spec.layers else spec.layers
    settings = asdict(config)
    return RunRecord(
        model=config.model,
        layers=layers,
        dataset=config.dataset,
        fingerprints={"test": test.fingerprint},
        image_counts={"test": len(test)},
        class_names=test.class_names,
        mean=tuple(mean),
        std=tuple(std),
        input_size=test.images.shape[1],
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        recipe={name: str(value) if isinstance(value, Path) else value for name, value in settings.items()},
        seed=0,
        **surroundings(device),
    )


def _predict(model: nn.Module, test: ImageSplit, writer: RunWriter) -> pa.Table:
    """Write weights, images and predictions; where that ends early, the run says how to finish it."""
    later = f"finish the run with: sightline evaluate --run {writer.path}"
    try:
        writer.save_model(model)
        writer.save_images(stored_images(test), test.masks)
        with tqdm(desc="predicting", total=len(test), unit="image", leave=False) as bar:
            table, features = predict(model, test, writer.record, progress=bar.update)
        writer.complete(table, features)
    except KeyboardInterrupt:
        with suppress(OSError):
            writer.fail("The evaluation was interrupted.")
        raise KeyboardInterrupt(later) from None
    except (OSError, MemoryError, torch.OutOfMemoryError) as error:
        with suppress(OSError):  # the disk may be too full to say so
            writer.fail(one_line(error))
        raise RunError(f"{writer.path} is not finished ({one_line(error)}); {later}") from error
    return table


def _figures(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4g}" for value in values)
