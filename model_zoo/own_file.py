"""Take a network out of a Python file of the user's own: `FILE.py:NAME`. The file is run, as the user asks for."""

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module, util
from os.path import isfile
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from sightline.model_zoo.spec import ModelError, ModelSpec, printable

CLASSES = ("num_classes", "n_classes", "num_labels")  # what arguments for the number of classes are called
DEFAULT_SIZE = 224  # pixels, of a network that says nothing of its own
_PACKAGE = "sightline_own_file"  # that a file in no package is taken to be of, for imports that begin with a dot
_OURS = Path(__file__).parents[1]
_INSTALLED = ("site-packages", "dist-packages")


def own_spec(name: str, input_size: int | None = None) -> ModelSpec:
    """Look up `FILE.py:NAME`: a class of modules, a function that returns a module, or a module.

    A class or function is called without arguments, but for the number of classes where it takes one.
    Raises ModelError where there is no such file or name, or the file cannot be imported; its `build` also where the
    class needs more, or makes no module.
    """
    file, _, wanted = (name, "", "") if name.endswith(".py") else name.rpartition(":")
    own = OwnFile(Path(file))
    found = _find(own.load(), file, wanted)
    trained = not inspect.isclass(found)  # nothing else tells random weights from others
    build = partial(_build, own, f"{file}:{wanted}", found)
    return ModelSpec(
        build, (), input_size or DEFAULT_SIZE, size_is_known=input_size is not None, trained=trained, by_name=False
    )


class OwnFile:
    """A Python file, with what it imports from beside it, which no other file sees."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = path.resolve().parent
        self._root = self._folder  # of the packages that it lies in
        while (self._root / "__init__.py").is_file() and self._root != self._root.parent:
            self._root = self._root.parent
        self._modules: dict[str, ModuleType] = {}

    def load(self) -> ModuleType:
        """Import the file. Raises ModelError, with the line, where that fails."""
        if not isfile(self.path):
            raise ModelError(f"No file {printable(str(self.path))}; FILE.py:NAME names a network in a Python file.")
        package = ".".join(self._folder.relative_to(self._root).parts)
        try:
            with self.importable():
                if package:
                    import_module(package)
                else:
                    sys.modules[_PACKAGE] = ModuleType(_PACKAGE)
                    sys.modules[_PACKAGE].__path__ = [str(self._folder)]
                name = f"{package or _PACKAGE}.{self.path.stem.replace('.', '_')}"
                spec = util.spec_from_file_location(name, self.path.resolve())
                assert spec is not None and spec.loader is not None  # it ends in .py
                sys.modules[name] = module = util.module_from_spec(spec)
                spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            raise ModelError(f"{self.path} cannot be imported: {self.describe(error)}") from error
        return module

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Let what lies beside the file, around its package, and in the current folder be imported meanwhile."""
        arguments, path, before, current = sys.argv, list(sys.path), set(sys.modules), os.getcwd()
        aside = {name: module for name, module in sys.modules.items() if self._hides(name)}
        for name in aside:
            del sys.modules[name]
        sys.modules.update(self._modules)
        sys.path[:0] = dict.fromkeys(map(str, (self._folder, self._root, Path.cwd())))
        sys.argv = [str(self.path)]  # of our options a file that reads them would make nothing
        try:
            yield
        finally:
            sys.argv, sys.path[:] = arguments, path
            os.chdir(current)  # which our options are relative to
            new = sys.modules.keys() - before | aside.keys() & sys.modules.keys()
            own = [name for name in new if _first(name) == _PACKAGE or self._is_beside(_file(sys.modules[name]))]
            self._modules = {name: sys.modules.pop(name) for name in own}
            sys.modules.update(aside)

    def describe(self, error: BaseException) -> str:
        """Say what an error was and in which line, of the file or of what it imports from beside it."""
        places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        said = str(error)
        if isinstance(error, SystemExit):
            said = 'what runs on its own goes below if __name__ == "__main__":'
        if isinstance(error, SyntaxError):
            places.append((error.filename or "", error.lineno))
            said = error.msg
        own = [place for place in places if self._is_beside(place[0])]
        where = f" in line {own[-1][1]} of {Path(own[-1][0]).name}" if own else ""
        first = printable(said.strip().split("\n")[0]).rstrip(".")
        return f"{type(error).__name__}{where}{': ' * bool(first)}{first}."

    def _hides(self, name: str) -> bool:
        """Tell whether an imported module, of other code of the user's, has the name of what lies beside the file."""
        first = _first(name)
        if first in sys.stdlib_module_names or first in ("__main__", "sightline"):
            return False
        file = _file(sys.modules.get(first))
        return bool(file) and not _is_installed(file) and self._has(first)

    def _has(self, name: str) -> bool:
        folders = (self._folder, self._root)
        return any((folder / f"{name}.py").is_file() or (folder / name).is_dir() for folder in folders)

    def _is_beside(self, file: str) -> bool:
        """Tell whether a file is of the user's code: around the package that `path` lies in, or in this folder."""
        inside = any(Path(file).is_relative_to(folder) for folder in (self._root, Path.cwd()))
        return inside and not (_is_installed(file) or Path(file).is_relative_to(_OURS))


def _first(name: str) -> str:
    return name.partition(".")[0]


def _file(module: ModuleType | None) -> str:
    """Return the file of a module, or the first folder of a package that has none; "" of what is built in."""
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")


def _is_installed(file: str) -> bool:
    return any(part in _INSTALLED for part in Path(file).parts)


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
