"""Copy weights from a local file into a network, whoever saved them. Nothing in the file is executed."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from sightline.model_zoo.checkpoint import WeightsFile, read_weights
from sightline.model_zoo.naming import is_computed, named_as, under_all_names
from sightline.model_zoo.spec import ModelError, find_head, printable, some

TABLE_ROWS = 12
CODE = "give sightline evaluate the code that builds it, --model FILE.py:NAME"


def load_weights(model: nn.Module, file: WeightsFile, num_classes: int, dataset: str) -> str:
    """Copy all weights of `file` into `model`, and return what was done to find them, in sentences, or "".

    Of two classes, weights with a single output, a sigmoid's, are those of the second.
    Raises ModelError when they are for another number of classes than the `num_classes` of `dataset`, or when they
    do not fit: then it says what they are, or shows a table of the differences. `model` is as it was.
    """
    weights, notes, head = _prepare(model, file, num_classes)
    shape = weights[f"{head}.weight"].shape if f"{head}.weight" in weights else (num_classes,)
    if shape and shape[0] == 1 != num_classes:
        raise ModelError(
            f"The weights in {file.path} have a single output (a sigmoid), which tells two classes apart; {dataset} "
            f"has {num_classes:,}, and an explanation needs an output for each: give the images of those two classes."
        )
    if shape and shape[0] != num_classes:
        raise ModelError(
            f"The weights in {file.path} are for {shape[0]:,} classes, {dataset} has {num_classes:,}: give the "
            "weights of a model trained on these classes, or train one from them: sightline train --pretrained FILE."
        )
    _copy(model, weights, file.path, head)
    return " ".join(notes)


def count_classes(model: nn.Module, file: WeightsFile, num_classes: int) -> int | None:
    """Return for how many classes the weights are, by the head of `model`, which has `num_classes`; None: unknown."""
    weights, _, head = _prepare(model, file, num_classes)
    weight = weights.get(f"{head}.weight")
    return None if weight is None or not weight.ndim else weight.shape[0]


def load_pretrained(model: nn.Module, file: Path, num_classes: int) -> list[str]:
    """Copy the weights in `file` into `model`, but for a head of another number of classes, which stays fresh.

    Returns the names that were left as they are. Raises ModelError as `read_weights` and `load_weights`.
    """
    own = model.state_dict()
    weights, _, head = _prepare(model, read_weights(file), num_classes)
    of_head = [name for name in own if name.startswith(f"{head}.")]
    fits = all(name in weights and weights[name].shape == own[name].shape for name in of_head)
    fresh = [] if fits else of_head
    _copy(model, weights | {name: own[name] for name in fresh}, file, head)
    return fresh


def restore(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy a complete state dict of this very network. Raises RuntimeError where it is not complete, or another's."""
    state = model.state_dict()  # with the version of each module, which files lose and MNASNet asks for
    weights = under_all_names(weights, state)
    for name in state.keys() - weights.keys():
        del state[name]
    state.update(weights)
    model.load_state_dict(state)


def _prepare(model: nn.Module, file: WeightsFile, num_classes: int) -> tuple[dict[str, Tensor], list[str], str | None]:
    """Name the weights as in `model`, with a logit for each class of two; also return what was done, and the head."""
    weights, notes = named_as(model, file, num_classes)
    head = find_head(model, num_classes)
    single = [name for name in weights if name.startswith(f"{head}.") and weights[name].shape[:1] == (1,)]
    if num_classes == 2 and single:
        weights |= {name: torch.cat([torch.zeros_like(weights[name]), weights[name]]) for name in single}
        notes.append(
            "Its single output, a sigmoid, became two logits with the same probabilities: 0 for the first class, in "
            "order of names, and the output for the second."
        )
    return weights, notes, head


def _copy(model: nn.Module, weights: dict[str, Tensor], file: Path, head: str | None) -> None:
    """Copy all of it, or raise ModelError, which says what does not fit."""
    own = model.state_dict()
    misfit = _quantised(weights, own) or _misfit(weights, own, head)
    if misfit:
        raise ModelError(f"The weights in {file} are {misfit}")
    restore(model, {name: own[name] for name in own if name not in weights} | weights)


def _misfit(weights: Mapping[str, Tensor], own: Mapping[str, Tensor], head: str | None) -> str:
    """Say what weights are of, in a sentence where that is known, else with a table; "" where they fit."""
    misshaped = [name for name in own if name in weights and weights[name].shape != own[name].shape]
    missing = [name for name in own if name not in weights and not is_computed(name)]
    unexpected = [name for name in weights if name not in own]
    wrong = [*misshaped, *missing, *unexpected]
    if wrong == missing and missing and all(name.startswith(f"{head}.") for name in missing):
        return (
            f"of a network without its head ({some(missing)}): give those of a trained classifier, or train one from "
            "them: sightline train --pretrained FILE."
        )
    kinds = {"of another shape": misshaped, "missing": missing, "unexpected": unexpected}
    counts = ", ".join(f"{len(names):,} {what}" for what, names in kinds.items() if names)
    other_channels = _other_channels(wrong[0], weights, own) if len(wrong) == len(misshaped) == 1 else ""
    if other_channels or not wrong:
        return other_channels
    theirs, mine = (
        sorted(value.numel() for name, value in state.items() if not is_computed(name)) for state in (weights, own)
    )
    what, remedy = "of another architecture", "choose the --model, and the --image-size, that they were saved with"
    remedy += f"; of a network that was changed, a new head for example, {CODE}"
    if theirs == mine and not misshaped:
        what = "by their sizes of this architecture, but under other names"
        remedy = "choose the --model of the library that they are from, torchvision:NAME or timm:NAME, or rename them"
    return f"{what}: {counts}; {remedy}.\n{_table(wrong, weights, own)}"


def _quantised(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Say which weights are whole numbers where the network has others; "" where none is."""
    known = [name for name in own if name in weights]
    whole = [name for name in known if own[name].is_floating_point() and not weights[name].is_floating_point()]
    if not whole:
        return ""
    return (
        f"quantised: {some(whole)} hold whole numbers, and not what these stand for; give the weights from before they "
        "were quantised."
    )


def _other_channels(name: str, weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Say for how many channels a network is whose first layer alone has another shape; "" where that is not it."""
    shape, mine = weights[name].shape, own[name].shape
    if len(shape) < 2 or mine != (shape[0], 3, *shape[2:]):
        return ""
    channels = shape[1]
    if channels != 1:
        return f"of a network for images of {channels:,} channels ({name}); Sightline's have 3, red, green and blue."
    return (
        f"of a network for grey images ({name} takes 1 channel), and the --model takes colours: {CODE}, which may take "
        "grey images, and one --mean and --std, thrice each."
    )


def _table(names: list[str], weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Write a table of names and their shapes, at most TABLE_ROWS."""
    rows = [("name", "in the file", "in the model")]
    rows += [(printable(name), _shape(weights.get(name)), _shape(own.get(name))) for name in names[:TABLE_ROWS]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  " + "   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join(lines + [f"  and {len(names) - TABLE_ROWS:,} more"] * (len(names) > TABLE_ROWS))


def _shape(value: Tensor | None) -> str:
    if value is None:
        return "–"
    return "×".join(map(str, value.shape)) or "one number"
