"""Make a classifier of anybody's module: one that takes images of three channels and answers with logits."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.utils import parametrize, remove_spectral_norm, remove_weight_norm
from torch.optim.swa_utils import AveragedModel
from torch.utils._pytree import tree_leaves

from sightline.model_zoo.spec import ModelError, printable

GREY = (0.299, 0.587, 0.114)  # of red, green and blue: luma of ITU-R BT.601, which Pillow's convert("L") takes
MOST_LOOKED_AT = 8  # images
MOST_NAMED = 5  # tensors, in a message
LOUD = 1e6  # times the images: of such ones a logit leaves 0–1, a probability does not

Meaning = Literal["logits", "logit", "probabilities", "probability"]  # singular: of the second of two classes
Look = Callable[[Tensor], Tensor]  # what a network is shown of images
Place = str | int | None  # where in an answer a tensor is: a key, an attribute, a number in a tuple; None: it is all


def adapt(model: nn.Module, images: Tensor, num_classes: int) -> tuple[nn.Module, list[str]]:
    """Return a copy of the model that answers with logits, N×C, to float32 N×3×H×W; and what that took, in sentences.

    images: float32 N×3×H×W, normalised, on the model's device. The copy is in eval mode, frozen, in float32, and has
    the names that the model's modules and tensors have, but that weights which a forward computes are plain. A network
    of one channel is shown 0.299 R + 0.587 G + 0.114 B, which is the grey image where mean and std are those of grey.
    One logit is that of the second of two classes, whose first has 0; probabilities become their logarithms. Of an
    object, a dict or a tuple the first tensor of the right size is taken, `logits` before others. The model itself is
    left as it was.
    Raises ModelError with a sentence where it takes no such images, or answers with something else.
    """
    network, notes = _own_copy(model)
    shown = images[:MOST_LOOKED_AT] if len(images) > 1 else images[:1].repeat(2, 1, 1, 1)
    look, answer = _first_answer(network, shown)
    if look is _grey:
        notes.append("It takes images of one channel: it is shown 0.299 red + 0.587 green + 0.114 blue.")
    place, values = _choose(answer, len(shown), num_classes)
    if place not in (None, "logits"):
        notes.append(f"Of what it returns, {printable(str(place))!r} was taken as its answer.")
    adapted = _Adapted(network.forward, look, place, "logits")
    adapted.meaning = _meaning(adapted, values, shown, num_classes)
    notes += [note for note in [_NOTES[adapted.meaning]] if note]
    is_one_row = _alone(adapted, shown[:1], values).ndim == 2
    if (
        look is not _as_they_are
        or place is not None
        or adapted.meaning != "logits"
        or values.ndim != 2
        or not is_one_row
    ):
        network.forward = adapted.answer
    return network, notes


_NOTES: dict[Meaning, str] = {
    "logits": "",
    "logit": "Its single output became two logits: 0 for the first class, and the output for the second.",
    "probabilities": "Its answers are probabilities: their logarithms were taken as logits.",
    "probability": "Its single output, the probability of the second class, became the logarithms of both.",
}


@dataclass
class _Adapted:
    """A forward: that of a network, with what stands before and after it. A copy of the network copies it."""

    forward: Callable[..., Any]
    look: Look
    place: Place
    meaning: Meaning

    def taken(self, images: Tensor) -> Tensor:
        values: Tensor = _at(self.forward(self.look(images)), self.place)
        return values

    def answer(self, images: Tensor) -> Tensor:
        values = self.taken(images).reshape(len(images), -1)
        if self.meaning == "logits":
            return values
        if self.meaning == "logit":
            return torch.cat([torch.zeros_like(values), values], dim=1)
        both = torch.cat([1 - values, values], dim=1) if self.meaning == "probability" else values
        return both.clamp_min(torch.finfo(both.dtype).tiny).log()


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the module inside those that torch puts around one to compile, spread or average it."""
    inner = getattr(model, "_orig_mod", None)  # torch.compile
    if isinstance(model, DataParallel | DistributedDataParallel | AveragedModel):
        inner = model.module
    return unwrapped(inner) if isinstance(inner, nn.Module) else model


def _own_copy(model: nn.Module) -> tuple[nn.Module, list[str]]:
    """Return a copy of the module inside its wrappers, ready to be asked, and what was changed, in sentences."""
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"The model is a {printable(type(model).__name__)}, not a torch.nn.Module: make the network, and load its "
            "weights into it."
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise ModelError(
            "The model is TorchScript, whose layers cannot be looked into: give the module it was made of."
        )
    try:
        inner = unwrapped(model)
        with torch.no_grad():  # a copy of TorchScript's is computed
            network = copy.deepcopy(inner, _kept_from_a_forward(inner)).eval()
            _let_weights_be_plain(network)
        for parameter in network.parameters():
            parameter.requires_grad_(False)
    except Exception as error:  # a module may hold anything, and some of it cannot be copied
        raise ModelError(f"The model cannot be copied ({_line(error)}); give one without what it holds.") from error
    if any(tensor.dtype in (torch.float16, torch.bfloat16, torch.float64) for tensor in network.parameters()):
        return network.float(), ["Its weights were turned into float32."]
    return network, []


def _kept_from_a_forward(model: nn.Module) -> dict[int, Tensor]:
    """Return what to copy for tensors that modules keep (features, a normalised weight): those with a past refuse."""
    kept = (value for module in model.modules() for value in tree_leaves(vars(module)) if isinstance(value, Tensor))
    return {id(tensor): tensor.detach().clone() for tensor in kept if not tensor.is_leaf}


def _let_weights_be_plain(network: nn.Module) -> None:
    """Keep of weights that every forward computes (weight_norm, spectral_norm, orthogonal) what they are in eval mode.

    A head is found by its weight, and a layer drawn anew by its own.
    """
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            plain = {name: nn.Parameter(getattr(module, name)) for name in cast(nn.ModuleDict, module.parametrizations)}
            # Not by `remove_parametrizations`: it changes the class, which is the model's as well.
            module.__class__ = parametrize.type_before_parametrizations(module)
            del module.parametrizations
            for name, parameter in plain.items():
                module.register_parameter(name, parameter)
        for remove in (remove_weight_norm, remove_spectral_norm):
            with suppress(ValueError):  # it has none
                remove(module)


def _first_answer(network: nn.Module, images: Tensor) -> tuple[Look, Any]:
    """Return how the network takes images, the first way that it does, and what it answers. Raises ModelError."""
    problems: list[BaseException] = []
    with torch.no_grad():
        for look in (_as_they_are, _in_rows, _grey):
            try:
                return look, network(look(images))
            except torch.OutOfMemoryError:
                raise
            except (Exception, SystemExit) as error:  # a module may raise anything
                problems.append(error)
    problem = problems[1]
    if isinstance(problem, TypeError) and "argument" in str(problem):
        raise ModelError(
            f"The model's forward takes more than images ({_line(problem)}): wrap it in a module that takes "
            "images alone."
        ) from problem
    size = "×".join(map(str, images.shape[1:]))
    raise ModelError(f"The model takes no images of {size} ({_line(problem)}).") from problem


def _as_they_are(images: Tensor) -> Tensor:
    return images


def _in_rows(images: Tensor) -> Tensor:
    """Lay images out as PyTorch does by default, colour after colour: many a forward's `view` counts on it."""
    return images.contiguous()


def _grey(images: Tensor) -> Tensor:
    images, (red, green, blue) = images.contiguous(), GREY
    return red * images[:, 0:1] + green * images[:, 1:2] + blue * images[:, 2:3]


def _choose(answer: Any, count: int, num_classes: int) -> tuple[Place, Tensor]:
    """Find the tensor that is the answer for so many images and classes, and where it is. Raises ModelError."""
    found = list(_tensors(answer))
    for place, tensor in found:
        outputs = tensor.numel() / count
        is_answer = outputs == num_classes or (outputs == 1 and num_classes == 2)
        if is_answer and tensor.is_floating_point() and tensor.ndim > 0 and len(tensor) == count:
            return place, tensor
    shapes = ", ".join("×".join(map(str, tensor.shape)) or "one number" for _, tensor in found[:MOST_NAMED])
    what = f"a tensor of {shapes}" if len(found) == 1 else f"tensors of {shapes}" if found else type(answer).__name__
    raise ModelError(
        f"To {count} images the model answers with {what}, not with a number for each of {num_classes:,} classes: name "
        "as many classes as it has outputs, in their order."
    )


def _tensors(answer: Any) -> Iterator[tuple[Place, Tensor]]:
    """Yield the tensors in an answer, and where they are."""
    if isinstance(answer, Tensor):
        yield None, answer
        return
    named = dict(answer) if isinstance(answer, Mapping) else dict(getattr(answer, "__dict__", {}))
    if isinstance(answer, tuple | list):
        named = dict(enumerate(answer))
    for name in sorted(named, key=lambda name: name != "logits"):
        if isinstance(named[name], Tensor):
            yield name, named[name]


def _at(answer: Any, place: Place) -> Any:
    if place is None:
        return answer
    return answer[place] if isinstance(answer, Mapping) or isinstance(place, int) else getattr(answer, place)


def _alone(adapted: _Adapted, image: Tensor, values: Tensor) -> Tensor:
    """Return what the network answers to one image, 1×3×H×W. Raises ModelError where that has not the values of one.

    A forward that squeezes takes away the dimension of one image too.
    """
    try:
        with torch.no_grad():
            alone = adapted.taken(image)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # a module may raise anything
        raise ModelError(f"The model answers to several images, but not to one ({_line(error)}).") from error
    if alone.numel() * len(values) != values.numel():
        shape = "×".join(map(str, alone.shape)) or "one number"
        raise ModelError(f"The model answers to several images one by one, but to one alone with a tensor of {shape}.")
    return alone


def _meaning(adapted: _Adapted, values: Tensor, images: Tensor, num_classes: int) -> Meaning:
    """Tell logits from probabilities: those are never negative, and sum to one; or stay in 0–1 whatever is shown."""
    if values.numel() == len(values) and num_classes == 2:
        with torch.no_grad():
            answers = [adapted.answer(factor * images) for factor in (1, LOUD, -LOUD)]
        return "probability" if all(((one >= 0) & (one <= 1)).all() for one in answers) else "logit"
    flat = values.flatten(1)
    sums_to_one = (
        num_classes > 1 and bool((flat >= 0).all()) and torch.allclose(flat.sum(dim=1), flat.new_ones(1), atol=1e-3)
    )
    return "probabilities" if sums_to_one else "logits"


def _line(error: BaseException) -> str:
    return printable(str(error).strip().partition("\n")[0]).rstrip(".") or type(error).__name__
