"""Find the weights in a file, whoever saved it, however they wrapped them. Nothing in a file is executed."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from sightline.model_zoo.beside import claimed_accuracy, class_names
from sightline.model_zoo.numpy_values import is_array, read_number
from sightline.model_zoo.other_forms import way_in
from sightline.model_zoo.pickled import Made
from sightline.model_zoo.spec import ModelError, printable
from sightline.model_zoo.torch_file import PICKLES, ZIP, StoredTensor, TorchFile, UnreadableError

# Where a checkpoint keeps its weights, in the order in which they are looked for. Before these go averaged ones, as in
# timm; what has any other name is the last resort.
KEYS = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params", "module"),
    *("teacher", "student"),  # of DINO: the first is an average of the second
    "checkpoint",
)
AVERAGED = re.compile(r"(?<![a-z])(ema|swa|avg|averaged?|polyak)(?![a-z])", re.IGNORECASE)
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|loss|criterion|metric|rng|hyper|hparam|args|config", re.IGNORECASE)
# Where torch-ema and its kind keep averages, of the parameters alone: a list in the network's order, or by name.
AVERAGES = ("shadow_params", "shadow")
REMEDY = "where it was made, save the weights alone with torch.save(model.state_dict(), FILE)."
QUANTIZED = (
    "it is of a network that was converted to compute with integers ({}), which has no gradients to explain it by; "
    "give the weights from before the conversion."
)
INDEX = ".index.json"
MOST_INDEX = 2**26  # bytes
MOST_NAME, MOST_ENTRIES = 500, 1_000_000  # letters; attributes, in all, of a model saved whole, which may hold itself


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
    except Exception as error:  # a file that is not what its name says ends in many kinds
        raise ModelError(way_in(file) or f"The weights file {file} cannot be read: {_reason(error)}") from error
    if isinstance(found, str):
        raise ModelError(
            way_in(file) or f"{file} holds no state dict{found}; save one with torch.save(model.state_dict(), FILE)."
        )
    return found


def some(names: Iterable[str], limit: int = 3) -> str:
    """Write the first few of `names`, as they may be printed.

    >>> some(["a", "b", "c", "d"])
    'a, b, c, …'
    """
    listed = list(names)
    return ", ".join(map(printable, listed[:limit])) + (", …" if len(listed) > limit else "")


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
    weights, key = _find_state_dict(content)
    averages, of_averages = _find_averages(content)
    if not weights and not averages:
        return _instead(content)
    if isinstance(averages, dict):
        weights, averages = weights | averages, []
    return WeightsFile(
        path,
        {name: read(tensor) for name, tensor in weights.items()},
        ", ".join(filter(None, (key, of_averages))),
        list(map(read, averages)),
        *claimed_accuracy(beside, path.name, _entries, partial(_number, read)),
        class_names(beside, _entries),
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
    entries = _entries(content)
    if isinstance(content, Made) and not entries:
        raise UnreadableError(f"it holds Python objects ({printable(content.by)}), and those are never loaded")
    return f" under a usual name (it has {some(entries)})" if entries and isinstance(content, dict) else ""


def _entries(content: object) -> dict[str, Any]:
    """Return what lies in a dict, a list or a tuple, or in an object's attributes, by name; {} of anything else."""
    if isinstance(content, (list, tuple)):
        return {str(place): value for place, value in enumerate(content[:9])}
    if isinstance(content, Made) and not content:
        pairs = content.arguments[0] if content.arguments else None  # of an OrderedDict, as Python 2 wrote it
        if isinstance(pairs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            return {name: value for name, value in pairs if isinstance(name, str)}
        return content.attributes()
    return content if isinstance(content, dict) else {}


def _find_state_dict(content: object) -> tuple[dict[str, Any], str]:
    """Find a dict of tensors in a checkpoint, and the keys, joined by dots, under which it lay; {} where none is.

    >>> import torch
    >>> _find_state_dict({"epoch": 7, "model": {"fc.bias": torch.zeros(2)}})
    ({'fc.bias': tensor([0., 0.])}, 'model')
    """
    for found in _state_dicts(content, _likely):
        if _has_leaves(found[0]):
            return found
    parts = list(filter(lambda found: _has_leaves(found[0]), _state_dicts(content, _others)))
    if not parts and not (isinstance(content, Made) and not content):  # attributes: scikit-learn's are arrays too
        return next(_state_dicts(content, _likely), ({}, ""))
    if len(parts) < 2:
        return next(iter(parts), ({}, ""))
    merged = {f"{key}.{name}": value for weights, key in parts for name, value in weights.items()}
    return merged, some(key for _, key in parts)  # of body and head, or of several folds: their names will tell


def _has_leaves(weights: Iterable[str]) -> bool:
    return any(name.endswith(("weight", "bias")) for name in weights)


def _state_dicts(content: object, choose: Callable[[Iterable[str]], list[str]]) -> Iterator[tuple[dict[str, Any], str]]:
    return ((weights, key) for place, key in _places(content, choose, set()) if (weights := _state_dict(place)))


def _state_dict(place: dict[str, Any]) -> dict[str, Any]:
    """Return the weights in a dict that is a state dict, or the attributes of a model; {} where it is none."""
    if "_modules" in place:
        return _module_weights(place)
    packed = [name for name in place if "_packed_params" in name]
    if packed:
        raise UnreadableError(QUANTIZED.format(printable(packed[0])))
    weights = {name: value for name, value in place.items() if _is_weight(name, value)}
    # A number may lie among weights, a tensor among the parts of a checkpoint.
    return weights if 2 * len(weights) > len(place) else {}


def _places(
    content: object, choose: Callable[[Iterable[str]], list[str]], seen: set[int], key: str = "", depth: int = 4
) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the dicts in which weights may lie, once each, with the keys that lead there: the innermost first."""
    if depth == 0 or id(content) in seen:
        return
    seen.add(id(content))
    entries = _entries(content)
    for inside in choose(entries) if isinstance(content, dict) else entries:
        yield from _places(entries.get(inside), choose, seen, f"{key}.{inside}".strip("."), depth - 1)
    if isinstance(content, dict) and entries:
        yield entries, key


def _likely(names: Iterable[str]) -> list[str]:
    """Return the names under which weights are looked for first, in this order."""
    ranks = {
        name: -1 if AVERAGED.search(name) else KEYS.index(name)
        for name in names
        if AVERAGED.search(name) or name in KEYS
    }
    return sorted(ranks, key=ranks.__getitem__)


def _others(names: Iterable[str]) -> list[str]:
    return [name for name in names if len(name) <= MOST_NAME and not _NO_WEIGHTS.search(name)]


def _is_weight(name: str, value: object) -> bool:
    return (isinstance(value, (Tensor, StoredTensor)) or is_array(value)) and len(name) <= MOST_NAME


def _find_averages(content: object) -> tuple[Any, str]:
    """Find averages of parameters, by name or in a list, in a checkpoint or under one of its keys; and where."""
    entries = _entries(content)
    for key in ("", *_likely(entries)):
        place = _entries(entries.get(key)) if key else entries
        for inside in AVERAGES:
            averages = place.get(inside)
            listed = averages if isinstance(averages, list) else []
            pairs = averages.items() if isinstance(averages, dict) else [("", value) for value in listed]
            if pairs and all(_is_weight(*pair) for pair in pairs):
                return averages, f"{key}.{inside}".strip(".")
    return [], ""


def _module_weights(model: dict[str, Any]) -> dict[str, Any]:
    """Make the state dict of a model that was saved whole, of the attributes of its modules."""
    weights: dict[str, Any] = {}
    pending: list[tuple[str, object]] = [("", model)]
    budget = MOST_ENTRIES
    while pending:
        prefix, made = pending.pop()
        kind, module = (made.by, made.attributes()) if isinstance(made, Made) else ("", model)
        parameters, buffers, children = (
            _entries(module.get(f"_{part}")) for part in ("parameters", "buffers", "modules")
        )
        hidden = module.get("_non_persistent_buffers_set")
        hidden = {name for name in hidden if isinstance(name, str)} if isinstance(hidden, list) else set()
        budget -= 1 + sum(map(len, (module, parameters, buffers, children, hidden)))
        if budget < 0 or len(prefix) > MOST_NAME:
            raise ValueError("a model that contains itself")
        if ".quantized." in kind:
            raise UnreadableError(QUANTIZED.format(printable(prefix)))
        own = parameters | {name: value for name, value in buffers.items() if name not in hidden}
        weights |= {prefix + name: value for name, value in own.items() if _is_weight(prefix + name, value)}
        pending += [(f"{prefix}{name}.", child) for name, child in reversed(children.items()) if child is not None]
    return weights
