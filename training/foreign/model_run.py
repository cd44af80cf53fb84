"""Make a run of a model that was trained elsewhere, wherever it comes from: a library, a file, or memory."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from sightline.explain.command_line import UsageError, sentence
from sightline.explain.precompute import precompute
from sightline.explain.progress import warn
from sightline.image_data import ImageSplit
from sightline.image_data.preprocessing import Channels, Preprocessing
from sightline.image_data.resize import CROP, Resize
from sightline.image_data.sources import IMAGE_SIZES
from sightline.model_zoo import ModelError, normalize
from sightline.model_zoo.adapted import adapt
from sightline.model_zoo.graph import export_graph, open_graph
from sightline.run_store.metrics import Epoch
from sightline.run_store.record import RunError, RunRecord
from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter
from sightline.training.foreign.class_order import better_order, compare_claim
from sightline.training.inference import test_figures, write_predictions
from sightline.training.new_run import choose_layers, describe, first_look


@dataclass(frozen=True)
class ForeignModel:
    """A model with its weights, and how an image becomes its input."""

    name: str
    model: nn.Module
    mean: Channels
    std: Channels
    resize: Resize
    layers: tuple[str, ...] = ()
    """Those to explain; none: up to four are suggested."""
    by_name: bool = False
    """Whether `name` is enough to build the network again."""
    claimed_accuracy: float | None = None
    """What somebody says that it reaches on these images, 0–1."""


@dataclass(frozen=True)
class Ready:
    """All that is known of a run before it is written: a model that does not fit ends before that."""

    record: RunRecord
    network: nn.Module
    """As the run will have it; of one that does not export, as it was given."""
    graph: bytes | None
    """Of a network that is not built by its name."""
    notes: tuple[str, ...]
    claimed_accuracy: float | None


def published(spec: Mapping[str, Any]) -> Preprocessing:
    """Return what the fields of a ModelSpec say of the images that its weights were shown, the size aside."""
    rule, share, interpolation = (spec.get(name) for name in ("resize_rule", "crop_share", "interpolation"))
    resize = Resize(rule or CROP.rule, share or CROP.share, interpolation or CROP.interpolation)
    return Preprocessing(spec.get("mean"), spec.get("std"), resize=resize if rule else None)


def check_numbers(image_size: int | None, claimed_accuracy: float | None) -> None:
    """Raise UsageError for a size that no image may have, or a claim that is no accuracy."""
    least, most = IMAGE_SIZES
    if image_size is not None and not least <= image_size <= most:
        raise UsageError(f"--image-size {image_size} is out of range; it may be {least} to {most}.")
    claim = claimed_accuracy
    if claim is not None and not (isinstance(claim, (int, float)) and 0 <= claim <= 100):  # nor NaN
        raise UsageError(f"A claimed accuracy is a share from 0 to 1, or percent, not {claim!r}.")


@contextmanager
def as_usual() -> Iterator[None]:
    """Let what the program has set for its own tensors, such as inference mode or another type, not hold here."""
    dtype = torch.get_default_dtype()
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        for kind in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        stack.callback(torch.set_default_dtype, dtype)
        torch.set_default_dtype(torch.float32)
        yield


@as_usual()
def make_ready(
    foreign: ForeignModel, test: ImageSplit, dataset: str, settings: Mapping[str, Any], device: torch.device
) -> Ready:
    """Try a model on images of `test`, name its layers, and export it where its name is not enough to build it.

    settings: what was asked for, for the record. The model is left as it was.
    Raises ModelError or ExplainError, with a sentence, for one that does not fit the images or the classes.
    """
    sample = normalize(np.array(test.images[:2]), foreign.mean, foreign.std)
    classes = len(test.class_names)
    network, notes = (foreign.model, []) if foreign.by_name else adapt(foreign.model, sample, classes)
    network = network.cpu().eval().requires_grad_(False)
    first_look(network, sample, classes, foreign.name)
    _refuse_without_gradient(network, sample, foreign.name)
    graph, without = (None, "") if foreign.by_name else _export(network, sample, foreign.name)
    if graph:
        network = open_graph(io.BytesIO(graph), network.state_dict())
    layers = choose_layers(network, sample, foreign.layers)
    record = RunRecord(
        layers=layers,
        mean=foreign.mean,
        std=foreign.std,
        resize=foreign.resize,
        network="architecture" if foreign.by_name else "graph" if graph else "none",
        without_network=without,
        seed=0,
        **describe(dict(settings) | {"model": foreign.name, "dataset": dataset}, {"test": test}, network, device),
    )
    return Ready(record, network.to(device), graph, (*notes, *filter(None, [without])), foreign.claimed_accuracy)


def _refuse_without_gradient(network: nn.Module, sample: Tensor, name: str) -> None:
    """Raise ModelError for a network whose answer has no gradient, of which every map would be blank."""
    with torch.enable_grad():
        if not network(sample[:1].clone().requires_grad_()).requires_grad:
            raise ModelError(
                f"What {name} answers has no gradient, and maps need one: take torch.no_grad, inference_mode or detach "
                "out of its forward."
            )


def _export(network: nn.Module, sample: Tensor, name: str) -> tuple[bytes | None, str]:
    """Export a network; where it does not let itself, return the sentence that the run says instead."""
    try:
        return export_graph(network, sample), ""
    except ModelError as error:
        return None, (
            f"{str(error).rstrip('.')}. The run keeps the predictions of {name} and the Grad-CAM maps of its layers, "
            "not the network."
        )


@as_usual()
def write_run(writer: RunWriter, ready: Ready, test: ImageSplit, epochs: Sequence[Epoch], remedy: str) -> pa.Table:
    """Write what a run has beside its record, and return the predictions.

    epochs: of the log that comes with the model. remedy: what to do where that ends early.
    Warns where the accuracy is not the claimed one, or another order of the classes would fit far better.
    """
    try:
        for epoch in epochs:
            writer.append_metrics(epoch._asdict())
        if ready.record.network != "none":
            writer.save_model(ready.network)
        if ready.graph:
            writer.save_network(ready.graph)
        table = write_predictions(writer, ready.network, test)
        if ready.record.network == "none":
            precompute(Run(writer.path), model=ready.network)
    except KeyboardInterrupt:
        with suppress(OSError):
            writer.fail("The evaluation was interrupted.")
        raise KeyboardInterrupt(remedy) from None
    except Exception as error:
        with suppress(OSError):  # the disk may be too full to say so
            writer.fail(sentence(error))
        raise RunError(f"{writer.path} is not finished ({sentence(error).rstrip('.')}); {remedy}") from error
    warn(doubts(table, test.class_names, ready.claimed_accuracy))
    return table


def describe_result(path: Path, table: pa.Table) -> str:
    """Say in a sentence how many images of a new run are right."""
    return f"{path}: {test_figures(table)['test_accuracy']:.2%} of {len(table):,} test images right."


def doubts(table: pa.Table, class_names: Sequence[str], claimed: float | None) -> list[str]:
    """Say in sentences what speaks against predictions: a claim that they do not reach, an order that fits better."""
    labels, predicted = (np.asarray(table[name], dtype=np.int64) for name in ("label", "predicted"))
    accuracy = test_figures(table)["test_accuracy"]
    claim = None if claimed is None else compare_claim(accuracy, len(table), claimed)
    return [said for said in (claim, better_order(labels, predicted, class_names)) if said]
