"""Describe a new run, whether it is trained, only evaluated, or has curves alone."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import sightline
from sightline.explain.attribution.grids import map_layers, suggest_layers
from sightline.explain.attribution.recording import first_non_finite
from sightline.explain.command_line import one_line
from sightline.image_data import ImageSplit
from sightline.model_zoo import ModelError
from sightline.run_store.files import safe_name
from sightline.run_store.record import RunRecord

PACKAGES = ("torch", "torchvision", "timm", "numpy")


def default_run(dataset: str, *details: str) -> Path:
    """Return runs/<UTC time>_<dataset>_<details>, in characters that any file system takes."""
    return Path("runs") / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}_{safe_name(dataset, *details)}"


def describe(
    settings: Mapping[str, Any], splits: Mapping[str, ImageSplit], model: nn.Module | None, device: torch.device
) -> dict[str, Any]:
    """Return the fields of a RunRecord that say from what, when, where and with which programs a run is made.

    settings: the recipe, with the model and the data set by name. splits: "test", and "train" where there is one.
    model: the network, None where nobody has it.
    """
    test = splits["test"]
    return {
        "model": settings["model"],
        "dataset": settings["dataset"],
        "fingerprints": {name: split.fingerprint for name, split in splits.items()},
        "image_counts": {name: len(split) for name, split in splits.items()},
        "class_names": test.class_names,
        "input_size": test.images.shape[1],
        "parameters": sum(parameter.numel() for parameter in model.parameters()) if model else 0,
        "recipe": {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()},
        "threads": torch.get_num_threads(),
        "device": device.type,
        **_made_now(),
    }


def describe_curves(recipe: Mapping[str, Any], model: str = "", dataset: str = "") -> RunRecord:
    """Return the record of a run that has figures of epochs, and nothing else yet.

    model, dataset: what they are called, "" where nobody said.
    """
    return RunRecord(
        model=model, layers=(), dataset=dataset, fingerprints={}, image_counts={}, class_names=(), mean=(), std=(),
        input_size=0, parameters=0, recipe=dict(recipe), seed=0, threads=0, device="", network="none",
        without_network="It was recorded without its model, so there are its curves alone.", **_made_now(),
    )  # fmt: skip


def _made_now() -> dict[str, Any]:
    return {
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "git_commit": _git_commit(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES}
        | {"python": platform.python_version()},
    }


def first_look(model: nn.Module, images: Tensor, num_classes: int, name: str) -> None:
    """Raise ModelError for a network that cannot take such images, or does not answer with a logit for each class.

    images: float32 N×3×H×W, normalised, on the model's device; only the first is shown, in eval mode.
    """
    size = f"{images.shape[2]}×{images.shape[3]}"
    was_training = model.training
    try:
        with torch.inference_mode():
            logits = model.eval()(images[:1])
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a network may raise anything for a size that it cannot take
        raise ModelError(
            f"{name} takes no images of {size} pixels ({one_line(error)}); give another --image-size."
        ) from error
    finally:
        model.train(was_training)
    if not isinstance(logits, Tensor) or logits.shape != (1, num_classes):
        found = "×".join(map(str, logits.shape)) if isinstance(logits, Tensor) else type(logits).__name__
        raise ModelError(
            f"{name} is no classifier: it answers with {found}, not a logit for each of {num_classes} classes."
        )
    if not logits.isfinite().all():
        where = first_non_finite(model, images)
        raise ModelError(f"{name} answers with NaN or infinity, first in {where!r}: its weights are damaged.")


def choose_layers(model: nn.Module, images: Tensor, wanted: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the layers to explain, shallow to deep: `wanted`, checked, or where it is empty what the engine suggests.

    images: float32 N×3×H×W, normalised, on the model's device; only the first is looked at.
    Raises ModelError for a layer that has no map, ExplainError where none has one.
    """
    if not wanted:
        return suggest_layers(model, images)
    maps = list(map_layers(model, images))
    wrong = [layer for layer in wanted if layer not in maps]
    if wrong:
        suggested = ",".join(suggest_layers(model, images))
        what = "gives no map" if wrong[0] in dict(model.named_modules()) else "is none of the model"
        raise ModelError(
            f"Layer {wrong[0]!r} {what}; try --layers {suggested}, or others of the {len(maps)} with a map: "
            f"{', '.join(maps[-40:])}."
        )
    return tuple(layer for layer in maps if layer in wanted)


def _git_commit() -> str:
    """Return the commit this code is at, marked when files differ from it; empty where it is no clone of its own."""
    root = Path(sightline.__file__).resolve().parent.parent
    if not (root / ".git").exists():  # installed, perhaps below somebody else's repository, which git would find
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
