"""Find the weights in a file, whoever saved it, however they wrapped them. Nothing in a file is executed."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from sightline.model_zoo.beside import claimed_accuracy, class_names
from sightline.model_zoo.numpy_values import read_number
from sightline.model_zoo.other_forms import way_in
from sightline.model_zoo.pickled import Made
from sightline.model_zoo.spec import ModelError, printable, some
from sightline.model_zoo.state_dicts import entries_of, find_averages, find_state_dict
from sightline.model_zoo.torch_file import PICKLES, ZIP, StoredTensor, TorchFile, UnreadableError

REMEDY = "where it was made, save the weights alone with torch.save(model.state_dict(), FILE)."
INDEX = ".index.json"
MOST_INDEX = 2**26  # bytes


@dataclass(frozen=True)
class WeightsFile:
    """A state dict, on the CPU; `key` says where it lay in its file: "model.state_dict", or "" where it lay bare.

    averages: of its parameters alone, in the order of the network, where the file has those beside it.
    claimed_accuracy: 0–1, what the file says of itself, under `claim_key`; None where it says nothing, or not clearly.
    class_names: in the order of the outputs, where the file has them; else ().
    """

    path: Path
    weights: Mapping[str, Tensor]
    key: str
    averages: Sequence[Tensor] = ()
    claimed_accuracy: float | None = None
    claim_key: str = ""
    class_names: tuple[str, ...] = ()


def read_weights(file: Path) -> WeightsFile:
    """Find the state dict in a file. Raises ModelError where there is no such file, or no state dict in it."""
    if file.is_dir():
        raise ModelError(
            way_in(file)
            or f"{file} is a folder; give the weights file in it, .safetensors or a state dict saved by torch."
        )
    if not file.is_file():
        raise ModelError(f"No weights file at {file}; give the path of a .safetensors or .pt file.")
    try:
        found = _read_parts(file) if file.name.endswith(INDEX) else _read(file)
    except ModelError:  # of a part
        raise
    except Exception as error:  # a file that is not what its name says ends in many kinds
        raise ModelError(way_in(file) or f"The weights file {file} cannot be read: {_reason(error)}") from error
    if isinstance(found, str):
        raise ModelError(
            way_in(file) or f"{file} holds no state dict{found}; save one with torch.save(model.state_dict(), FILE)."
        )
    return found


def _reason(error: Exception) -> str:
    """Say in plain words why a file could not be read, and what to do."""
    if isinstance(error, UnreadableError):
        return str(error) if str(error).endswith(".") else f"{error}; {REMEDY}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}."
    kind = type(error).__name__
    return f"it is damaged, or of another kind ({kind}); give .safetensors or a state dict saved by torch."


def _read_parts(index: Path) -> WeightsFile | str:
    """Read the files beside an index of safetensors or transformers, which says where each tensor lies."""
    if index.stat().st_size > MOST_INDEX:
        raise ValueError("an index of too many bytes")
    names = sorted({*json.loads(index.read_bytes())["weight_map"].values()})
    weights: dict[str, Tensor] = {}
    for name in names:
        if Path(name).name != name:
            raise UnreadableError(f"{printable(name)} is in another folder")
        if name.endswith(INDEX):
            raise UnreadableError(f"{printable(name)} is an index too, and holds no weights")
        if not (index.parent / name).is_file():
            raise UnreadableError(f"{printable(name)} should lie beside it and does not.")
        part = read_weights(index.parent / name)
        weights |= part.weights
    return WeightsFile(index, weights, "") if weights else ""


def _read(path: Path) -> WeightsFile | str:
    with open(path, "rb") as stream:
        return _read_open(path, stream)


def _read_open(path: Path, stream: BinaryIO) -> WeightsFile | str:
    """Read the weights of an open file; where it has none, return what it has instead, in words."""
    start = stream.read(9)
    if start.startswith((ZIP, *PICKLES)):
        file = TorchFile(stream)
        content: object = file.content
        read: Callable[[Any], Tensor] = file.tensor
        beside = content
    elif path.suffix == ".safetensors" or start[8:9] == b"{":  # after eight bytes of length, its header is JSON
        from safetensors import safe_open

        with safe_open(path, "pt") as safe:
            content, beside = {name: safe.get_tensor(name) for name in safe.keys()}, safe.metadata()  # noqa: SIM118 (no dict)
        read = _as_it_is
    else:
        raise ValueError("neither begins like a file of torch, nor of safetensors")
    weights, key = find_state_dict(content)
    averages, of_averages = find_averages(content)
    if not weights and not averages:
        return _instead(content)
    if isinstance(averages, dict):
        weights, averages = weights | averages, []
    return WeightsFile(
        path,
        {name: read(tensor) for name, tensor in weights.items()},
        ", ".join(filter(None, (key, of_averages))),
        list(map(read, averages)),
        *claimed_accuracy(beside, path.name, entries_of, partial(_number, read)),
        class_names(beside, entries_of),
    )


def _number(read: Callable[[Any], Tensor], value: object) -> float | None:
    """Return the one number that a value of a checkpoint is; None where it is none, or more."""
    if not isinstance(value, (Tensor, StoredTensor)):
        return read_number(value)
    if len(value.shape) > 2 or any(side != 1 for side in value.shape):
        return None
    try:
        return float(read(value).item())
    except Exception:  # of a tensor that is damaged, which is none of the weights
        return None


def _as_it_is(tensor: Tensor) -> Tensor:
    return tensor


def _instead(content: object) -> str:
    """Say what a file without weights has. Raises UnreadableError where that is one object, which is never made."""
    entries = entries_of(content)
    if isinstance(content, Made) and not entries:
        raise UnreadableError(f"it holds Python objects ({printable(content.by)}), and those are never loaded")
    return f" under a usual name (it has {some(entries)})" if entries and isinstance(content, dict) else ""
