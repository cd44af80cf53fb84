"""Copy weights from a local file into a network, whoever saved them, however they wrapped them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from sightline.model_zoo.checkpoint import WeightsFile, read_weights, shown, some
from sightline.model_zoo.spec import ModelError, find_head

TABLE_ROWS = 12

_WRAPPERS = re.compile(r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")  # of torch, at any depth
# Names in files that torchvision published before it renamed these modules (DenseNet; vision transformers).
_RENAMED = (
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\."), r"\1\2."),
    (re.compile(r"\bmlp\.linear_1\."), "mlp.0."),
    (re.compile(r"\bmlp\.linear_2\."), "mlp.3."),
)
# Computed, not learnt: a file may lack them, or have them where the network does not keep them.
_COMPUTED = re.compile(
    r"(^|\.)(num_batches_tracked|relative_position_index|relative_coords_table|attn_mask|n_averaged|total_ops|total_params)$"
)
_AUXILIARY = re.compile(r"(aux\d|AuxLogits)\.")  # heads that Inception networks have for their training only


def load_weights(model: nn.Module, file: WeightsFile, num_classes: int, dataset: str) -> str:
    """Copy all weights of `file` into `model`, and return what was done to find them, in sentences, or "".

    Raises ModelError when they are for another number of classes than the `num_classes` of `dataset`, or when they
    do not fit, then with a table of the differences; and `model` is as it was.
    """
    weights, notes = _named_as(model.state_dict(), file)
    head = find_head(model, num_classes)
    shape = weights[f"{head}.weight"].shape if f"{head}.weight" in weights else (num_classes,)
    if shape and shape[0] != num_classes:
        raise ModelError(
            f"The weights in {file.path} are for {shape[0]:,} classes, {dataset} has {num_classes:,}: give the "
            "weights of a model trained on these classes, or train one from them: sightline train --pretrained FILE."
        )
    _copy(model, weights, file.path)
    return " ".join(notes)


def count_classes(model: nn.Module, file: WeightsFile, num_classes: int) -> int | None:
    """Return for how many classes the weights are, by the head of `model`, which has `num_classes`; None: unknown."""
    weights, _ = _named_as(model.state_dict(), file)
    weight = weights.get(f"{find_head(model, num_classes)}.weight")
    return None if weight is None or not weight.ndim else weight.shape[0]


def load_pretrained(model: nn.Module, file: Path, num_classes: int) -> list[str]:
    """Copy the weights in `file` into `model`, but for a head of another number of classes, which stays fresh.

    Returns the names that were left as they are. Raises ModelError as `read_weights` and `load_weights`.
    """
    own = model.state_dict()
    weights, _ = _named_as(own, read_weights(file))
    head = find_head(model, num_classes)
    fresh = [
        name for name in own if name.startswith(f"{head}.") and weights.get(name, own[name]).shape != own[name].shape
    ]
    _copy(model, weights | {name: own[name] for name in fresh}, file)
    return fresh


def restore(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy a complete state dict of this very network. Raises RuntimeError where it is not complete, or another's."""
    state = model.state_dict()  # with the version of each module, which files lose and MNASNet asks for
    for name in state.keys() - weights.keys():
        del state[name]
    state.update(weights)
    model.load_state_dict(state)


def _named_as(own: Mapping[str, Tensor], file: WeightsFile) -> tuple[dict[str, Tensor], list[str]]:
    """Name the weights of `file` as in `own`, as far as can be told; with sentences on what was chosen."""
    notes = [f"Read from {file.key!r} in the file."] if file.key else []
    weights = {_WRAPPERS.sub("", name): value for name, value in file.weights.items()}
    prefix = _prefix(weights, own)
    inside = {
        _current_name(name.removeprefix(prefix), own): weights[name] for name in weights if name.startswith(prefix)
    }
    others = [name for name in weights if not name.startswith(prefix)]
    if prefix:
        notes.append(f"The names begin with {prefix!r} there.")
    complete = all(name in inside or _COMPUTED.search(name) for name in own)
    if others and complete:  # else they may be what is missing, and stand in the table
        notes.append(f"{len(others):,} others were left out: {some(others)}.")
    else:
        inside |= {name: weights[name] for name in others}
    return {name: inside[name] for name in inside if name in own or not _may_be_left(name)}, notes


def _prefix(weights: Iterable[str], own: Mapping[str, Tensor]) -> str:
    """Find what stands before the network's own names in most of the file's: "module.", "student.backbone."…"""
    counts = Counter({"": 0})
    for name in weights:
        starts = [0, *(match.end() for match in re.finditer(r"\.", name))]
        counts.update(name[:start] for start in starts if _current_name(name[start:], own) in own)
    return min(counts, key=lambda prefix: (-counts[prefix], len(prefix), prefix))


def _current_name(name: str, own: Mapping[str, Tensor]) -> str:
    """Return the name that torchvision gives a module today, where that is one of the network's."""
    if name not in own:
        for pattern, replacement in _RENAMED:
            if pattern.sub(replacement, name) in own:
                return pattern.sub(replacement, name)
    return name


def _may_be_left(name: str) -> bool:
    """Tell whether a network may do without this entry of a file."""
    return bool(_COMPUTED.search(name) or _AUXILIARY.match(name))


def _copy(model: nn.Module, weights: dict[str, Tensor], file: Path) -> None:
    """Raise ModelError with a table where names or shapes differ; else copy all of it."""
    own = model.state_dict()
    misshaped = [name for name in own if name in weights and weights[name].shape != own[name].shape]
    missing = [name for name in own if name not in weights and not _COMPUTED.search(name)]
    unexpected = [name for name in weights if name not in own]
    kinds = {"of another shape": misshaped, "missing": missing, "unexpected": unexpected}
    problems = [f"{len(names):,} {what}" for what, names in kinds.items() if names]
    if problems:
        table = _table([*misshaped, *missing, *unexpected], weights, own)
        raise ModelError(
            f"The weights in {file} are of another architecture: {', '.join(problems)}; "
            f"choose the --model, and the --image-size, that they were saved with.\n{table}"
        )
    restore(model, {name: own[name] for name in own if name not in weights} | weights)


def _table(names: list[str], weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Write a table of names and their shapes, at most TABLE_ROWS."""
    rows = [("name", "in the file", "in the model")]
    rows += [(shown(name), _shape(weights.get(name)), _shape(own.get(name))) for name in names[:TABLE_ROWS]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  " + "   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines + [f"  and {len(names) - TABLE_ROWS:,} more"] * (len(names) > TABLE_ROWS))


def _shape(value: Tensor | None) -> str:
    if value is None:
        return "–"
    return "×".join(map(str, value.shape)) or "one number"
