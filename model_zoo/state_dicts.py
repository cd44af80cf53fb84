"""Find a state dict in what was read of a checkpoint, however it was wrapped."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor

from sightline.model_zoo.numpy_values import is_array
from sightline.model_zoo.pickled import Made
from sightline.model_zoo.spec import printable, some
from sightline.model_zoo.torch_file import StoredTensor, UnreadableError

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
QUANTIZED = (
    "it is of a network that was converted to compute with integers ({}), which has no gradients to explain it by; "
    "give the weights from before the conversion."
)
MOST_NAME, MOST_ENTRIES = 500, 1_000_000  # letters; attributes, in all, of a model saved whole, which may hold itself


def entries_of(content: object) -> dict[str, Any]:
    """Return what lies in a dict, a list or a tuple, or in an object's attributes, by name; {} of anything else."""
    if isinstance(content, (list, tuple)):
        return {str(place): value for place, value in enumerate(content[:9])}
    if isinstance(content, Made) and not content:
        pairs = content.arguments[0] if content.arguments else None  # of an OrderedDict, as Python 2 wrote it
        if isinstance(pairs, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            return {name: value for name, value in pairs if isinstance(name, str)}
        return content.attributes()
    return content if isinstance(content, dict) else {}


def find_state_dict(content: object) -> tuple[dict[str, Any], str]:
    """Find a dict of tensors in a checkpoint, and the keys, joined by dots, under which it lay; {} where none is.

    >>> import torch
    >>> find_state_dict({"epoch": 7, "model": {"fc.bias": torch.zeros(2)}})
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
    entries = entries_of(content)
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


def find_averages(content: object) -> tuple[Any, str]:
    """Find averages of parameters, by name or in a list, in a checkpoint or under one of its keys; and where."""
    entries = entries_of(content)
    for key in ("", *_likely(entries)):
        place = entries_of(entries.get(key)) if key else entries
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
            entries_of(module.get(f"_{part}")) for part in ("parameters", "buffers", "modules")
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
