"""Run a Python file of the user's own, which names a network or a data set: FILE.py:NAME."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module, util
from pathlib import Path
from types import ModuleType

MOST_SAID = 200  # letters of an error
_PACKAGE = "sightline_own_file"  # that a file in no package is taken to be of, for imports that begin with a dot
_OURS = Path(__file__).resolve().parents[1]
_INSTALLED = ("site-packages", "dist-packages")


class OwnFileError(Exception):
    """A sentence for the user: why the file cannot be imported, and in which line."""


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
        """Import the file. Raises OwnFileError, with the line, where that fails."""
        if not self.path.is_file():
            raise OwnFileError(f"No file {self.path}; FILE.py:NAME names what is in a Python file.")
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
            raise OwnFileError(f"{self.path} cannot be imported: {self.describe(error)}") from error
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
        first = _printable(said.strip().split("\n")[0]).rstrip(".")
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


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:MOST_SAID])
