"""Give the weights of a file the names that a network has for them."""

import logging
import re
import sys
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from inspect import signature
from os.path import commonprefix
from typing import Any

from torch import Tensor, nn

from sightline.model_zoo.checkpoint import WeightsFile
from sightline.model_zoo.spec import find_head, printable, some
from sightline.model_zoo.state_dicts import AVERAGED

MOST_PREFIXES = 8  # of one network's names: all names are gone through for each
_WRAPPERS = re.compile(r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")  # of torch, at any depth
# Names in files that torchvision published before it renamed these modules (DenseNet; vision transformers), and in
# those of kuangliu's pytorch-cifar.
_RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\."), r"\1\2."),
    (re.compile(r"\bmlp\.linear_1\."), "mlp.0."),
    (re.compile(r"\bmlp\.linear_2\."), "mlp.3."),
    (re.compile(r"\bshortcut\."), "downsample."),
    (re.compile(r"\blinear\."), "fc."),
)
# Computed, not learnt: a file may lack them, or have them where the network does not keep them.
_COMPUTED = re.compile(
    r"(^|\.)(num_batches_tracked|relative_position_index|relative_coords_table|attn_mask|n_averaged|total_ops|total_params)$"
)
_AUXILIARY = re.compile(r"(aux\d|AuxLogits)\.")  # heads that Inception networks have for their training only


def named_as(model: nn.Module, file: WeightsFile, num_classes: int) -> tuple[dict[str, Tensor], list[str]]:
    """Name the weights of `file` as in `model`, as far as can be told; with sentences on what was chosen.

    The shapes of its head, the one of `num_classes` classes (see `find_head`), may be of another number of classes.
    """
    own, head = model.state_dict(keep_vars=True), f"{find_head(model, num_classes)}."
    notes = [f"Read from {printable(file.key)!r} in the file."] if file.key else []
    bare = {_WRAPPERS.sub("", name): value for name, value in file.weights.items()}
    names, prefixes = _without_prefixes(bare, own)
    others = [name for name in bare if name not in names]
    weights = {name: bare[name] for name in others} | {names[name]: bare[name] for name in names}
    weights = under_all_names(weights, own)
    if prefixes:
        notes.append(f"The names begin with {' or '.join(repr(printable(prefix)) for prefix in prefixes)} there.")
    if any(name not in weights for name in own if not is_computed(name)):
        in_order = {names.get(name, name): value for name, value in bare.items()}
        found = _older_names(model, (weights, bare, _without_start(bare)), own, head) or _in_order(in_order, own, head)
        if found:
            weights, note = found
            others = [name for name in weights if name not in own]
            notes.append(note)
    if file.averages:
        notes.append(_put_averages(weights, model, own, file.averages))
    if others and all(name in weights or is_computed(name) or name.startswith(head) for name in own):
        notes.append(f"{len(others):,} others were left out: {some(others)}.")  # else they may be what is missing
        weights = {name: value for name, value in weights.items() if name in own or name not in others}
    return {name: value for name, value in weights.items() if name in own or not _may_be_left(name)}, notes


def _without_start(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what all names begin with, up to a dot."""
    start = commonprefix(list(weights)).rpartition(".")[0]
    return {name.removeprefix(f"{start}."): value for name, value in weights.items()}


def under_all_names(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Add the names that a file lacks because the network has the tensor under another name too: files may keep one."""
    tensors = {
        name: (tensor.data_ptr() or id(tensor), tensor.shape, tensor.stride())  # no pointer: empty, or on no device
        for name, tensor in own.items()
    }
    found = {tensors[name]: weights[name] for name in own if name in weights}
    return {name: found[tensor] for name, tensor in tensors.items() if tensor in found} | dict(weights)


def is_computed(name: str) -> bool:
    """Tell whether an entry of a state dict follows from others, or only counts."""
    return bool(_COMPUTED.search(name))


def _may_be_left(name: str) -> bool:
    """Tell whether a network may do without this entry of a file."""
    return bool(is_computed(name) or _AUXILIARY.match(name))


def _without_prefixes(weights: Iterable[str], own: Mapping[str, Tensor]) -> tuple[dict[str, str], list[str]]:
    """Map the names of a file to those without what stands before the network's own: "module.", "student.backbone."…

    What most names begin with is taken off, then, for those that are still missing, what they begin with: body and
    head may be two modules of another. Also returns these prefixes.
    """
    names: dict[str, str] = {}
    prefixes: list[str] = []
    missing = {name for name in own if not is_computed(name)}
    for _ in range(MOST_PREFIXES):
        if not missing:
            break
        others = [name for name in weights if names.get(name) not in own]
        prefix = _prefix(others, missing)
        inside = {name: _current_name(name.removeprefix(prefix), own) for name in others if name.startswith(prefix)}
        hits = missing & set(inside.values())
        if names:  # the first prefix is the network's: what is unknown under it belongs to it, and is told
            inside = {name: current for name, current in inside.items() if current in hits}
        names |= inside
        if not hits:
            break
        missing -= hits
        prefixes += [prefix] if prefix else []
    return names, prefixes


def _prefix(weights: Iterable[str], own: Collection[str]) -> str:
    """Find what stands before names of `own` in most of the file's."""
    counts = Counter({"": 0})
    parts = 2 + max(name.count(".") for name in own)  # of an older name it may be one more
    for name in weights:
        starts = [0, *(match.end() for match in re.finditer(r"\.", name))][-parts:]
        counts.update(name[:start] for start in starts if _current_name(name[start:], own) in own)
    return min(counts, key=lambda prefix: (-counts[prefix], _rank(prefix), len(prefix), prefix))


def _rank(prefix: str) -> int:
    """Return which of networks with the same names goes first: an average, and of DINO the teacher, which is one."""
    return 0 if AVERAGED.search(prefix) else 2 if "student" in prefix else 1


def _current_name(name: str, own: Container[str]) -> str:
    """Return the name of today's torchvision, where that is one of the network's."""
    if name not in own:
        for pattern, replacement in _RENAMED:
            if pattern.sub(replacement, name) in own:
                return pattern.sub(replacement, name)
    return name


def _older_names(
    model: nn.Module, sources: Iterable[dict[str, Tensor]], own: Mapping[str, Tensor], head: str
) -> tuple[dict[str, Tensor], str] | None:
    """Let timm rename what it, or the authors of an architecture, published under other names; None if that fails.

    Each of timm's modules has a function for its own. What also resamples, for another image size, is not taken.
    transformers does it where it loads weights.
    """
    module = type(model).__module__
    if module.startswith("transformers."):
        renamed = filter(None, (_as_transformers_loads(model, weights) for weights in sources))
        return next(((names, "transformers gave older names those of today.") for names in renamed), None)
    functions = vars(sys.modules[module]) if module.startswith("timm.") else {}
    for rename in (function for name, function in functions.items() if "filter_fn" in name):
        for weights in sources:
            try:
                renamed = rename(dict(weights), *[model][: len(signature(rename).parameters) - 1])
            except Exception:  # written for files of known content: elsewhere it ends in any kind of error
                continue
            given = set(map(id, weights.values()))
            made = [name for name in weights if name in renamed and id(renamed[name]) not in given]
            resampled = any(renamed[name].numel() != weights[name].numel() for name in made)
            if not resampled and _fits(renamed, own, head):
                return renamed, "timm gave older names those of today."
    return None


def _as_transformers_loads(model: Any, weights: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """Return the state dict that transformers makes of `weights`, and what it cannot use; None if some is missing."""
    from transformers.utils import logging as printed

    verbosity, has_bars = printed.get_verbosity(), printed.is_progress_bar_enabled()
    printed.set_verbosity(logging.CRITICAL)  # else it prints a table of what it misses
    printed.disable_progress_bar()
    try:
        loaded, info = type(model).from_pretrained(
            None, config=model.config, state_dict=dict(weights), output_loading_info=True, ignore_mismatched_sizes=True
        )
    except Exception:  # written for files of known content
        return None
    finally:
        printed.set_verbosity(verbosity)
        if has_bars:
            printed.enable_progress_bar()
    if info["missing_keys"] or info["mismatched_keys"]:
        return None
    return loaded.state_dict() | {name: weights[name] for name in info["unexpected_keys"] if name in weights}


def _fits(weights: Mapping[str, Tensor], own: Mapping[str, Tensor], head: str) -> bool:
    """Tell whether names and shapes are the network's, the number of classes aside."""
    known = all(name in own or _may_be_left(name) for name in weights)
    return known and all(
        is_computed(name) if name not in weights else _same_shape(weights[name], own[name], name.startswith(head))
        for name in own
    )


def _same_shape(one: Tensor, other: Tensor, is_head: bool) -> bool:
    start = 1 if is_head else 0  # the first side of a head is the number of classes
    return one.shape[start:] == other.shape[start:]


def _in_order(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], head: str
) -> tuple[dict[str, Tensor], str] | None:
    """Rename weights one by one where only names differ: not the order, the shapes, and what is a bias and what not."""
    theirs = [name for name in weights if not _may_be_left(name)]
    mine = [name for name in own if not is_computed(name)]
    if len(theirs) != len(mine) or theirs == sorted(theirs):  # as safetensors leaves them, in no order of a network's
        return None
    pairs = list(zip(theirs, mine, strict=True))
    for one, other in pairs:
        leaves = one.rpartition(".")[2] == other.rpartition(".")[2]
        known = one in own and one != other
        if not leaves or known or not _same_shape(weights[one], own[other], other.startswith(head)):
            return None
    changed = [f"{printable(one)} → {other}" for one, other in pairs if one != other]
    return {other: weights[one] for one, other in pairs}, (
        f"{len(changed):,} weights have other names there ({some(changed)}) and were taken in their order, in which "
        "all shapes agree: compare the accuracy with yours."
    )


def _put_averages(
    weights: dict[str, Tensor], model: nn.Module, own: Mapping[str, Tensor], averages: Sequence[Tensor]
) -> str:
    """Put averages of the parameters, which come without names, where they belong; say so."""
    parameters = list(model.parameters())
    if [value.shape for value in averages] != [value.shape for value in parameters]:
        return "Its averages are of other parameters, and were left out."
    places = {id(parameter): value for parameter, value in zip(parameters, averages, strict=True)}
    weights |= {name: places[id(tensor)] for name, tensor in own.items() if id(tensor) in places}
    return "Averages of its parameters were taken."
