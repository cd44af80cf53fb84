"""Take a network out of a Python file of the user's own: `FILE.py:NAME`. The file is run, as the user asks for."""

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from sightline.model_zoo.spec import ModelError, ModelSpec, printable
from sightline.own_file import OwnFile, OwnFileError

CLASSES = ("num_classes", "n_classes", "num_labels")  # what arguments for the number of classes are called
DEFAULT_SIZE = 224  # pixels, of a network that says nothing of its own


def own_spec(name: str, input_size: int | None = None) -> ModelSpec:
    """Look up `FILE.py:NAME`: a class of modules, a function that returns a module, or a module.

    A class or function is called without arguments, but for the number of classes where it takes one.
    Raises ModelError where there is no such file or name, or the file cannot be imported; its `build` also where the
    class needs more, or makes no module.
    """
    file, _, wanted = (name, "", "") if name.endswith(".py") else name.rpartition(":")
    own = OwnFile(Path(file))
    try:
        found = _find(own.load(), file, wanted)
    except OwnFileError as error:
        raise ModelError(str(error)) from error
    trained = not inspect.isclass(found)  # nothing else tells random weights from others
    build = partial(_build, own, f"{file}:{wanted}", found)
    return ModelSpec(
        build, (), input_size or DEFAULT_SIZE, size_is_known=input_size is not None, trained=trained, by_name=False
    )


def _find(module: ModuleType, file: str, wanted: str) -> Any:
    """Return what a file has by a name. Raises ModelError, with the names that may be meant, where there is none."""
    if wanted and hasattr(module, wanted):
        return getattr(module, wanted)
    there = [name for name, value in vars(module).items() if not name.startswith("_") and _may_be_meant(value, module)]
    names = f"it has {', '.join(map(printable, there))}" if there else "and there is no class or function in it"
    said = f"has no {printable(wanted)!r}; {names}" if wanted else f"is a file, give FILE.py:NAME; {names}"
    raise ModelError(f"{file} {said}.")


def _may_be_meant(value: object, module: ModuleType) -> bool:
    if isinstance(value, nn.Module):
        return True
    network_or_function = inspect.isfunction(value) or (inspect.isclass(value) and issubclass(value, nn.Module))
    return network_or_function and getattr(value, "__module__", "") == module.__name__


def _build(own: OwnFile, name: str, found: Any, num_classes: int) -> nn.Module:
    """Make the network of what `name` stands for. Raises ModelError where that fails, or makes something else."""
    made = found
    if not isinstance(found, nn.Module):
        if not callable(found):
            raise ModelError(f"{name} is no network but {_a(found)}; {_WAY}.")
        arguments = _arguments(name, found, num_classes)
        try:
            with own.importable():
                made = found(**arguments)
        except (Exception, SystemExit) as error:
            raise ModelError(f"{name} cannot be built: {own.describe(error)}") from error
    if not isinstance(made, nn.Module):
        raise ModelError(f"{name} makes no network but {_a(made)}; {_WAY}.")
    return made


_WAY = "name a class of torch.nn.Module, a function that returns such a module, or one itself"


def _a(value: object) -> str:
    kind = printable(type(value).__name__)
    return "None" if value is None else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _arguments(name: str, found: Callable[..., Any], num_classes: int) -> dict[str, int]:
    """Return the arguments to call `found` with. Raises ModelError where it needs others."""
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):  # of what is written in C
        return {}
    of_classes = next((argument for argument in CLASSES if argument in parameters), None)
    needed = [
        argument
        for argument, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and argument != of_classes
    ]
    if needed:
        file, _, short = name.rpartition(":")
        given = ", ".join(f"{printable(argument)}=…" for argument in needed)
        made = f"{short}({given})"
        if hasattr(found, "load_from_checkpoint"):  # of Lightning, which keeps the arguments with the weights
            made = f"{short}.load_from_checkpoint('FILE.ckpt')"
        raise ModelError(
            f"{name} needs arguments ({', '.join(map(printable, needed))}): write a function without any in {file}, "
            f"such as def network(): return {made}, and give {file}:network."
        )
    return {of_classes: num_classes} if of_classes else {}
