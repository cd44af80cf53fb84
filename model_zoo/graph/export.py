"""Write down what a network does with images, so that it can be opened without the code that defines it."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import replace
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.export import ExportedProgram, export
from torch.nn import functional

from sightline.model_zoo.device import device_of
from sightline.model_zoo.graph.program import Program
from sightline.model_zoo.graph.reading import GRAPH, open_graph
from sightline.model_zoo.graph.tracing import program_of
from sightline.model_zoo.spec import ModelError, printable

FEW, MORE = 2, 3  # images: what differs between the two is the number of images
TOLERANCE = 1e-4  # of the logits, relative to the largest
OF_GRADIENTS = 1e-2  # relative to their norm: at a corner of ReLU, rounding turns one on or off
_CANNOT = "The network cannot be kept as a graph."


def export_graph(model: nn.Module, images: Tensor) -> bytes:
    """Return a file from which `open_graph` makes the network again, without any code of the model's, or its weights.

    images: float32 N×3×H×W, normalised, on the model's device. The exported network takes any number of them, and
    those of another size where it answers to twice the size as the model does; else it raises ValueError.
    The model answers with one tensor, see `adapt`. It runs in eval mode, and is left in the mode it has.
    Raises ModelError, with the reason, for a model whose forward PyTorch cannot export.
    """
    with _in_eval_mode(model):
        (few, constants), (more, others) = (_trace(model, _several(images, count)) for count in (FEW, MORE))
        if constants.keys() != others.keys() or not all(torch.equal(constants[name], others[name]) for name in others):
            raise _otherwise()
        program = replace(_merged(few, more), any_size=True)
        opened = open_graph(io.BytesIO(_written(program, constants)), model.state_dict()).to(device_of(model))
        for count in (1, MORE + 2):
            _compare(model, opened, _several(images, count))
        _compare_gradients(model, opened, _several(images, FEW))
        large = functional.interpolate(images[:1], scale_factor=2)
        return _written(replace(program, any_size=_takes(model, opened, large)), constants)


def _written(program: Program, constants: dict[str, Tensor]) -> bytes:
    return save(constants, metadata={GRAPH: program.to_json()})


def _several(images: Tensor, count: int) -> Tensor:
    """Return as many images, laid out as `normalize` does: what a model asks about its memory is answered once."""
    return images[:1].repeat(count, 1, 1, 1).contiguous(memory_format=torch.channels_last)


def _trace(model: nn.Module, images: Tensor) -> tuple[Program, dict[str, Tensor]]:
    """Return the steps for so many images, and the tensors beside the weights. Raises ModelError."""
    try:
        with _marking_returns(model), _quietly():
            exported: ExportedProgram = export(model, (images,), strict=False)
        return program_of(exported, model, list(images.shape[1:]))
    except ModelError as error:
        raise ModelError(f"{_CANNOT} {error}") from error
    except Exception as error:  # whatever the forward raises while it is traced
        raise ModelError(f"{_CANNOT} {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """Say in plain words why a forward was not exported: PyTorch says it on pages."""
    text = str(error)
    if "ScriptModule" in text:
        return "A part of it is TorchScript, which PyTorch cannot export: give the module that this was made from"
    if any(word in text for word in ("data-dependent", "data dependent", "_local_scalar_dense", "aten.nonzero")):
        return "What it does depends on the values in the images: an if, a loop or a size is computed from them"
    if "numpy" in text.lower():
        return "Its forward leaves PyTorch for NumPy"
    line = printable(text.strip().partition("\n")[0]).rstrip(".")
    return f"PyTorch cannot follow its forward ({type(error).__name__}: {line})"


@contextmanager
def _quietly() -> Iterator[None]:
    """Let PyTorch say nothing: of a forward that it cannot follow, it warns, logs and prints pages."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _in_eval_mode(model: nn.Module) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _marking_returns(model: nn.Module) -> Iterator[None]:
    """Let every module that returns a tensor pass it through `alias`, which says in the graph: this is what it returns.

    A module that does nothing would leave no trace, and one that returns a tensor in a tuple would look like one that
    returns it.
    """

    def mark(_: nn.Module, __: Any, output: Any) -> Any:
        return torch.ops.aten.alias.default(output) if isinstance(output, Tensor) else None

    with ExitStack() as hooks:
        for module in model.modules():
            hooks.callback(module.register_forward_hook(mark).remove)
        yield


def _merged(few: Program, more: Program) -> Program:
    """Return the steps for any number of images, from those for FEW and for MORE. Raises ModelError."""
    if replace(more, steps=few.steps) != few or len(more.steps) != len(few.steps):
        raise _otherwise()
    steps = []
    for (call, operator, *arguments), (other_call, other_operator, *others) in zip(few.steps, more.steps, strict=True):
        if (call, operator) != (other_call, other_operator):
            raise _otherwise()
        steps.append([call, operator, *_for_any_number(arguments, others)])
    return replace(few, steps=steps)


def _for_any_number(few: Any, more: Any) -> Any:
    """Merge an argument: a number that differs is a + b · N."""
    if type(few) is int and type(more) is int and few != more:
        factor = (more - few) // (MORE - FEW)
        return {"images": [few - factor * FEW, factor]}
    if isinstance(few, list) and isinstance(more, list) and len(few) == len(more):
        return [_for_any_number(one, other) for one, other in zip(few, more, strict=True)]
    if isinstance(few, dict) and few.keys() == getattr(more, "keys", list)() and not few.keys() & {"value"}:
        return {name: _for_any_number(few[name], more[name]) for name in few}
    if type(few) is not type(more) or few != more:
        raise _otherwise()
    return few


def _otherwise() -> ModelError:
    return ModelError(f"{_CANNOT} What it does depends on the number of images, or on chance.")


def _compare(model: nn.Module, opened: nn.Module, images: Tensor) -> None:
    """Raise ModelError where the exported network does not answer as the model does, to images and some noise."""
    shown = images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).to(images)
    with torch.no_grad():
        expected, found = model(shown), opened(shown)
    most = TOLERANCE * expected.abs().max().item()
    if expected.shape != found.shape or not torch.allclose(found, expected, rtol=0, atol=most, equal_nan=True):
        raise _otherwise()


def _compare_gradients(model: nn.Module, opened: nn.Module, images: Tensor) -> None:
    """Raise ModelError where the exported network has other gradients than the model, so that its maps would be others.

    Of a function with a gradient of its own (a straight-through estimator, a reversal) a graph has only the steps.
    """
    expected, found = (_gradient(network, images) for network in (model, opened))
    if expected is None or (found is not None and (found - expected).norm() <= OF_GRADIENTS * expected.norm()):
        return
    raise ModelError(f"{_CANNOT} Its gradients are not those of its steps: a torch.autograd.Function gives others.")


def _gradient(network: nn.Module, images: Tensor) -> Tensor | None:
    """Return the gradient of a mixture of the logits to the images; None where the network has none."""
    shown = images.clone().requires_grad_()
    try:
        with torch.enable_grad():
            answer = network(shown.clone())  # which a forward may change
            weights = torch.randn(answer.shape, generator=torch.Generator().manual_seed(0)).to(answer)
            return torch.autograd.grad((answer * weights).sum(), shown)[0]
    except torch.OutOfMemoryError:
        raise
    except Exception:  # whatever a forward without a backward raises
        return None


def _takes(model: nn.Module, opened: nn.Module, images: Tensor) -> bool:
    """Tell whether the exported network answers as the model does to images of another size."""
    try:
        _compare(model, opened, images)
    except torch.OutOfMemoryError:
        raise
    except Exception:  # whatever either says about a size
        return False
    return True
