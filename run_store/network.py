"""Rebuild the network of a run, which may be a stranger's, from its record and its weights."""

import os
from collections.abc import Mapping
from io import BufferedReader
from typing import TYPE_CHECKING

from sightline.run_store.files import FileError
from sightline.run_store.record import RunError, RunRecord

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST_HEADER = 2**24  # bytes, of a file of weights

Architecture = tuple[str, int, int]  # the model's name, the number of classes, the side of its input in pixels


def rebuild(name: str, record: RunRecord, weights: BufferedReader) -> "nn.Module":
    """Return the network of the run `name` with these weights, on the CPU, in eval mode, frozen.

    weights: an open file of safetensors, which raises many kinds where it is damaged. Raises FileError where it is of
    another network, RunError where there is no such network.
    """
    from sightline.model_zoo import ModelError, build_model, restore

    architecture = (record.model, len(record.class_names), record.input_size)
    try:
        _refuse_misfit(architecture, os.fstat(weights.fileno()).st_size)
        model = build_model(*architecture)
        restore(model, read_tensors(weights))
    except ModelError as error:
        raise RunError(f"Run {name}: {error}") from error
    except RuntimeError as error:
        raise FileError(f"is of another model than {architecture[0]}") from error
    return model.eval().requires_grad_(False)


def read_tensors(stream: BufferedReader) -> "dict[str, Tensor]":
    """Return the tensors of an open file of safetensors by name, which raises many kinds where it is damaged."""
    from safetensors.torch import load

    return load(stream.read())


def reopen(record: RunRecord, graph: BufferedReader, weights: "Mapping[str, Tensor]") -> "nn.Module":
    """Return the network of an open file of `export_graph` with these weights, on the CPU, in eval mode, frozen.

    Nothing in the file is run but operators of a list. Raises FileError where it holds no network of this record.
    """
    from sightline.model_zoo import ModelError
    from sightline.model_zoo.graph import open_graph

    try:
        network = open_graph(graph, weights)
    except ModelError as error:
        raise FileError(f"cannot be opened. {str(error).rstrip('.')}") from error
    if network.state_dict().keys() != weights.keys():
        raise FileError("is of another network than the weights")
    side, classes = record.input_size, len(record.class_names)
    if network.graph_image != (3, side, side) or network.graph_answer != (2, classes):
        raise FileError(f"is no network of images of {side}×{side} pixels and {classes:,} classes")
    return network


def _refuse_misfit(architecture: Architecture, size: int) -> None:
    """Raise FileError where a network has far more weights than a file of so many bytes, or far fewer.

    A record may name a huge one, and a file of nothing may have any size. The weights of a network may be of half
    precision, or of twice float32's, and a tensor that has two names may be there once.
    """
    from sightline.model_zoo import ModelError, build_model
    from sightline.model_zoo.shapes import build_shapes

    try:
        model = build_shapes(*architecture)
    except (ModelError, NotImplementedError, RuntimeError):  # it may compute with numbers while it is built: RegNet
        model = build_model(*architecture)
    needed = sum(tensor.nbytes for tensor in model.state_dict().values())
    if needed > 4 * size:
        raise FileError(f"holds fewer weights than {architecture[0]} has")
    if size > 4 * needed + MOST_HEADER:
        raise FileError(f"is larger than the weights of {architecture[0]}")
