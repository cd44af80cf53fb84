"""Look into a model while it runs, alone with it, and leave it as it was."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from sightline.explain.attribution.batch_norm import mend_batch_norms
from sightline.explain.attribution.folding import fold
from sightline.model_zoo.device import device_of

# Hooks belong to the model: two threads that explain one model would read each other's outputs.
_LOCKS: "WeakKeyDictionary[nn.Module, threading.Lock]" = WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()


def eager(model: nn.Module) -> nn.Module:
    """Return the model behind `torch.compile`, which would pass over hooks made afterwards."""
    return getattr(model, "_orig_mod", model)


@contextmanager
def exclusive(model: nn.Module) -> Iterator[None]:
    """Keep other threads from this model, with the model in eval mode, frozen, in its own precision, and autograd on.

    Whatever goes backward through it, Captum too, finds torch's batch normalisation mended.

    One lock a model: a second thread that asks for the model waits until the first is done. It is not reentrant, so
    what is "called inside `exclusive`" must not enter it again.
    Every module gets its training flag back and every parameter its `requires_grad`, also after an exception.
    The model is frozen because autograd stores for a parameter's gradient what a map does not need.
    """
    with _LOCKS_GUARD:
        lock = _LOCKS.setdefault(model, threading.Lock())
    with lock:
        training = [module for module in model.modules() if module.training]
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        mending = model.register_forward_hook(mend_batch_norms)
        try:
            for module in training:
                module.training = False
            for parameter in trainable:
                parameter.requires_grad_(False)
            with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device_of(model).type, enabled=False):
                yield
        finally:
            mending.remove()
            for module in training:
                module.training = True
            for parameter in trainable:
                parameter.requires_grad_(True)


@contextmanager
def recording(model: nn.Module, layers: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Give a dict that the model's next forward fills with the outputs of `layers`, in the order in which they finish.

    Each output takes part in the autograd graph, which begins at the first of them. The network goes on with a copy:
    an addition in place after a hooked layer (torchvision's `out += identity`) must not change what the layer returned.
    Of a module that is called several times the last output is kept; one that returns no tensor is not recorded.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str, output: object) -> Tensor | None:
        outputs.pop(name, None)
        if not isinstance(output, Tensor) or not output.is_floating_point():
            return None
        outputs[name] = output if output.requires_grad else output.detach().requires_grad_()
        return outputs[name].clone()

    with ExitStack() as hooks:
        for name in layers:
            hook = model.get_submodule(name).register_forward_hook(lambda _, __, output, name=name: keep(name, output))
            hooks.callback(hook.remove)
        yield outputs


def layers_with_gradient(model: nn.Module, image: Tensor, layers: Sequence[str]) -> set[str]:
    """Name those of `layers` whose cells get a gradient of the likeliest class; called inside `exclusive`.

    image: 1×C×H×W. Nothing is kept but names: memory holds the graph of one forward, and no output beside it.
    """
    used, hooks_on, starts, size = set[str](), dict[str, RemovableHandle](), list[Tensor](), image.shape[2:]

    def note(name: str, gradient: Tensor) -> None:
        cells = fold(gradient, (size[0], size[1]))
        if cells is not None and cells.any():
            used.add(name)

    def watch(name: str, output: object) -> Tensor | None:
        if name in hooks_on:  # called several times: the last output counts
            hooks_on.pop(name).remove()
        if not isinstance(output, Tensor) or not output.is_floating_point() or not torch.is_grad_enabled():
            return None
        if not output.requires_grad:  # the graph begins here; what follows may work in place, which a leaf forbids
            starts.append(output.detach().requires_grad_())
            output = starts[-1].clone()
        hooks_on[name] = output.register_hook(partial(note, name))
        return output

    with ExitStack() as hooks:
        for name in layers:
            hook = model.get_submodule(name).register_forward_hook(lambda _, __, output, name=name: watch(name, output))
            hooks.callback(hook.remove)
        logits = model(image)
    if isinstance(logits, Tensor) and logits.requires_grad:
        torch.autograd.grad(logits.flatten().max(dim=0).values, starts, allow_unused=True)
    return used


def bytes_of_an_image(model: nn.Module, images: Tensor) -> int:
    """Add up what the modules without children return for one image: about half of what autograd keeps of it."""
    sizes: list[int] = []

    def count(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.nbytes)

    with ExitStack() as hooks, torch.no_grad():
        for module in model.modules():
            if not any(True for _ in module.children()):
                hooks.callback(module.register_forward_hook(count).remove)
        model(images[:1])
    return sum(sizes)


def first_non_finite(model: nn.Module, images: Tensor) -> str:
    """Name the first layer to finish whose output holds NaN or infinity.

    "the image" if that does already; "" where all is finite. images: float N×C×H×W, on the model's device.
    """
    if not images.isfinite().all():
        return "the image"
    model, found = eager(model), [""]

    def look(name: str, output: object) -> None:
        if not found[0] and isinstance(output, Tensor) and not output.isfinite().all():
            found[0] = name

    with exclusive(model), torch.no_grad(), ExitStack() as hooks:
        for name, module in model.named_modules():
            hook = module.register_forward_hook(lambda _, __, output, name=name: look(name or "the logits", output))
            hooks.callback(hook.remove)
        model(images)
    return found[0]
