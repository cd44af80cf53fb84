"""Open a network that was exported, also a stranger's: what its file says is looked up, and nothing of it is run."""

import json
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import torch
from safetensors.torch import load
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sightline.model_zoo.graph.building import build_network
from sightline.model_zoo.graph.network import Part
from sightline.model_zoo.graph.program import MOST_TEXT, Program, parse_program
from sightline.model_zoo.graph.torch_archive import read_torch_archive
from sightline.model_zoo.spec import ModelError, printable
from sightline.model_zoo.torch_file import ZIP

GRAPH = "sightline.graph"  # the name of the steps in the header
MOST_BYTES = 2**31  # of one value while the network sees two images
_ENTRIES = 2**20  # bytes of the header that name tensors
_OTHERS = {  # what files begin with
    rb"\x08.\x12": ", but one of ONNX: give the model that it was made of, or predictions with --predictions FILE",
    rb"\x89HDF": ", but HDF5, perhaps of Keras: give predictions, with --predictions FILE",
}


def open_graph(stream: BinaryIO, weights: Mapping[str, Tensor] | None) -> Part:
    """Return the network in a file of `export_graph`, or of `torch.export.save`, on the CPU, in eval mode and frozen.

    weights: every entry of its state dict, whose memory it shares; None: those in the file, which only PyTorch's has.
    Raises ModelError, whatever the file holds. Nothing in it is executed but operators of a list, and none before
    all of it is read.
    """
    program, constants = _read(stream)
    tensors = {**constants, **(weights or {})}
    answer = _try(program, tensors)
    network = build_network(program, tensors)
    network.graph_image, network.graph_any_size, network.graph_answer = tuple(program.image), program.any_size, answer
    return network


def _read(stream: BinaryIO) -> tuple[Program, dict[str, Tensor]]:
    """Return the steps, and the tensors that belong to them. Raises ModelError."""
    start = stream.read(len(ZIP))
    stream.seek(0)
    try:
        return read_torch_archive(stream) if start == ZIP else _read_graph(stream.read())
    except ModelError:
        raise
    except Exception as error:  # readers of damaged files raise many kinds
        raise ModelError("It holds no exported network, or a damaged one.") from error


def _read_graph(content: bytes) -> tuple[Program, dict[str, Tensor]]:
    """Return what `export_graph` wrote."""
    length = int.from_bytes(content[:8], "little")
    if not 0 < length <= MOST_TEXT + _ENTRIES:
        known = next((what for start, what in _OTHERS.items() if re.match(start, content[:32], re.DOTALL)), "")
        raise ModelError(f"It holds no exported network{known}.")
    header = json.loads(content[8 : 8 + length])
    return parse_program(header["__metadata__"][GRAPH]), load(content)


def _try(program: Program, tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Let the network see two images of no content, to find out whether its steps fit, and how much memory they take.

    Returns the shape of its answer, () where that is no tensor. Raises ModelError where they do not, or where one value
    is larger than MOST_BYTES.
    """
    shapes = {name: tensor.to("meta") for name, tensor in tensors.items()}
    images = torch.empty(2, *program.image, device="meta").to(memory_format=torch.channels_last)
    network = build_network(program, shapes)
    try:
        with torch.no_grad(), _Bounded():
            answer = network(images)
    except ModelError:
        raise
    except Exception as error:  # operators raise any kind
        reason = printable(str(error).partition("\n")[0])
        raise ModelError(f"Its graph and its weights do not fit together ({reason}).") from error
    return tuple(answer.shape) if isinstance(answer, Tensor) else ()


class _Bounded(TorchDispatchMode):
    """Refuses operators that return more than MOST_BYTES."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if sum(one.nbytes for one in tree_leaves(result) if isinstance(one, Tensor)) > MOST_BYTES:
            raise ModelError(f"A step of it takes more than {MOST_BYTES // 2**30} GiB for two images.")
        return result
